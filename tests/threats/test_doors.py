"""T1 to T5: pages of other origins and names that point here. [W3] [W4] [W6]"""

import pytest

from harness.raw import OPENING, Raw, split_responses
from harness.server import Server

ROUTES = [
    ("GET", "/"),
    ("GET", "/health"),
    ("GET", "/api/conversations"),
    ("GET", "/api/config"),
    ("GET", "/api/model/status"),
    ("GET", "/api/model/history"),
    ("GET", "/api/model/info"),
    ("GET", "/api/browse"),
    ("GET", "/api/system/usage"),
    ("GET", "/api/chat/stream"),
    ("GET", "/api/conversation/chat_1999-01-01-00-00-00-000.txt"),
    ("DELETE", "/api/conversations/chat_1999-01-01-00-00-00-000.txt"),
    ("GET", "/api/generations/0123456789abcdef0123456789abcdef"),
    ("GET", "/api/generations/0123456789abcdef0123456789abcdef/events"),
    ("GET", "/v1/models"),
    ("GET", "/nothing"),
    ("GET", "/api/nothing"),
    ("POST", "/api/chat"),
    ("POST", "/api/chat/stream"),
    ("POST", "/api/chat/cancel"),
    ("POST", "/api/chat/continue"),
    ("POST", "/api/config"),
    ("POST", "/api/model/load"),
    ("POST", "/api/model/unload"),
    ("POST", "/api/model/pin"),
    ("POST", "/api/model/history"),
    ("POST", "/api/upload"),
    ("POST", "/api/backup"),
    ("POST", "/api/logs/frontend"),
    ("POST", "/v1/chat/completions"),
]

SOCKETS = ["/ws", "/ws/chat/stream", "/ws/conversation/watch/chat_1999-01-01-00-00-00-000.txt"]

# [W3] is exact: what is nearly this server's name is somebody else's.
HOSTS = [
    "",
    "evil.example",
    "evil.example:{port}",
    ":{port}",
    "localhost",
    "localhost:",
    "localhost:1",
    "localhost:{port}0",
    "localhost:{port}x",
    "localhost:-{port}",
    "localhost:{port}:{port}",
    "localhost:{port}/",
    "localhost.:{port}",
    "localhost.evil.example:{port}",
    "evil.localhost:{port}",
    "localhost:{port}.evil.example",
    "localhost:{port}@evil.example",
    "evil.example@localhost:{port}",
    "user:password@localhost:{port}",
    "evil.example localhost:{port}",
    "localhost:{port}, evil.example",
    "127.0.0.1.evil.example:{port}",
    "127.0.0.2:{port}",
    "127.1:{port}",
    "2130706433:{port}",
    "0x7f000001:{port}",
    "0177.0.0.1:{port}",
    "0.0.0.0:{port}",
    "::1:{port}",
    "[::1]",
    "[::1]:1",
    "[::1]x:{port}",
    "[::1",
    "[::2]:{port}",
    "[::1%25lo]:{port}",
    "[::ffff:127.0.0.1]:{port}",
    "[0:0:0:0:0:0:0:1]:{port}",
    "http://localhost:{port}",
    "%6cocalhost:{port}",
]

# [W4] is exact: scheme, host and port.
ORIGINS = [
    "http://evil.example",
    "https://localhost:{port}",
    "http://localhost",
    "http://localhost:3000",
    "http://127.0.0.1:1",
    "http://localhost:{port}0",
    "http://localhost:{port}.evil.example",
    "http://localhost:{port}@evil.example",
    "http://localhost:{port}/",
    "http://LOCALHOST:{port}",
    "HTTP://localhost:{port}",
    "http://localhost.:{port}",
    "http://127.0.0.2:{port}",
    "http://[::2]:{port}",
    "ws://localhost:{port}",
    "file://",
    "app://localhost",
    "chrome-extension://abcdefghijklmnop",
    "null",
    "NULL",
    "localhost:{port}",
    "http://localhost:{port} http://evil.example",
    "http://localhost:{port}, http://evil.example",
    "*",
    "about:blank",
]


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    folder = tmp_path_factory.mktemp("doors")
    (folder / "models").mkdir()
    started = Server(folder / "data", folder / "models").start()
    yield started
    # Nothing that was refused has done anything.
    assert started.get("/api/conversations").json() == {"conversations": []}
    assert started.get("/api/config").json()["temperature"] == 0.7
    started.stop()


def ask(server, method, path, host="localhost:{port}", **fields):
    """One request by hand; what follows `fields` is its headers, with {port} for the server's."""
    lines = [f"{method} {path} HTTP/1.1", f"Host: {host}", *(f"{name.replace('_', '-')}: {value}" for name, value in fields.items())]
    with Raw(server) as raw:
        raw.send("\r\n".join([*lines, "Connection: close", "", ""]).replace("{port}", str(server.port)).encode())
        head, separator, _ = raw.read_all().partition(b"\r\n\r\n")
    assert separator, f"no answer to {lines}"
    line, *rest = head.decode().split("\r\n")
    answer = {name.lower(): value.strip() for name, _, value in (field.partition(":") for field in rest)}
    assert not [name for name in answer if name.startswith("access-control-")], (lines, answer)
    return int(line.split()[1]), answer


def open_socket(server, path, host="localhost:{port}", more=""):
    with Raw(server) as raw:
        head = OPENING.replace("localhost:{port}", host).replace("{port}", str(server.port))
        raw.send(head.format(path=path, more=more.replace("{port}", str(server.port))).encode())
        raw.read_until(b"\r\n\r\n")
        return int(raw.got.split()[1])


@pytest.mark.parametrize("host", HOSTS)
def test_another_host_is_421_on_every_route(server, host):
    """T1"""
    for method, path in ROUTES:
        assert ask(server, method, path, host, Content_Length="0")[0] == 421, (method, path)
    for path in SOCKETS:
        assert open_socket(server, path, host) == 421, path


@pytest.mark.parametrize("host", [host for host in HOSTS if host and not set(host) & set(" ,/%")])
def test_another_host_in_the_target_is_421_whatever_the_field_says(server, host):
    """[W40]"""
    for method, path in ROUTES:
        assert ask(server, method, f"http://{host}{path}", Content_Length="0")[0] == 421, (method, path)
    for path in SOCKETS:
        assert open_socket(server, f"http://{host}{path}".replace("{port}", str(server.port))) == 421, path


def test_an_origin_must_be_that_of_the_host_in_the_target(server):
    assert ask(server, "GET", "http://localhost:{port}/api/config", "evil.example", Origin="http://localhost:{port}")[0] == 200
    assert ask(server, "GET", "http://localhost:{port}/api/config", "evil.example", Origin="http://evil.example")[0] == 403


@pytest.mark.parametrize("host", ["localhost:{port}", "LocalHost:{port}", "127.0.0.1:{port}", "[::1]:{port}"])
def test_its_own_names_let_in(server, host):
    assert ask(server, "GET", "/api/config", host)[0] == 200
    assert [open_socket(server, path, host) for path in SOCKETS] == [101, 101, 101]


@pytest.mark.parametrize("origin", ORIGINS)
def test_another_origin_is_403_on_every_route(server, origin):
    """T2, T3, T4, T5: also for what a page may send without asking first, and for the question itself."""
    for method, path in ROUTES:
        assert ask(server, method, path, Origin=origin, Content_Length="0")[0] == 403, (method, path)
        asked = {"Access_Control_Request_Method": method, "Access_Control_Request_Headers": "content-type"}
        assert ask(server, "OPTIONS", path, Origin=origin, **asked)[0] == 403, path
    for path in SOCKETS:
        assert open_socket(server, path, more=f"Origin: {origin}\r\n") == 403, path


def test_a_question_before_a_request_is_never_answered_with_a_permission(server):
    """T3: not even for its own origin, which needs none."""
    for method, path in ROUTES:
        for origin in ("http://localhost:{port}", None):
            fields = {"Access_Control_Request_Method": method, "Access_Control_Request_Private_Network": "true"}
            status, _ = ask(server, "OPTIONS", path, **fields, **({"Origin": origin} if origin else {}))
            assert status in (404, 405), path


SIMPLE = ["text/plain", "text/plain;charset=UTF-8", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x",
          "text/plain; application/json", "application/jsonp", "application/json, text/plain", "", "*/*"]


@pytest.mark.parametrize("kind", SIMPLE)
def test_what_a_form_can_send_is_no_json(server, kind):
    """T2: a form, fetch without a question, sendBeacon. Even where a browser would leave Origin away."""
    body = b'{"message":"x","temperature":0.1}'
    for method, path in ROUTES:
        if method == "POST" and path != "/api/upload":
            answer = server.http("POST", path, content=body, headers={"Content-Type": kind})
            assert answer.status_code == 415, (path, answer.text)


@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", "application/json", ""])
def test_an_upload_is_multipart(server, kind):
    assert server.http("POST", "/api/upload", content=b"GGUF", headers={"Content-Type": kind}).status_code == 415


@pytest.mark.parametrize("coding", ["gzip", "br", "deflate", "x-gzip", "gzip, identity", "identity, gzip", "zstd"])
def test_a_compressed_body_is_415(server, coding):
    """T23"""
    import gzip

    for path in ("/api/chat", "/api/config", "/v1/chat/completions"):
        headers = {"Content-Type": "application/json", "Content-Encoding": coding}
        answer = server.http("POST", path, content=gzip.compress(b" " * 1_000_000), headers=headers)
        assert answer.status_code == 415, answer.text


def test_an_answer_says_what_it_is_and_nothing_may_read_it_from_elsewhere(server):
    """T15"""
    for path in ("/health", "/api/conversations", "/api/nothing", "/v1/models", "/v1/nothing"):
        answer = server.get(path)
        assert answer.headers["content-type"].startswith("application/json"), path
        assert answer.headers["x-content-type-options"] == "nosniff", path
        assert answer.headers["cross-origin-resource-policy"] == "same-origin", path
        assert answer.headers["cache-control"] == "no-store", path
    with Raw(server) as raw:
        raw.send(b"GET / HTTP/1.1\r\n\r\n")
        status, fields, _ = split_responses(raw.read_all())[0]
        assert (status, fields["x-content-type-options"]) == (400, "nosniff")
