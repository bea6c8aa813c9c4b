"""P13 one owner: a second server on the same data directory exits at once and names the first."""

import select

from harness.clients import Native
from harness.server import START_S

ROUNDS = 10


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


def test_of_two_that_start_at_once_one_serves_and_the_other_names_it(new_server, script):
    """F20: also on a directory whose last owner was killed, so that its name still stands there."""
    tale = script()
    for _ in range(ROUNDS):
        both = [new_server(tale), new_server(tale)]
        for number, server in enumerate(both):
            server.stderr_path = server.data.parent / f"{number}.stderr"
            server.stderr_path.unlink(missing_ok=True)
        for server in both:
            server.spawn()
        ready = select.select([server.process.stdout for server in both], [], [], START_S)[0]
        assert ready, [server.stderr() for server in both]
        lines = [server.read_line() for server in both]
        winner, loser = both if lines[0] else reversed(both)
        assert sorted(bool(line) for line in lines) == [False, True], (lines, [server.stderr() for server in both])
        winner.port = int(lines[both.index(winner)].rsplit(":", 1)[1])
        assert loser.wait_exit() == 3
        said = loser.stderr().strip().splitlines()[-1]
        assert f"process {winner.process.pid}" in said and str(winner.data) in said, said
        assert winner.is_serving()
        winner.kill()


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
