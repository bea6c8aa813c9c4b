"""T7, T8, T10: who may come in, at which door, with what, and for how long. [W5] [W45] [W46] [W47]"""

import json
import re
import subprocess
import threading
import time
from pathlib import Path

import httpx
import pytest

from harness.clients import Closed, Native, Socket
from harness.command import run
from harness.keys import SCOPES, add_key, bearer, revoke_key, sign_in, write_key
from harness.raw import OPENING, Raw
from harness.server import ROOT, Server
from harness.wait import wait_until

RANK = {scope: rank for rank, scope in enumerate(["public", *SCOPES])}
TOKEN = "a token of a person"
WAIT_S = 30


# ---- Every door with every key ----


class Doors:
    """A server with keys of every kind, and what each is expected to open."""

    def __init__(self, server):
        server.data.mkdir()
        self.server = server
        self.keys = {"wrong": ("runnel_" + "0" * 64, None), "short": ("x", None)}
        for scope in SCOPES:
            self.keys[scope] = (add_key(server, scope, "--scope", scope), scope)
        self.keys["token"] = (TOKEN, "admin")
        self.keys["revoked"] = (add_key(server, "revoked", "--scope", "admin"), None)
        self.keys["ended"] = (write_key(server, "ended", "x" * 40, "admin", int(time.time()) + 3600), None)
        server.start()
        self.cookies = {}
        self.sign_in_all("wrong", "short")
        self.cookies["wrong"] = {"Cookie": f"runnel_{server.port}={'0' * 64}"}
        self.cookies["short"] = {"Cookie": f"runnel_{server.port}="}
        revoke_key(server, "revoked")
        content = json.loads((server.data / "keys.json").read_text())
        next(key for key in content["keys"] if key["name"] == "ended")["expires"] = int(time.time()) - 1
        (server.data / "keys.json").write_text(json.dumps(content))
        self.client = self.client_of("127.0.0.1")

    def client_of(self, address):
        transport = httpx.HTTPTransport(local_address=address)
        return httpx.Client(base_url=self.server.url, transport=transport, timeout=60)

    def sign_in_all(self, *but):
        for name, (text, _) in self.keys.items():
            if name not in but:
                self.cookies[name] = sign_in(self.server, text)

    def credentials(self):
        """(name, way, headers, query, scope that it has)"""
        yield "none", "", {}, "", None
        for name, (text, scope) in self.keys.items():
            yield name, "bearer", bearer(text), "", scope
            yield name, "x-api-key", {"X-Api-Key": text}, "", scope
            yield name, "query", {}, f"?token={text.replace(' ', '%20')}", scope
            yield name, "cookie", self.cookies[name], "", scope

    def status(self, route, headers, query, client=None):
        path = route["path"] + ("x" if route["path"].endswith("/") and len(route["path"]) > 1 else "") + query
        if route["websocket"]:
            more = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
            with Raw(self.server) as raw:
                raw.send(OPENING.format(path=path, port=self.server.port, more=more).encode())
                raw.read_until(b"\r\n")
                return int(raw.got.split()[1])
        # A body that nobody can do anything with: what comes in is refused by its handler.
        content = None if route["method"] == "GET" else b'{"temperature":"none","model_path":7,"message":7,"generation_id":7,"logs":7}'
        headers = {**headers, "Content-Type": "application/json"}
        return (client or self.client).request(route["method"], path, headers=headers, content=content).status_code


@pytest.fixture(scope="module")
def doors(tmp_path_factory):
    folder = tmp_path_factory.mktemp("doors")
    (folder / "models").mkdir()
    server = Server(folder / "data", folder / "models", flags=["--token", TOKEN])
    made = Doors(server)
    made.routes = server.get("/__routes").json().get("routes")
    yield made
    admin = bearer(made.keys["admin"][0])
    assert server.get("/api/conversations", headers=admin).json() == {"conversations": []}
    assert server.get("/api/config", headers=admin).json()["temperature"] == 0.7
    server.stop()


def need_routes(doors):
    if doors.routes is None:
        pytest.skip("this build has no /__routes: RUNNEL_FAULTS is off")
    return [route for route in doors.routes if not route["path"].startswith("/__")]


def expected(route, name, way, scope):
    """The status where the gate has a say; None: it lets in."""
    if route["scope"] == "public":
        return None
    if way == "query" and not route["websocket"]:
        return 401
    if route["path"] == "/ws" and scope is None and (name == "none" or way == "cookie"):
        return None  # `hello` may bring it
    if scope is None:
        return 401
    return 403 if RANK[scope] < RANK[route["scope"]] else None


def test_every_route_with_every_key_in_every_way(doors):
    """T8"""
    routes = sorted(need_routes(doors), key=lambda route: route["path"] == "/api/logout")  # it ends its cookie
    assert len(routes) > 30
    wrong = []
    for number, route in enumerate(routes):
        # Each route is asked from an address of its own: one that says so many wrong keys must wait [W47].
        with doors.client_of(f"127.0.1.{number + 1}") as client:
            for name, way, headers, query, scope in doors.credentials():
                wanted = expected(route, name, way, scope)
                got = doors.status(route, headers, query, client)
                if (got != wanted) if wanted else (got in (401, 403, 429)):
                    wrong.append((route["method"], route["path"], name, way, "wanted", wanted, "got", got))
    doors.sign_in_all("wrong", "short", "revoked", "ended")
    assert not wrong


def test_the_table_of_the_protocol_is_the_router(doors):
    """[W45]"""
    text = (Path(ROOT) / "docs" / "protocol.md").read_text()
    said = set()
    for scope, cells in re.findall(r"^  \| `(\w+)` \| (.*) \|$", text, re.M):
        for method, path in re.findall(r"`(GET|POST|DELETE) (/[^`]*)`", cells):
            said.add((method, path, scope))
    assert said == {(route["method"], route["path"], route["scope"]) for route in need_routes(doors)}


@pytest.mark.parametrize("path", ["/api/nothing", "/v1/nothing", "/api//config", "/api/%2e%2e/api/config", "/API/config", "/api/config/", "/ws/x"])
def test_what_is_not_there_is_told_to_those_who_may_come_in(doors, path):
    plain = doors.client.get(path)
    # What is under no prefix of the interfaces is the page's.
    assert plain.status_code == (404 if path.startswith("/API") else 401)
    assert doors.client.get(path, headers=bearer(doors.keys["metrics"][0])).status_code == 404


@pytest.mark.parametrize("method", ["PUT", "DELETE", "POST", "OPTIONS", "PATCH", "HEAD", "TRACE"])
def test_another_method_opens_no_door(doors, method):
    for path in ("/api/config", "/api/conversations", "/v1/models", "/api/system/usage"):
        assert doors.client.request(method, path, headers={"Content-Type": "application/json"}).status_code in (401, 501), path


def test_a_head_needs_what_a_get_needs(doors):
    for name, wanted in (("metrics", 403), ("read", 200), ("revoked", 401)):
        assert doors.client.head("/api/config", headers=bearer(doors.keys[name][0])).status_code == wanted


@pytest.mark.parametrize("more", [("X-Api-Key", "wrong"), ("Authorization", "Bearer wrong"), ("Authorization", "bearer\twrong")])
def test_a_wrong_key_beside_a_good_one_is_wrong_when_it_comes_first(doors, more):
    good = doors.keys["admin"][0]
    headers = {"X-Api-Key": good, more[0]: more[1]}
    wanted = 200 if more[1].startswith("bearer\t") else 401
    assert doors.client.get("/api/config", headers=headers).status_code == wanted
    # A cookie makes it no better.
    if more[0] == "X-Api-Key":
        assert doors.client.get("/api/config", headers={**doors.cookies["admin"], **headers}).status_code == 401


def test_two_headers_of_a_kind_are_no_key(doors):
    good = doors.keys["admin"][0]
    for fields in ([("Authorization", f"Bearer {good}"), ("Authorization", f"Bearer {good}")], [("X-Api-Key", good), ("X-Api-Key", good)]):
        assert doors.client.get("/api/config", headers=fields).status_code in (400, 401)


def test_the_sentence_says_what_to_do(doors):
    for path, field in (("/api/config", lambda body: body["error"]), ("/v1/models", lambda body: body["error"]["message"])):
        none = doors.client.get(path)
        assert none.status_code == 401 and none.headers["www-authenticate"] == "Bearer"
        assert "Authorization: Bearer" in field(none.json())
        low = doors.client.get(path, headers=bearer(doors.keys["metrics"][0]))
        assert low.status_code == 403
        assert "metrics" in field(low.json()) and "--scope read" in field(low.json())


def test_hello_may_bring_the_key(doors):
    for name, (text, scope) in doors.keys.items():
        client = Native(doors.server, hello=False)
        client.send(type="hello", protocol=1, token=text)
        if scope in ("read", "chat", "admin"):
            client.until("hello")
            client.close()
        else:
            assert client.close_code() == 4001, name
    client = Native(doors.server, hello=False)
    client.send(type="hello", protocol=1)
    assert client.close_code() == 4001
    # A key that is said counts more than the cookie that came with it.
    client = Native(doors.server, hello=False, additional_headers=doors.cookies["admin"])
    client.send(type="hello", protocol=1, token="wrong")
    assert client.close_code() == 4001


def test_a_reader_may_watch_and_say_nothing(doors):
    with Native(doors.server, additional_headers=bearer(doors.keys["read"][0])) as client:
        for frame in ({"type": "send", "client_msg_id": "a", "text": "x"}, {"type": "stop", "generation": "x"}, {"type": "continue", "client_msg_id": "a", "generation": "x"}):
            client.send(**frame)
            assert client.until("error")["code"] == "denied", frame
        client.send(type="watch", conversation="chat_1999-01-01-00-00-00-000.txt")
        assert client.until("error")["code"] == "not_found"


def test_a_page_of_another_origin_gains_nothing_by_a_cookie(doors):
    """T2, T4: SameSite keeps it away, and where it does not, the Origin does."""
    headers = {**doors.cookies["admin"], "Origin": f"http://localhost:{doors.server.port + 1}"}
    assert doors.client.post("/api/config", json={}, headers=headers).status_code == 403
    assert doors.client.get("/api/config", headers=headers).status_code == 403
    assert doors.status({"path": "/ws", "websocket": True}, headers, "") == 403
    form = {**doors.cookies["admin"], "Content-Type": "application/x-www-form-urlencoded"}
    assert doors.client.post("/api/config", content=b"temperature=1", headers=form).status_code == 415
    assert doors.client.post("/api/login", content=b"key=x", headers={"Content-Type": "application/x-www-form-urlencoded"}).status_code == 415


# ---- When everybody may ----


def test_without_a_key_everybody_may_until_there_is_one(serve, script):
    server = serve(script())
    assert server.get("/api/config", headers=bearer("whatever")).status_code == 200
    assert server.get("/api/login").json() == {"needed": False, "signed_in": False, "name": "", "scope": "admin"}
    with Native(server) as before:
        key = add_key(server, "first")
        assert server.get("/api/config").status_code == 401, "at once"
        assert before.close_code() == 4401
    with Native(server, additional_headers=bearer(key)):
        pass
    revoke_key(server, "first")
    assert server.get("/api/config").status_code == 401, "the last key is gone: nobody comes in"
    server.restart()
    assert server.get("/api/config").status_code == 401
    (server.data / "keys.json").unlink()
    assert server.get("/api/config").status_code == 401, "not while it runs"
    server.restart()
    assert server.get("/api/config").status_code == 200


def refuses_to_start(server):
    done = subprocess.run(server.command(), env=server.environment(), capture_output=True, text=True, timeout=60)
    return done.returncode, done.stderr


@pytest.mark.parametrize("host", ["0.0.0.0", "::"])
def test_an_address_that_others_reach_needs_a_key(new_server, script, host):
    """T7"""
    server = new_server(script(), flags=["--host", host])
    code, said = refuses_to_start(server)
    assert code == 2 and "runnel key add" in said and "--token" in said
    key = add_key(server, "phone")
    server.start()
    assert server.get("/api/config").status_code == 401
    assert server.get("/api/config", headers=bearer(key)).status_code == 200
    revoke_key(server, "phone")
    (server.data / "keys.json").unlink()
    assert server.get("/api/config").status_code == 401
    server.stop()
    assert refuses_to_start(server)[0] == 2


def test_keys_that_cannot_be_read_open_nothing(new_server, script):
    server = new_server(script())
    key = add_key(server, "a")
    path = server.data / "keys.json"
    good = path.read_text()
    server.start()
    path.write_text(good[:-10])
    assert server.get("/api/config").status_code == 401
    assert server.get("/api/config", headers=bearer(key)).status_code == 200, "what was known stays known"
    server.stop()
    code, said = refuses_to_start(server)
    assert code == 2 and "keys.json" in said
    assert path.read_text() == good[:-10], "nothing was changed"
    done = run("key", "add", "b", "--data", server.data)
    assert done.returncode == 2 and "keys.json" in done.stderr


# ---- What was opened ends with its key ----


class Reader(threading.Thread):
    """Reads an event stream until it ends, in a thread of its own."""

    def __init__(self, server, path, headers):
        super().__init__(daemon=True)
        self.server, self.path, self.headers = server, path, headers
        self.n_bytes = 0
        self.begun = threading.Event()
        self.start()
        assert self.begun.wait(WAIT_S)

    def run(self):
        try:
            with httpx.stream("GET", self.server.url + self.path, headers={**self.headers, "Accept": "text/event-stream"}, timeout=60) as answer:
                for piece in answer.iter_raw():
                    self.n_bytes += len(piece)
                    self.begun.set()
        except httpx.HTTPError:
            pass


@pytest.fixture
def gated(script):
    """Its first token is there, and the rest waits."""
    return script().gate(2)


def open_everything(server, headers):
    """A socket of each kind and an event stream, all in the middle of an answer."""
    native = Native(server, additional_headers=headers)
    ack = native.begin("Hello")
    native.until("tokens")
    sockets = [native, Socket(server, f"/ws/conversation/watch/{ack['conversation']}", additional_headers=headers)]
    sockets.append(Socket(server, "/ws/chat/stream", additional_headers=headers))
    late = Native(server, hello=False)
    late.send(type="hello", protocol=1, token=headers["Authorization"].removeprefix("Bearer ")) if "Authorization" in headers else late.close()
    if "Authorization" in headers:
        late.until("hello")
        sockets.append(late)
    return ack, sockets, Reader(server, f"/api/generations/{ack['generation']}/events", headers)


def check_closed(sockets, reader):
    for sock in sockets:
        assert sock.close_code() == 4401, sock.name
    reader.join(WAIT_S)
    assert not reader.is_alive()


def test_a_revoked_key_closes_what_it_opened_and_nothing_else(new_server, gated):
    """T10. The answer goes on: it is the conversation's."""
    server = new_server(gated)
    key, other = add_key(server, "mine"), add_key(server, "other")
    server.start()
    ack, sockets, reader = open_everything(server, bearer(key))
    with Native(server, additional_headers=bearer(other)) as watcher:
        watcher.watch(ack["conversation"])
        watcher.until("snapshot")
        before = time.monotonic()
        revoke_key(server, "mine")
        assert server.get("/api/config", headers=bearer(key)).status_code == 401
        check_closed(sockets, reader)
        assert time.monotonic() - before < 10
        gated.open(2)
        assert watcher.until("end")["reason"] == "stop"
    assert "conn_revoked" in server.stderr()


def test_a_key_that_ends_closes_what_it_opened(new_server, gated):
    server = new_server(gated)
    add_key(server, "other")
    server.start()
    key = write_key(server, "short", "s" * 40, expires=int(time.time()) + 4)
    _, sockets, reader = open_everything(server, bearer(key))
    check_closed(sockets, reader)
    assert server.get("/api/config", headers=bearer(key)).status_code == 401
    gated.open(2)


def test_signing_out_closes_what_the_browser_opened_and_no_other(new_server, gated):
    server = new_server(gated)
    key = add_key(server, "mine")
    server.start()
    cookie, other = sign_in(server, key), sign_in(server, key)
    _, sockets, reader = open_everything(server, cookie)
    with Native(server, additional_headers=other) as still:
        answer = server.post("/api/logout", headers=cookie)
        assert answer.status_code == 200
        assert re.search(r"runnel_\d+=; .*Max-Age=0", answer.headers["set-cookie"])
        check_closed(sockets, reader)
        assert server.get("/api/config", headers=cookie).status_code == 401
        assert server.get("/api/config", headers=other).status_code == 200
        still.send(type="ping")
        still.until("ping")
    gated.open(2)


def test_a_request_that_waits_is_cut_off_with_its_key(new_server, gated):
    """An answer without streaming, in the middle of it."""
    server = new_server(gated)
    key, other = add_key(server, "mine"), add_key(server, "other")
    server.start()
    with Raw(server) as raw:
        body = b'{"message":"Hello"}'
        head = f"POST /api/chat HTTP/1.1\r\nHost: localhost:{server.port}\r\nX-Api-Key: {key}\r\nContent-Type: application/json\r\n"
        raw.send(head.encode() + b"Content-Length: %d\r\n\r\n" % len(body) + body)
        rows = lambda: server.get("/api/conversations", headers=bearer(other)).json()["conversations"]  # noqa: E731
        wait_until(lambda: any(row["running"] for row in rows()))
        revoke_key(server, "mine")
        assert raw.is_closed(WAIT_S) and raw.got == b""
    gated.open(2)


# ---- Signing in ----


def test_a_cookie_is_out_of_reach_of_scripts_and_other_sites(new_server, script):
    """T6"""
    server = new_server(script())
    key = add_key(server, "phone", "--expires", "90d")
    server.start()
    answer = server.post("/api/login", {"key": key})
    assert answer.json().keys() == {"success", "name", "scope", "expires"}
    assert (answer.json()["name"], answer.json()["scope"]) == ("phone", "chat")
    assert abs(answer.json()["expires"] - time.time() - 30 * 86400) < 60
    cookie, *attributes = answer.headers["set-cookie"].split("; ")
    assert re.fullmatch(rf"runnel_{server.port}=[0-9a-f]{{64}}", cookie)
    assert set(attributes) == {"Path=/", "HttpOnly", "SameSite=Strict", f"Max-Age={30 * 86400}"}
    assert key not in cookie
    for secret in (key, cookie.partition("=")[2]):
        for path in server.data.iterdir():
            if path.is_file():
                assert secret.encode() not in path.read_bytes(), path
    assert (server.data / "sessions.json").stat().st_mode & 0o777 == 0o600
    assert server.get("/api/login", headers={"Cookie": cookie}).json() == {"needed": True, "signed_in": True, "name": "phone", "scope": "chat"}
    assert server.get("/api/login").json() == {"needed": True, "signed_in": False, "name": None, "scope": None}


def test_with_tls_the_cookie_is_of_tls_alone(new_server, script, certificate):
    server = new_server(script(), certificate=certificate)
    key = add_key(server, "phone")
    server.start()
    answer = server.post("/api/login", {"key": key})
    cookie, *attributes = answer.headers["set-cookie"].split("; ")
    assert cookie.startswith(f"__Host-runnel_{server.port}=") and "Secure" in attributes and "Path=/" in attributes
    with Native(server, additional_headers={"Cookie": cookie}):
        pass


@pytest.mark.parametrize("body", [{}, {"key": ""}, {"key": None}, {"key": 7}, {"key": ["x"]}])
def test_a_sign_in_without_a_key_is_400(serve, script, body):
    server = serve(script(), flags=["--token", TOKEN])
    assert server.post("/api/login", body).status_code == 400


def test_a_sign_in_with_a_wrong_key_is_401_and_leaves_nothing(serve, script):
    server = serve(script(), flags=["--token", TOKEN])
    for key in ("wrong", TOKEN + "x", TOKEN[:-1], "0" * 64, "x" * 100_000, "\u0000"):
        answer = server.post("/api/login", {"key": key})
        assert answer.status_code in (400, 401) and "set-cookie" not in answer.headers, key[:20]
    assert not (server.data / "sessions.json").exists()


def test_a_cookie_outlives_the_server_and_ends_with_its_key(new_server, script):
    """P5: a browser comes back by itself after a crash."""
    server = new_server(script())
    key = add_key(server, "phone")
    server.start()
    cookie = sign_in(server, key)
    server.kill()
    server.start()
    with Native(server, additional_headers=cookie):
        pass
    revoke_key(server, "phone")
    assert server.get("/api/config", headers=cookie).status_code == 401
    add_key(server, "phone")
    assert server.get("/api/config", headers=cookie).status_code == 401, "another key of that name is another key"


def test_the_log_says_how_to_sign_in_once(serve, script):
    server = serve(script(), flags=["--token", TOKEN])
    code = re.search(rf"sign_in_once url=http://127.0.0.1:{server.port}/#once=([0-9a-f]{{64}})", server.stderr()).group(1)
    assert server.get("/api/config", headers=bearer(code)).status_code == 401, "it is no key"
    cookie = sign_in(server, code)
    assert server.get("/api/login", headers=cookie).json()["scope"] == "admin"
    assert server.post("/api/login", {"key": code}).status_code == 401, "once"
    server.restart()
    assert server.get("/api/config", headers=cookie).status_code == 200
    assert "sign_in_once" not in serve(script(), data="open").stderr(), "where everybody may there is nothing to sign in to"


def test_a_damaged_file_of_sessions_costs_only_them(new_server, script):
    server = new_server(script())
    key = add_key(server, "phone")
    server.start()
    cookie = sign_in(server, key)
    server.stop()
    (server.data / "sessions.json").write_text('{"sessions":[{"hash":')
    server.start()
    assert server.get("/api/config", headers=cookie).status_code == 401
    assert server.get("/api/config", headers=sign_in(server, key)).status_code == 200


# ---- How much ----


def test_a_rate_is_429_with_the_time_to_wait_in_the_shape_of_its_api(new_server, script):
    """[W47]"""
    server = new_server(script())
    slow, free = add_key(server, "slow", "--rate", "2/h"), add_key(server, "free")
    server.start()
    call = {"messages": [{"role": "user", "content": "Hi"}]}
    for _ in range(2):
        assert server.post("/v1/chat/completions", call, headers=bearer(slow)).status_code == 200
    answer = server.post("/v1/chat/completions", call, headers=bearer(slow))
    assert answer.status_code == 429
    assert answer.json()["error"]["type"] == "rate_limit_error"
    assert 1700 < int(answer.headers["retry-after"]) <= 1800
    answer = server.post("/api/chat", {"message": "Hi"}, headers=bearer(slow))
    assert answer.status_code == 429 and list(answer.json()) == ["error"] and "retry-after" in answer.headers
    # A browser that has signed in with it shares what is left of it; other keys and reading do not.
    assert server.post("/api/chat", {"message": "Hi"}, headers=sign_in(server, slow)).status_code == 429
    assert server.get("/api/conversations", headers=bearer(slow)).status_code == 200
    assert server.post("/api/chat", {"message": "Hi"}, headers=bearer(free)).status_code == 200
    with Native(server, additional_headers=bearer(slow)) as client:
        client.send(type="send", client_msg_id="a", text="Hi")
        error = client.until("error")
        assert error["code"] == "queue_full" and "try again in" in error["text"]
    with Socket(server, "/ws/chat/stream", additional_headers=bearer(slow)) as client:
        client.send(message="Hi")
        assert "try again in" in client.until("error")["error"]


def test_a_rate_of_the_server_is_for_keys_without_their_own(new_server, script):
    server = new_server(script(), flags=["--rate", "1/h"])
    own, none = add_key(server, "own", "--rate", "3/h"), add_key(server, "none")
    server.start()
    for key, n in ((own, 3), (none, 1)):
        got = [server.post("/api/chat", {"message": "Hi"}, headers=bearer(key)).status_code for _ in range(n + 1)]
        assert got == [200] * n + [429]


def test_answers_at_a_time_are_429_until_one_ends(new_server, gated):
    """[W47]"""
    server = new_server(gated)
    one, two, free = add_key(server, "one", "--concurrent", "1"), add_key(server, "two", "--concurrent", "2"), add_key(server, "free")
    server.start()
    with Native(server, additional_headers=bearer(one)) as client:
        ack = client.begin("Hello")
        client.until("tokens")
        call = {"messages": [{"role": "user", "content": "Hi"}]}
        for headers in (bearer(one), sign_in(server, one)):
            answer = server.post("/v1/chat/completions", call, headers=headers)
            assert answer.status_code == 429 and answer.json()["error"]["type"] == "rate_limit_error"
            assert int(answer.headers["retry-after"]) >= 1
            assert "1 answers under way" in answer.json()["error"]["message"]
        for path, body in (("/api/chat", {"message": "Hi"}), ("/api/chat/stream", {"message": "Hi"}), ("/api/chat/continue", {"generation_id": "0" * 32})):
            answer = server.post(path, body, headers=bearer(one))
            assert answer.status_code == 429 and list(answer.json()) == ["error"] and "retry-after" in answer.headers, path
        client.send(type="send", client_msg_id="b", text="Hi")
        assert client.until("error")["code"] == "queue_full"
        with Socket(server, "/ws/chat/stream", additional_headers=bearer(one)) as old:
            old.send(message="Hi")
            assert "under way" in old.until("error")["error"]
        # Another key is another, and one of two leaves one.
        others = [Native(server, additional_headers=bearer(key)) for key in (two, two, free)]
        for other in others:
            other.begin("Hello")
        others[0].send(type="send", client_msg_id="c", text="Hi")
        assert others[0].until("error")["code"] == "queue_full"
        gated.open(2)
        client.until("end")
        assert server.post("/api/chat", {"message": "Hi"}, headers=bearer(one)).status_code == 200
        assert ack["conversation"]


def test_many_calls_at_once_do_not_pass_the_limit(new_server, gated):
    """What is on its way to the disk counts."""
    server = new_server(gated)
    key = add_key(server, "some", "--concurrent", "3")
    server.start()
    got = []
    threads = [threading.Thread(target=lambda: got.append(server.post("/api/chat", {"message": "Hi"}, headers=bearer(key)).status_code)) for _ in range(20)]
    for thread in threads:
        thread.start()
    limit = time.monotonic() + WAIT_S
    while got.count(429) < 17 and time.monotonic() < limit:
        time.sleep(0.02)
    assert got == [429] * 17
    gated.open(2)
    for thread in threads:
        thread.join(WAIT_S)
    assert got == [429] * 17 + [200] * 3


def test_who_guesses_the_token_must_wait_and_nobody_else(new_server, script):
    """[W47]"""
    server = new_server(script(), flags=["--token", TOKEN])
    key = add_key(server, "phone")
    server.start()
    transport = httpx.HTTPTransport(local_address="127.0.0.9")
    with httpx.Client(base_url=server.url, transport=transport, timeout=60) as guesser:
        got = [guesser.get("/v1/models", headers=bearer(f"guess {number}")).status_code for number in range(30)]
        got += [guesser.post("/api/login", json={"key": f"guess {number}"}).status_code for number in range(30)]
        assert got == [401] * 60
        late = [guesser.get("/v1/models", headers=bearer(f"guess {number}")) for number in range(20)]
        assert {answer.status_code for answer in late} >= {429}
        refused = next(answer for answer in late if answer.status_code == 429)
        assert int(refused.headers["retry-after"]) >= 1 and refused.json()["error"]["type"] == "rate_limit_error"
        # Also the right one: else every answer but that of 429 would be a hit. One comes back in a second.
        tries = [guesser.post("/api/login", json={"key": TOKEN if number % 2 else "wrong"}).status_code for number in range(6)]
        assert 429 in tries[1::2]
        assert guesser.get("/api/config", headers=bearer(key)).status_code == 200, "a key cannot be guessed"
        assert guesser.get("/api/config", headers=sign_in(server, key)).status_code == 200
    assert server.get("/api/config", headers=bearer(TOKEN)).status_code == 200, "from elsewhere"


@pytest.mark.parametrize(("flags", "word"), [(["--rate", "fast"], "60/min"), (["--rate", "0/s"], "60/min"), (["--concurrent", "x"], "number")])
def test_a_wrong_limit_is_exit_2(new_server, flags, word):
    code, said = refuses_to_start(new_server(flags=flags))
    assert code == 2 and word in said


# ---- The command ----


def check_refused(done, *words):
    assert done.returncode == 2 and done.stdout == "", done
    for word in words:
        assert word in done.stderr, done.stderr


def test_the_command_makes_lists_and_revokes(tmp_path):
    data = tmp_path / "data"
    done = run("key", "add", "phone", "--scope", "chat", "--expires", "90d", "--rate", "60/min", "--concurrent", "4", "--data", data)
    assert done.returncode == 0 and re.fullmatch(r"runnel_[0-9a-f]{64}\n", done.stdout)
    assert data.stat().st_mode & 0o777 == 0o700 and (data / "keys.json").stat().st_mode & 0o777 == 0o600
    assert done.stdout.strip() not in (data / "keys.json").read_text()
    run("key", "add", "forever", "--scope", "admin", "--data", data)
    listed = run("key", "list", "--data", data).stdout
    assert re.search(r"phone +chat .* 60/min +4", listed) and re.search(r"forever +admin .* never", listed)
    check_refused(run("key", "add", "phone", "--data", data), "phone")
    check_refused(run("key", "revoke", "nobody", "--data", data), "nobody", "runnel key list")
    assert run("key", "revoke", "phone", "--data", data).returncode == 0
    assert "phone" not in run("key", "list", "--data", data).stdout
    assert "nobody comes in" in run("key", "revoke", "forever", "--data", data).stdout


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        ((), "add NAME"),
        (("drop", "x"), "add NAME"),
        (("add",), "NAME"),
        (("add", "a b"), "NAME"),
        (("add", "x" * 65), "NAME"),
        (("add", "x", "y"), "y"),
        (("list", "x"), "add NAME"),
        (("add", "x", "--scope", "all"), "metrics, read, chat or admin"),
        (("add", "x", "--expires", "soon"), "90d"),
        (("add", "x", "--expires", "0d"), "90d"),
        (("add", "x", "--expires", "2001-01-01"), "90d"),
        (("add", "x", "--rate", "60"), "60/min"),
        (("add", "x", "--concurrent", "0"), "1 to 1000"),
        (("add", "x", "--scope"), "--scope"),
    ],
)
def test_a_wrong_word_is_exit_2_and_changes_nothing(tmp_path, arguments, word):
    done = run("key", *arguments, "--data", tmp_path / "data")
    check_refused(done, word)
    assert not (tmp_path / "data" / "keys.json").exists()


def test_many_commands_at_once_lose_no_key(tmp_path):
    data = tmp_path / "data"
    threads = [threading.Thread(target=run, args=("key", "add", f"k{number}", "--data", data)) for number in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(json.loads((data / "keys.json").read_text())["keys"]) == 20


def test_an_engine_does_not_have_the_token(serve, script):
    server = serve(script(), env={"RUNNEL_TOKEN": TOKEN})
    assert server.post("/api/chat", {"message": "Hi"}, headers=bearer(TOKEN)).status_code == 200
    pid = server.get("/api/model/status", headers=bearer(TOKEN)).json()["engine_pid"]
    assert TOKEN.encode() not in Path(f"/proc/{pid}/environ").read_bytes()


def test_nothing_of_a_key_is_in_the_log(new_server, script):
    """T33"""
    server = new_server(script(), flags=["--token", TOKEN], log="trace")
    key = add_key(server, "phone")
    server.start()
    cookie = sign_in(server, key)
    server.get("/api/config", headers=bearer(key))
    server.get("/api/config", headers=bearer("a wrong key"))
    server.get("/api/config?token=in-the-query", headers=cookie)
    with pytest.raises(Closed):
        Native(server, token="another wrong key")
    with Socket(server, f"/ws/chat/stream?token={key}"):
        pass
    log = server.stderr()
    for secret in (key, key[7:], TOKEN, cookie["Cookie"].partition("=")[2], "a wrong key", "another wrong key", "in-the-query"):
        assert secret not in log, secret
