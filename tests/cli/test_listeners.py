"""Where clients come in: IPv4, IPv6, and the Unix socket of the user's own programs. [W3] [W5] [W44]"""

import os
import socket
import stat
import subprocess

import httpx
import pytest

from harness.command import run
from harness.raw import split_responses


def ask(address, port, host, path="/api/config", more=""):
    """The status, by one connection to an address."""
    with socket.create_connection((address, port), timeout=30) as sock:
        sock.sendall(f"GET {path} HTTP/1.1\r\nHost: {host}\r\n{more}Connection: close\r\n\r\n".encode())
        answer = b""
        while piece := sock.recv(65536):
            answer += piece
    return split_responses(answer)[0][0]


def by_socket(path):
    return httpx.Client(transport=httpx.HTTPTransport(uds=str(path)), base_url="http://localhost")


@pytest.fixture
def v6():
    try:
        with socket.socket(socket.AF_INET6) as sock:
            sock.bind(("::1", 0))
    except OSError:
        pytest.skip("this machine has no IPv6")


def test_the_loopback_of_ipv6_needs_no_key(serve, script, v6):
    server = serve(script(), flags=["--host", "::1"])
    for host in ("localhost", "[::1]", "127.0.0.1"):
        assert ask("::1", server.port, f"{host}:{server.port}") == 200
    assert ask("::1", server.port, f"[::2]:{server.port}") == 421
    with pytest.raises(OSError):
        ask("127.0.0.1", server.port, f"localhost:{server.port}")


def test_every_address_is_both_kinds_and_answers_to_its_own_name(serve, script, v6):
    server = serve(script(), flags=["--host", "::", "--token", "secret"])
    authorized = "Authorization: Bearer secret\r\n"
    assert ask("127.0.0.1", server.port, f"127.0.0.1:{server.port}", more=authorized) == 200
    assert ask("::1", server.port, f"[::1]:{server.port}", more=authorized) == 200
    assert ask("127.0.0.2", server.port, f"127.0.0.2:{server.port}", more=authorized) == 200
    origin = authorized + f"Origin: http://127.0.0.2:{server.port}\r\n"
    assert ask("127.0.0.2", server.port, f"127.0.0.2:{server.port}", more=origin) == 200
    assert ask("127.0.0.1", server.port, f"127.0.0.2:{server.port}", more=authorized) == 421, "another address than the one dialled"
    assert ask("127.0.0.1", server.port, f"127.0.0.1:{server.port}", more=origin) == 403
    assert ask("127.0.0.1", server.port, f"0.0.0.0:{server.port}", more=authorized) == 421
    assert ask("127.0.0.1", server.port, f"127.0.0.1:{server.port}") == 401


def test_an_address_that_is_none_is_exit_2_or_3(new_server):
    for host, word in (("localhost", "--host"), ("256.1.1.1", "--host"), ("::g", "--host"), ("1.2.3.4", "cannot listen")):
        server = new_server(flags=["--host", host, "--token", "x"])
        done = subprocess.run(server.command(), env=server.environment(), capture_output=True, text=True, timeout=60)
        assert done.returncode in (2, 3) and word in done.stderr, done.stderr


def test_the_socket_is_this_users_alone_and_goes_with_the_server(serve, script):
    server = serve(script())
    path = server.data / "runnel.sock"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    with by_socket(path) as client:
        assert client.get("/api/config").status_code == 200
        assert client.get("/api/config", headers={"Host": "localhost:1234"}).status_code == 200
        assert client.get("/api/config", headers={"Host": "evil.example"}).status_code == 421
        assert client.get("/api/config", headers={"Origin": "http://localhost"}).status_code == 403
    server.stop()
    assert not path.exists()


def test_a_socket_that_was_left_behind_is_replaced(serve, script):
    server = serve(script())
    path = server.data / "runnel.sock"
    server.kill()
    assert path.exists()
    server.start()
    with by_socket(path) as client:
        assert client.get("/health").status_code == 200


def test_the_socket_may_lie_elsewhere(serve, script, tmp_path):
    path = tmp_path / "here.sock"
    server = serve(script(), flags=["--socket", path])
    with by_socket(path) as client:
        assert client.get("/health").status_code == 200
    assert not (server.data / "runnel.sock").exists()
    done = run("backup", "--data", server.data)
    assert done.returncode == 0, done.stderr


def test_a_socket_that_was_asked_for_and_cannot_be_had_is_said(new_server, tmp_path):
    (tmp_path / "file").write_text("somebody's")
    for path in (tmp_path / "file", tmp_path / "none" / "x.sock", tmp_path / ("x" * 200)):
        server = new_server(flags=["--socket", path])
        done = subprocess.run(server.command(), env=server.environment(), capture_output=True, text=True, timeout=60)
        assert done.returncode in (2, 3) and str(path)[:100] in done.stderr, done.stderr
    assert (tmp_path / "file").read_text() == "somebody's"


def test_a_data_folder_too_deep_for_a_socket_works_without(new_server, tmp_path):
    server = new_server(data="deep" * 20)
    os.makedirs(server.data.parent, exist_ok=True)
    server.start()
    assert "socket_missing" in server.stderr()
    assert run("backup", "--data", server.data).returncode == 0, "it asks by the port"


def test_a_backup_of_a_server_that_speaks_tls(serve, script, certificate):
    server = serve(script(), certificate=certificate)
    done = run("backup", "--data", server.data)
    assert done.returncode == 0, done.stderr
