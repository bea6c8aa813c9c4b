"""Bad input: each kind has its clear error, and the server still serves. [W1]–[W7] [W10] [N11]"""

import json
import socket

import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import connect

from harness.clients import Chat, Native, Socket, Watch
from harness.oracle import check_w12
from harness.script import corrupt_model

UNKNOWN = "chat_1999-01-01-00-00-00-000.txt"
JSON = {"Content-Type": "application/json"}


@pytest.fixture
def server(serve, script):
    """A server that must still answer when the test is over."""
    tale = script()
    started = serve(tale)
    yield started
    with Chat(started) as chat:
        chat.ask("Still there?")
        assert check_w12(*chat.answer()) == tale.text


def check_error(answer, status, *words):
    assert answer.status_code == status, (answer.status_code, answer.text)
    body = answer.json()
    assert list(body) == ["error"] and isinstance(body["error"], str), body
    for word in words:
        assert word in body["error"], body


# ---- Bodies ----

POSTS = [
    "/api/chat",
    "/api/chat/stream",
    "/api/chat/cancel",
    "/api/config",
    "/api/model/load",
    "/api/model/unload",
    "/api/model/pin",
    "/api/model/history",
    "/api/logs/frontend",
]

NO_OBJECTS = [
    b'{"message":',
    b"[]",
    b'"x"',
    b"7",
    b'{"a":1}x',
    b'{"a":1,"a":2}',
    b'{"a":"\xff\xfe"}',
    b'{"a":"\\ud800"}',
    b"[" * 200,
]


@pytest.mark.parametrize("body", NO_OBJECTS)
def test_a_body_that_is_no_json_object(server, body):
    for path in POSTS:
        check_error(server.http("POST", path, content=body, headers=JSON), 400)


@pytest.mark.parametrize(
    "path, body, word",
    [
        ("/api/chat", {}, "message"),
        ("/api/chat", {"message": 7}, "message"),
        ("/api/chat", {"message": ["x"]}, "message"),
        ("/api/chat", {"message": ""}, "empty"),
        ("/api/chat", {"message": " \n"}, "empty"),
        ("/api/chat", {"message": "a\u0000b"}, "message"),
        ("/api/chat", {"message": "x", "conversation_id": 7}, "conversation_id"),
        ("/api/chat/stream", {}, "message"),
        ("/api/chat/stream", {"message": {"x": 1}}, "message"),
        ("/api/chat/cancel", {"conversation_id": 7}, "conversation_id"),
        ("/api/chat/cancel", {"generation_id": []}, "generation_id"),
        ("/api/config", {"temperature": "hot"}, "temperature"),
        ("/api/config", {"temperature": 3}, "temperature"),
        ("/api/config", {"top_k": 1.5}, "top_k"),
        ("/api/config", {"sampler_type": "Best"}, "sampler_type"),
        ("/api/config", {"stop_tokens": "x"}, "stop_tokens"),
        ("/api/config", {"colour": "blue"}, "colour"),
        ("/api/model/load", {"model_path": 7}, "model_path"),
        ("/api/model/history", {"model_path": 7}, "model_path"),
        ("/api/logs/frontend", {"logs": "x"}, "logs"),
    ],
)
def test_a_wrong_field_is_named(server, path, body, word):
    """[W2]"""
    before = server.get("/api/config").json()
    check_error(server.post(path, body), 400, word)
    assert server.get("/api/config").json() == before
    assert server.get("/api/conversations").json() == {"conversations": []}


def test_unknown_fields_of_a_request_are_ignored(server):
    """[W1]"""
    answer = server.post("/api/chat", {"message": "x", "colour": "blue", "conversation_id": None})
    assert answer.status_code == 200


def test_a_half_wrong_config_changes_nothing(server):
    """[W20]"""
    before = server.get("/api/config").json()
    check_error(server.post("/api/config", {"temperature": 0.1, "top_p": 9}), 400, "top_p")
    assert server.get("/api/config").json() == before


@pytest.mark.parametrize("path", ["/api/chat", "/api/config", "/v1/chat/completions"])
def test_a_body_of_ten_megabytes_is_413(server, path):
    """[W6]"""
    answer = server.http("POST", path, content=json.dumps({"message": "x" * 10_000_000}), headers=JSON)
    assert answer.status_code == 413


def test_other_content_types_and_compressed_bodies_are_415(server):
    """[W6]"""
    wrong = [{"Content-Type": "text/plain"}, {"Content-Type": "application/x-www-form-urlencoded"}, {"Content-Type": ""}]
    for headers in [*wrong, {**JSON, "Content-Encoding": "gzip"}]:
        check_error(server.http("POST", "/api/chat", content=b'{"message":"x"}', headers=headers), 415)


def test_headers_of_a_megabyte_are_refused(server):
    with socket.create_connection(("127.0.0.1", server.port), timeout=30) as raw:
        raw.sendall(f"GET /health HTTP/1.1\r\nHost: localhost:{server.port}\r\n".encode())
        answer = b""
        try:
            for _ in range(64):
                raw.sendall(b"X-Filler: " + b"x" * 16000 + b"\r\n")
            raw.sendall(b"\r\n")
            answer = raw.recv(4096)
        except (ConnectionError, BrokenPipeError):
            pass
        assert answer == b"" or answer.startswith(b"HTTP/1.1 4"), answer[:200]


@pytest.mark.parametrize(
    "garbage",
    [b"\x00\xff\x16\x03\x01\x02\x00", b"GET\r\n\r\n", b"POST /api/chat HTTP/1.1\r\n\r\n", b"hello\r\n\r\n"],
)
def test_what_is_no_http(server, garbage):
    with socket.create_connection(("127.0.0.1", server.port), timeout=30) as raw:
        raw.sendall(garbage)
        raw.shutdown(socket.SHUT_WR)
        answer = raw.recv(4096)
        assert not answer.startswith(b"HTTP/1.1 2")


ARGUMENTS = [
    "/api/conversations?limit=",
    "/api/conversations?before=",
    "/api/model/info?model_path=",
    "/api/model/info?path=",
    "/api/browse?path=",
    "/api/generations/0123456789abcdef0123456789abcdef/events?after=",
    "/api/generations/0123456789abcdef0123456789abcdef/events?limit=",
    "/api/generations/0123456789abcdef0123456789abcdef/events?epoch=",
    f"/ws/conversation/watch/{UNKNOWN}?generation=",
    f"/ws/conversation/watch/{UNKNOWN}?epoch=",
    f"/ws/conversation/watch/{UNKNOWN}?after=",
    f"/ws/conversation/watch/{UNKNOWN}?updates=",
]


@pytest.mark.parametrize("path", ARGUMENTS)
def test_an_argument_that_is_too_long_is_not_taken_as_absent(server, path):
    """[W7]"""
    upgrade = {"Upgrade": "websocket", "Sec-WebSocket-Version": "13", "Sec-WebSocket-Key": "x3JJHMbDL1EzLkh9GBhXDw==", "Connection": "Upgrade"}
    check_error(server.get(path + "0" * 5000, headers=upgrade if path.startswith("/ws") else {}), 400)


# ---- Names ----

TRAVERSALS = [
    "..%2f..%2f..%2fetc%2fpasswd",
    "../../etc/passwd",
    "%2e%2e/%2e%2e/etc/passwd",
    "chat_x",
    "chat_2026-11-22-21-05-10-123.txt/../x",
    "runnel.db",
    ".",
    "%ff",
]


@pytest.mark.parametrize("name", TRAVERSALS)
def test_ids_that_are_no_ids_are_never_paths(server, name):
    """[W10]"""
    places = [("GET", "/api/conversation/"), ("DELETE", "/api/conversation/"), ("DELETE", "/api/conversations/")]
    for method, path in places:
        answer = server.http(method, path + name)
        assert answer.status_code in (400, 404, 405), (method, path, answer.status_code)
        assert "root:" not in answer.text
    for path in ("/", "/assets/"):
        assert "root:" not in server.get(path + name).text
    check_error(server.post("/api/chat", {"message": "x", "conversation_id": name}), 400, "conversation_id")


def test_a_nul_in_a_path_is_no_end_of_it(server):
    name = server.post("/api/chat", {"message": "x"}).json()["conversation_id"]
    check_error(server.http("DELETE", f"/api/conversations/{name}%00x"), 400, "%")
    assert server.get(f"/api/conversation/{name}").status_code == 200


def test_an_unknown_conversation_is_404(server):
    check_error(server.get(f"/api/conversation/{UNKNOWN}"), 404)
    check_error(server.http("DELETE", f"/api/conversations/{UNKNOWN}"), 404)
    check_error(server.post("/api/chat", {"message": "x", "conversation_id": UNKNOWN}), 404)
    check_error(server.post("/api/chat/stream", {"message": "x", "conversation_id": UNKNOWN}), 404)


@pytest.mark.parametrize("path", ["/etc/passwd", "../../../etc/passwd", "/", "/proc/self/environ"])
def test_files_outside_the_model_folders_are_not_read(server, path):
    """[W22] [W23]"""
    for answer in (
        server.get("/api/browse", params={"path": path}),
        server.get("/api/model/info", params={"model_path": path}),
        server.post("/api/model/load", {"model_path": path}),
    ):
        assert answer.status_code in (400, 403, 404), answer.text
        assert list(answer.json()) == ["error"] and "root:" not in answer.text


def test_a_linked_folder_out_of_the_model_folder_is_not_followed(server, tmp_path):
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "out.json").write_text("{}")
    (server.models / "link").symlink_to(tmp_path / "outside")
    answer = server.post("/api/model/load", {"model_path": str(server.models / "link" / "out.json")})
    assert answer.status_code == 400 and "copy the file there" in answer.json()["error"]
    assert server.get("/api/browse", params={"path": str(server.models / "link")}).status_code == 403


def test_a_model_that_does_not_load_is_not_chosen(server):
    (server.models / "broken.json").write_text("{")
    answer = server.post("/api/model/load", {"model_path": str(server.models / "broken.json")})
    assert answer.status_code >= 400 and answer.json()["error"]
    assert server.get("/api/config").json()["model_path"] is None


def test_a_model_that_was_loaded_is_used_from_then_on(server, script):
    other = script(["Another", " voice"], name="other")
    assert server.post("/api/model/load", {"model_path": str(other.path)}).json()["success"]
    assert server.post("/api/chat", {"message": "Who?"}).json()["message"]["content"] == other.text
    assert server.post("/api/config", {"model_path": None}).status_code == 200


# ---- Doors ----

HOSTS = [
    "evil.example",
    "evil.example:{port}",
    "localhost:1",
    "127.0.0.1.evil.example:{port}",
    "localhost:{port}.evil.example",
    "",
    "[::2]:{port}",
    "localhost:{port}x",
]

ORIGINS = [
    "http://evil.example",
    "null",
    "https://localhost:{port}",
    "http://localhost:1",
    "http://localhost:{port}.evil.example",
    "file://",
    "http://localhost",
]


@pytest.mark.parametrize("host", HOSTS)
def test_another_host_is_421(server, host):
    """[W3]"""
    host = host.format(port=server.port)
    for path in ("/health", "/", "/api/conversations", "/v1/models"):
        assert server.get(path, headers={"Host": host}).status_code in ((421,) if host else (400, 421)), path


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "[::1]"])
def test_its_own_names_are_good(server, host):
    assert server.get("/api/conversations", headers={"Host": f"{host}:{server.port}"}).status_code == 200


@pytest.mark.parametrize("origin", ORIGINS)
def test_a_foreign_origin_is_403(server, origin):
    """[W4]"""
    origin = origin.format(port=server.port)
    for method, path in (("GET", "/api/conversations"), ("POST", "/api/chat"), ("GET", "/"), ("OPTIONS", "/api/chat")):
        body = {"content": b'{"message":"x"}'} if method == "POST" else {}
        answer = server.http(method, path, headers={"Origin": origin, **JSON}, **body)
        assert answer.status_code == 403, (method, path)
        assert not [name for name in answer.headers if name.startswith("access-control")]
    for path in ("/ws", "/ws/chat/stream", f"/ws/conversation/watch/{UNKNOWN}"):
        with pytest.raises(InvalidStatus) as refused:
            Socket(server, path, origin=origin)
        assert refused.value.response.status_code == 403
    assert server.get("/api/conversations").json() == {"conversations": []}


@pytest.mark.parametrize("path", ["/ws", "/ws/chat/stream", f"/ws/conversation/watch/{UNKNOWN}"])
def test_a_websocket_of_another_host_is_421(server, path):
    """[W3]. The client writes its Host from the address, so the address lies and the connection is given."""
    raw = socket.create_connection(("127.0.0.1", server.port), timeout=30)
    with pytest.raises(InvalidStatus) as refused:
        connect(f"ws://evil.example{path}", sock=raw, compression=None, proxy=None, legacy=True)
    assert refused.value.response.status_code == 421


def test_its_own_origin_is_good(server):
    for host in ("localhost", "127.0.0.1"):
        with Chat(server, origin=f"http://{host}:{server.port}") as chat:
            chat.ask("x")
            chat.until("done")


# ---- WebSockets ----


def test_a_message_of_ten_megabytes_closes_with_4009(server):
    """[W6]"""
    with Native(server) as other:
        for make in (Native, Chat):
            with make(server) as client:
                try:
                    client.send(type="send", client_msg_id="a", text="x" * 10_000_000, message="x" * 10_000_000)
                except ConnectionClosed:
                    pass  # the close came before the end of the message
                assert client.close_code() == 4009
        other.send(type="ping")
        other.until("ping")


def test_bad_utf8_closes_with_1007(server):
    """RFC 6455 section 8.1"""
    for make in (Native, Chat):
        with make(server) as client:
            client.connection.send(b'{"type":"send","text":"\xff\xfe"}', text=True)
            assert client.close_code() == 1007


def test_binary_messages_close_with_1003(server):
    for make in (Native, Chat):
        with make(server) as client:
            client.connection.send(b"\x00\x01")
            assert client.close_code() == 1003


def test_a_sender_that_talks_to_a_watcher_socket_is_ignored(server):
    answer = server.post("/api/chat", {"message": "x"}).json()
    with Watch(server, answer["conversation_id"]) as watch:
        watch.until("update")
        watch.send_text('{"message":"x"}')
        server.post("/api/chat", {"message": "y", "conversation_id": answer["conversation_id"]})
        assert watch.until("message")["content"] == "y"


# ---- Models ----


def test_no_model_at_all_is_said(serve):
    server = serve()
    with Native(server) as client, Chat(server) as chat:
        client.send(type="send", client_msg_id="a", text="Hello")
        error = client.until("error", "ack")
        assert error["type"] == "error" and error["code"] == "model" and "model" in error["text"], error
        chat.ask("Hello")
        assert "model" in chat.until("error", "token")["error"]
    check_error(server.post("/api/chat", {"message": "x"}), 503, "model")
    assert server.get("/health").status_code == 200
    assert server.status()["state"] == "none"
    assert server.get("/api/conversations").json() == {"conversations": []}


def test_a_corrupt_model_ends_the_answer_with_an_error_and_another_can_be_loaded(new_server, script, tmp_path):
    tale = script()
    server = new_server(tale)
    server.model = corrupt_model(tmp_path / "models")
    server.start()
    with Native(server) as client, Chat(server) as chat:
        client.begin("Hello")
        end = client.until("end")
        assert end["reason"] == "error" and end["error"]["code"] == "model_corrupt" and end["error"]["text"]
        assert server.status()["state"] == "failed" and server.status()["error"]
        chat.ask("Hello")
        assert chat.until("error", "done")["error"] == end["error"]["text"]
        loaded = server.post("/api/model/load", {"model_path": str(tale.path)})
        assert loaded.status_code == 200 and loaded.json()["success"] is True, loaded.text
        assert server.status()["state"] == "ready"


def test_a_model_that_is_not_there_is_refused_at_the_start_with_2(new_server, tmp_path):
    server = new_server()
    server.model = tmp_path / "models" / "missing.json"
    server.spawn()
    assert server.wait_exit() == 2
    assert "missing.json" in server.stderr().splitlines()[-1]


def test_a_model_that_vanished_ends_the_answer_with_an_error(serve, script):
    tale = script()
    server = serve(tale)
    tale.path.unlink()
    with Native(server) as client:
        client.send(type="send", client_msg_id="a", text="Hello")
        frame = client.until("error", "end")
        text = frame["text"] if frame["type"] == "error" else frame["error"]["text"]
        assert "model" in text or "fake.json" in text, frame
        tale.write()
        client.begin("Hello")
        assert client.until("end")["reason"] == "stop"


def test_a_prompt_that_does_not_fit_the_context_is_an_error(serve, script):
    tale = script()
    server = serve(tale, flags=["--context", "256"])
    with Native(server) as client, Chat(server) as chat:
        ack = client.begin("word " * 300)
        end = client.until("end")
        assert end["reason"] == "error" and end["error"]["code"] == "context_full" and "256" in end["error"]["text"]
        chat.ask("word " * 300)
        assert chat.until("error", "token")["error"] == end["error"]["text"]
        check_error(server.post("/api/chat", {"message": "word " * 300}), 400, "256")
        client.begin("short", parent=None)
        assert client.until("end")["reason"] == "stop"
        assert server.conversation(ack["conversation"])["messages"][1]["generation"]["reason"] == "error"


def test_an_answer_that_fills_the_context_ends_as_length(serve, script):
    server = serve(script(tokens=["x"], count=10000, prompt_tokens=6), flags=["--context", "256"])
    with Chat(server) as chat:
        chat.ask("Go on")
        tokens, done = chat.answer()
        assert done["reason"] == "length" and tokens[-1]["tokens_used"] == 256 == tokens[-1]["max_tokens"]
