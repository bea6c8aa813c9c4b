"""TLS: what is agreed to and what is not, handshakes that are slow or never end, and certificates that change. [W43] [W3] [W4] [W40]"""

import os
import re
import select
import socket
import ssl
import subprocess
import time

import pytest

from harness.certificate import Certificate
from harness.clients import Native
from harness.raw import Raw, split_responses
from harness.wait import wait_until

GET = b"GET /health HTTP/1.1\r\nHost: localhost:%d\r\nConnection: close\r\n\r\n"
WAIT_S = 30


@pytest.fixture
def server(serve, script, certificate):
    started = serve(script(), certificate=certificate)
    yield started
    with Native(started) as client:
        client.begin("Still there?")
        assert client.until("end")["reason"] == "stop"


def context(server, **settings):
    made = server.context()
    for name, value in settings.items():
        setattr(made, name, value)
    return made


def dial(server):
    return socket.create_connection(("127.0.0.1", server.port), timeout=WAIT_S)


def secured(server, client=None, session=None):
    return (client or server.context()).wrap_socket(dial(server), server_hostname="localhost", session=session)


def ask(server, client=None):
    """The status of /health over a connection of its own, and what was agreed to."""
    with secured(server, client) as sock:
        sock.sendall(GET % server.port)
        answer = b""
        while piece := sock.recv(65536):
            answer += piece
        return split_responses(answer)[0][0], sock.version(), sock.selected_alpn_protocol(), sock.cipher()[0]


# ---- What is agreed to ----


@pytest.mark.parametrize("version", ["TLSv1_2", "TLSv1_3"])
def test_it_speaks_tls_1_2_and_1_3(server, version):
    wanted = getattr(ssl.TLSVersion, version)
    status, spoken, _, cipher = ask(server, context(server, minimum_version=wanted, maximum_version=wanted))
    assert (status, spoken) == (200, version.replace("_", "."))
    assert "GCM" in cipher or "CHACHA20" in cipher


def old_client(server, ciphers, version):
    client = context(server)
    client.set_ciphers(ciphers)
    client.minimum_version = client.maximum_version = version
    return client


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion")
@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1])
def test_it_speaks_no_older_one(server, version):
    with pytest.raises(ssl.SSLError):
        ask(server, old_client(server, "ALL:@SECLEVEL=0", version))


@pytest.mark.parametrize("cipher", ["AES128-GCM-SHA256", "ECDHE-RSA-AES128-SHA", "ECDHE-ECDSA-AES256-SHA384", "AES256-SHA", "ECDHE-ECDSA-NULL-SHA"])
def test_ciphers_without_forward_secrecy_or_authentication_are_refused(server, cipher):
    with pytest.raises(ssl.SSLError):
        ask(server, old_client(server, f"{cipher}:@SECLEVEL=0", ssl.TLSVersion.TLSv1_2))


def test_the_protocol_inside_is_http_1_1_or_nothing_is_agreed_to(server):
    for offered, wanted in ((["h2", "http/1.1"], "http/1.1"), ([], None)):
        client = context(server)
        if offered:
            client.set_alpn_protocols(offered)
        assert ask(server, client)[2] == wanted
    for offered in (["h2"], ["smtp", "ftp"]):
        client = context(server)
        client.set_alpn_protocols(offered)
        with pytest.raises(ssl.SSLError):
            ask(server, client)


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_a_session_is_resumed(server, version):
    client = context(server, minimum_version=version, maximum_version=version)
    with secured(server, client) as sock:
        sock.sendall(GET % server.port)
        sock.recv(65536)
        session = sock.session
        assert not sock.session_reused
    with secured(server, client, session) as sock:
        sock.sendall(GET % server.port)
        assert sock.recv(65536).startswith(b"HTTP/1.1 200")
        assert sock.session_reused


def talk_to_s_client(server, *arguments, say=b"", until=None):
    """What openssl's client prints; `say` is typed once the handshake is done."""
    command = ["openssl", "s_client", "-connect", f"127.0.0.1:{server.port}", *arguments]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    output = b""
    limit = time.monotonic() + WAIT_S
    wanted = [b"Verify return code:", until]
    while time.monotonic() < limit and wanted:
        if select.select([process.stdout], [], [], 1)[0]:
            piece = os.read(process.stdout.fileno(), 65536)
            output += piece
            if not piece:
                break
        if wanted[0] and wanted[0] in output:
            wanted.pop(0)
            if say:
                process.stdin.write(say)
                process.stdin.flush()
                say = b""
        if wanted == [None]:
            break
    process.kill()
    process.wait()
    process.stdin.close()
    process.stdout.close()
    return output


def test_a_renegotiation_is_refused(server):
    """It would make the server work at the client's wish, again and again."""
    output = talk_to_s_client(server, "-tls1_2", say=b"R\n", until=b"no renegotiation")
    assert b"RENEGOTIATING" in output and b"no renegotiation" in output, output[-2000:]


def test_early_data_is_not_taken(server):
    """It can be sent again by whoever overheard it."""
    assert b"Max Early Data: 0" in talk_to_s_client(server, "-tls1_3", until=b"Max Early Data: 0")


def test_compression_is_not_agreed_to(server):
    assert b"Compression: NONE" in talk_to_s_client(server, "-tls1_2", "-comp")


# ---- Doors ----


def test_a_plain_request_is_answered_in_the_clear_with_what_to_do(server):
    for request in (GET % server.port, b"POST /api/chat HTTP/1.1\r\n", b"\r\n", b"x"):
        with dial(server) as sock:
            sock.sendall(request)
            answer = b""
            while piece := sock.recv(65536):
                answer += piece
            ((status, fields, body),) = split_responses(answer)
            assert status == 400 and b"https://" in body and fields["connection"] == "close"


def test_the_origin_of_its_page_is_https(server):
    def status(origin, host="localhost:{port}"):
        fields = {"Host": host.format(port=server.port), "Origin": origin.format(port=server.port)}
        return server.get("/api/config", headers=fields).status_code

    assert status("https://localhost:{port}") == 200
    assert status("https://127.0.0.1:{port}") == 200
    assert status("http://localhost:{port}") == 403
    assert status("https://localhost") == 403
    assert status("https://localhost:{port}", "localhost") == 421, "without a port it is 443"


def test_the_page_is_served_and_nothing_is_said_about_the_next_visit(server):
    answer = server.get("/")
    assert answer.status_code == 200
    assert "strict-transport-security" not in answer.headers


# ---- Handshakes ----


def client_hello(server):
    """The first bytes of a client."""
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    machine = server.context().wrap_bio(incoming, outgoing, server_hostname="localhost")
    with pytest.raises(ssl.SSLWantReadError):
        machine.do_handshake()
    return outgoing.read()


def is_closed(sock, seconds):
    """The server closes within this time; what it says before is thrown away."""
    limit = time.monotonic() + seconds
    while time.monotonic() < limit:
        sock.settimeout(max(0.01, limit - time.monotonic()))
        try:
            if not sock.recv(65536):
                return True
        except TimeoutError:
            return False
        except ConnectionResetError:
            return True
    return False


@pytest.mark.parametrize("n_bytes", [0, 1, 5, 60, -1])
def test_a_handshake_that_does_not_go_on_is_ended_in_time(server, n_bytes):
    """-1: the whole first message, and nothing after the answer. Within the time of a head (10 s)."""
    begun = time.monotonic()
    with dial(server) as sock:
        hello = client_hello(server)
        sock.sendall(hello if n_bytes < 0 else hello[:n_bytes])
        assert is_closed(sock, 30)
    assert time.monotonic() - begun > 8


def test_a_handshake_that_drips_is_ended_in_time(server):
    begun = time.monotonic()
    hello = client_hello(server)
    with dial(server) as sock:
        for byte in hello:
            if time.monotonic() - begun > 40:
                break
            try:
                sock.sendall(bytes([byte]))
            except OSError:
                break
            if is_closed(sock, 0.2):
                break
    assert 8 < time.monotonic() - begun < 40


def test_a_handshake_that_comes_byte_by_byte_is_one(server):
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    machine = server.context().wrap_bio(incoming, outgoing, server_hostname="localhost")
    with dial(server) as sock:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        while True:
            try:
                machine.do_handshake()
                done = True
            except ssl.SSLWantReadError:
                done = False
            for byte in outgoing.read():
                sock.sendall(bytes([byte]))
            if done:
                break
            incoming.write(sock.recv(65536))
        machine.write(GET % server.port)
        for byte in outgoing.read():
            sock.sendall(bytes([byte]))
        answer = b""
        while b"runnel" not in answer:
            incoming.write(sock.recv(65536))
            try:
                answer += machine.read(65536)
            except ssl.SSLWantReadError:
                pass
        assert answer.startswith(b"HTTP/1.1 200")


NONSENSE = {
    "an alert": b"\x15\x03\x01\x00\x02\x02\x28",
    "data before the handshake": b"\x17\x03\x03\x00\x05hello",
    "a record that is too long": b"\x16\x03\x01\xff\xff" + b"x" * 70000,
    "an empty record": b"\x16\x03\x01\x00\x00" * 100,
    "another message first": b"\x16\x03\x01\x00\x04\x14\x00\x00\x00",
    "a hello of nothing": b"\x16\x03\x01\x00\x04\x01\x00\x00\x00",
    "SSL 2": b"\x80\x2e\x01\x00\x02",
    "noise": b"\x16" + bytes(range(256)) * 40,
}


@pytest.mark.parametrize("name", NONSENSE)
def test_nonsense_in_the_place_of_a_handshake_ends_it(server, name):
    with dial(server) as sock:
        try:
            sock.sendall(NONSENSE[name])
        except OSError:
            return
        assert is_closed(sock, 30)


def test_many_half_handshakes_cost_little_and_keep_nobody_out(server):
    """Each announces a message of 130 KB that never comes; OpenSSL makes room for it at once."""
    before = server.memory_kb()
    sockets = []
    try:
        for _ in range(600):
            sock = dial(server)
            sock.sendall(b"\x16\x03\x01\x40\x00" + b"\x01\x01\xff\xf0" + b"x" * 1000)
            sockets.append(sock)
        assert server.get("/health", timeout=10).status_code == 200
        allowed = 256 * 132 + 16_000
        if not server.is_sanitized:
            assert server.memory_kb() - before < allowed, (before, server.memory_kb())
        assert sum(is_closed(sock, 0.01) for sock in sockets) >= 600 - 256
    finally:
        for sock in sockets:
            sock.close()


def test_a_flood_of_tiny_records_delays_nobody(server):
    """One byte to a record, each of which costs as much as a large one."""
    with secured(server) as flood, Native(server) as other:
        flood.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        flood.settimeout(0.2)
        before = server.memory_kb()
        flood.sendall(b"POST /api/nothing HTTP/1.1\r\nHost: localhost:%d\r\nContent-Length: 900000\r\n\r\n" % server.port)
        until = time.monotonic() + 3
        try:
            while time.monotonic() < until:
                for _ in range(500):
                    flood.send(b"x")
        except OSError:
            pass
        other.begin("Hello")
        assert other.until("end", seconds=10)["reason"] == "stop"
        if not server.is_sanitized:
            assert server.memory_kb() - before < 20_000


def test_records_that_bring_nothing_are_bounded(server):
    """KeyUpdate, which asks for one in return: a client may send as many as it likes, and is one of many."""
    command = ["openssl", "s_client", "-tls1_3", "-connect", f"127.0.0.1:{server.port}"]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        before = server.memory_kb()
        until = time.monotonic() + 3
        try:
            while time.monotonic() < until:
                process.stdin.write(b"K\n" * 10)
                process.stdin.flush()
                time.sleep(0.01)
        except BrokenPipeError:
            pass
        with Native(server) as other:
            other.begin("Hello")
            assert other.until("end", seconds=10)["reason"] == "stop"
        if not server.is_sanitized:
            assert server.memory_kb() - before < 20_000
    finally:
        process.kill()
        process.wait()


def test_who_leaves_without_a_word_is_gone(server):
    """No close_notify: the end of the socket is the end."""
    before = server.n_descriptors()
    for _ in range(20):
        sock = secured(server)
        sock.close()
    wait_until(lambda: server.n_descriptors() <= before)


def test_an_answer_ends_with_a_word_and_is_whole(server):
    """A client sees that nothing was cut off: close_notify comes before the end."""
    client = context(server)
    with client.wrap_socket(dial(server), server_hostname="localhost", suppress_ragged_eofs=False) as sock:
        sock.sendall(GET.replace(b"/health", b"/") % server.port)
        answer = b""
        while piece := sock.recv(65536):
            answer += piece
        assert split_responses(answer)[0][0] == 200


# ---- Large things both ways ----


def test_a_large_body_and_a_large_answer_come_whole(serve, script, certificate):
    server = serve(script(echo=True, context_size=1_000_000, token_ms=0), certificate=certificate)
    text = " ".join(f"word{number}" for number in range(20_000))
    answer = server.post("/api/chat", {"message": text})
    assert answer.status_code == 200
    assert answer.json()["message"]["content"] == text
    with Native(server) as client:
        client.watch(answer.json()["conversation_id"])
        assert client.until("snapshot")["messages"][-1]["content"] == text


# ---- Certificates ----


def check_refused(done, *words):
    lines = [line for line in done.stderr.splitlines() if line.startswith("runnel: ")]
    assert done.returncode == 2 and len(lines) == 1 and done.stdout == "", done.stderr
    for word in words:
        assert str(word) in lines[0], lines[0]


@pytest.fixture
def run(new_server):
    def call(*flags):
        server = new_server(flags=flags)
        return subprocess.run(server.command(), env=server.environment(), capture_output=True, text=True, timeout=60)

    return call


def test_files_that_do_not_fit_are_one_clear_line(run, tmp_path, certificate):
    other = Certificate(tmp_path, "other")
    check_refused(run("--tls-cert", certificate.cert, "--tls-key", other.key), other.key, certificate.cert, "does not belong")
    check_refused(run("--tls-cert", certificate.cert), "--tls-key")
    check_refused(run("--tls-key", certificate.key), "--tls-cert")
    check_refused(run("--tls-cert", tmp_path / "none", "--tls-key", certificate.key), tmp_path / "none")
    check_refused(run("--tls-cert", certificate.cert, "--tls-key", tmp_path / "none"), tmp_path / "none")
    check_refused(run("--tls-cert", certificate.key, "--tls-key", certificate.key), certificate.key, "certificate")
    check_refused(run("--tls-cert", certificate.cert, "--tls-key", certificate.cert), certificate.cert, "key")


def test_a_key_with_a_password_is_refused_and_nobody_is_asked(run, tmp_path, certificate):
    locked = tmp_path / "locked.key"
    subprocess.run(["openssl", "pkey", "-in", certificate.key, "-aes128", "-passout", "pass:x", "-out", locked], check=True, capture_output=True)
    check_refused(run("--tls-cert", certificate.cert, "--tls-key", locked), locked, "password")


def test_both_may_be_in_one_file_and_may_be_rsa(serve, script, tmp_path):
    made = Certificate(tmp_path, "rsa", kind="rsa")
    both = tmp_path / "both.pem"
    both.write_bytes(made.cert.read_bytes() + made.key.read_bytes())
    made.cert = made.key = both
    assert serve(script(), certificate=made).get("/health").status_code == 200


def presented(server):
    """The certificate that a new connection is shown, whoever trusts it."""
    return ssl.get_server_certificate(("127.0.0.1", server.port))


def pem(certificate):
    return re.sub(r"\s", "", certificate.cert.read_text())


def test_a_new_certificate_is_taken_up_and_old_connections_live_on(serve, script, tmp_path):
    mine, next_one = Certificate(tmp_path / "a"), Certificate(tmp_path / "b", kind="rsa")
    server = serve(script(), certificate=mine)
    with Native(server) as before:
        mine.become(next_one)
        wait_until(lambda: re.sub(r"\s", "", presented(server)) == pem(next_one))
        before.begin("Still there?")
        assert before.until("end")["reason"] == "stop"
    assert "tls_reloaded" in server.stderr()


def test_a_broken_certificate_changes_nothing_but_the_log(serve, script, tmp_path):
    mine = Certificate(tmp_path / "a")
    good = mine.cert.read_bytes()
    server = serve(script(), certificate=mine)
    shown = presented(server)
    mine.cert.write_text("no certificate")
    wait_until(lambda: "tls_not_reloaded" in server.stderr())
    assert str(mine.cert) in server.stderr()
    assert presented(server) == shown
    mine.cert.unlink()
    wait_until(lambda: server.stderr().count("tls_not_reloaded") == 2)
    assert presented(server) == shown
    mine.cert.write_bytes(good)
    wait_until(lambda: "tls_reloaded" in server.stderr())
    assert server.get("/health").status_code == 200
    assert server.stderr().count("tls_not_reloaded") == 2, "once for each change"


def test_a_certificate_that_ends_soon_is_said_in_the_log(serve, script, tmp_path):
    server = serve(script(), certificate=Certificate(tmp_path / "short", days=3))
    assert re.search(r"tls_certificate_ends .* days=[23]", server.stderr())
