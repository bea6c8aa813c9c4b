"""P13 one owner: a second server on the same data directory exits at once and names the first."""

from harness.clients import Native


def test_a_second_server_on_the_same_data_names_the_first_and_exits_with_3(serve, new_server, script):
    tale = script()
    server = serve(tale)
    second = new_server(tale)
    second.stderr_path = second.data.parent / "second.stderr"
    second.spawn()
    assert second.wait_exit() == 3
    said = second.stderr().strip().splitlines()
    assert str(server.process.pid) in said[-1] and str(server.data) in said[-1], said
    with Native(server) as client:
        client.begin("Still here")
        client.until("end", reason="stop")


def test_the_lock_goes_with_its_owner(new_server, script):
    tale = script()
    server = new_server(tale).start()
    server.kill()
    server.start()
    assert server.is_serving()


def test_a_port_in_use_is_said_in_one_line_with_code_3(serve, new_server, script):
    tale = script()
    server = serve(tale)
    second = new_server(tale, data="other")
    second.port = server.port
    second.spawn()
    assert second.wait_exit() == 3
    said = [line for line in second.stderr().splitlines() if line.startswith("runnel: ")]
    assert len(said) == 1 and str(server.port) in said[0] and "--port" in said[0]
