"""Every route with what is wrong for it: the right status, the field named, and a sentence that says what to do. [W1] [W2] [W7] [N11] [O3]"""

import re

import httpx
import pytest

from harness.clients import Chat, Native
from harness.server import Server

UNKNOWN = "chat_1999-01-01-00-00-00-000.txt"
NO_GENERATION = "f" * 32
LONG = "x" * 5000
HI = [{"role": "user", "content": "Hi"}]

# A rule, or behind a colon what to do now.
SAYS_WHAT_TO_DO = re.compile(
    r"\bmust\b|\bneeds\b|\bonly\b|: [^:]*\b(ask|choose|connect|copy|free|give|go on|leave|lists|load|look|name|put|read|"
    r"remove|rename|send|start|try|unwatch|use|wait|write)\b"
)


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    """One for all: wrong requests change nothing."""
    folder = tmp_path_factory.mktemp("sentences")
    (folder / "models").mkdir()
    model = folder / "models" / "fake.json"
    model.write_text('{"name":"fake","tokens":["a"],"token_ms":0}')
    started = Server(folder / "data", folder / "models", model=model).start()
    yield started
    started.stop()


@pytest.fixture(scope="module")
def places(server):
    """A conversation and its answer's generation, by the names that the tables use."""
    name = server.post("/api/chat", {"message": "x"}).json()["conversation_id"]
    generation = server.answer_of(name)["generation"]["id"]
    return {"CONVERSATION": name, "GENERATION": generation, "MODEL": str(server.models / "fake.json")}


def fill(value, places):
    if isinstance(value, str):
        for key, place in places.items():
            value = value.replace(key, place)
        return value
    if isinstance(value, list):
        return [fill(item, places) for item in value]
    return {key: fill(item, places) for key, item in value.items()} if isinstance(value, dict) else value


def check_sentence(text, *words):
    assert SAYS_WHAT_TO_DO.search(text), f"does not say what to do: {text}"
    assert text[0].islower() or text[0] in '"ACL' or text.startswith("JSON"), text
    assert not text.endswith("."), text
    for word in words:
        assert word in text, (word, text)


def check_answer(answer, path, status, *words):
    assert answer.status_code == status, (answer.status_code, answer.text)
    error = answer.json()["error"]
    if path.startswith("/v1"):
        assert set(error) == {"message", "type", "param", "code"}, error
        error = error["message"]
    check_sentence(error, *words)


# ---- Methods and addresses ----

ROUTES = {
    "/ws": "GET",
    "/ws/chat/stream": "GET",
    "/ws/conversation/watch/CONVERSATION": "GET",
    "/api/chat": "POST",
    "/api/chat/stream": "GET POST",
    "/api/chat/continue": "POST",
    "/api/chat/cancel": "POST",
    "/api/generations/GENERATION": "GET",
    "/api/generations/GENERATION/events": "GET",
    "/api/conversations": "GET",
    "/api/conversations/bulk": "POST",
    "/api/conversations/CONVERSATION": "POST DELETE",
    "/api/messages/GENERATION": "POST DELETE",
    "/api/folders": "GET",
    "/api/folders/rename": "POST",
    "/api/conversation/CONVERSATION": "GET POST DELETE",
    "/api/config": "GET POST",
    "/api/model/status": "GET",
    "/api/model/load": "POST",
    "/api/model/unload": "POST",
    "/api/model/pin": "POST",
    "/api/model/info": "GET",
    "/api/model/history": "GET POST",
    "/api/browse": "GET",
    "/api/upload": "POST",
    "/api/system/usage": "GET",
    "/api/backup": "POST",
    "/api/logs/frontend": "POST",
    "/health": "GET",
    "/v1/models": "GET",
    "/v1/models/fake": "GET",
    "/v1/chat/completions": "POST",
    "/": "GET",
}


@pytest.mark.parametrize("path", ROUTES)
def test_a_method_that_is_not_for_it(server, places, path):
    for method in ("GET", "POST", "PUT", "DELETE", "PATCH", "OPTIONS"):
        if method in ROUTES[path].split():
            continue
        answer = server.http(method, fill(path, places))
        check_answer(answer, path, 405, "only")
        assert answer.headers["allow"].replace("HEAD, ", "").replace(", HEAD", "") == ", ".join(ROUTES[path].split())


@pytest.mark.parametrize("path", ["/nothing", "/api/nothing", "/api", "/v1/nothing", "/ws/nothing", "/api/chat/", "/health/x"])
def test_an_address_of_nothing(server, path):
    check_answer(server.get(path), path, 404, "address")


@pytest.mark.parametrize("path", ["/ws", "/ws/chat/stream", "/ws/conversation/watch/CONVERSATION"])
def test_a_websocket_that_is_asked_for_like_a_page(server, places, path):
    check_answer(server.get(fill(path, places)), path, 400, "ws://")


# ---- Bodies ----

BODIES = [
    ("/api/chat", {}, 400, '"message"'),
    ("/api/chat", {"message": None}, 400, '"message"'),
    ("/api/chat", {"message": 7}, 400, '"message"'),
    ("/api/chat", {"message": ""}, 400, "empty"),
    ("/api/chat", {"message": "x\0"}, 400, '"message"'),
    ("/api/chat", {"message": "x", "conversation_id": 7}, 400, '"conversation_id"'),
    ("/api/chat", {"message": "x", "conversation_id": ""}, 400, '"conversation_id"'),
    ("/api/chat", {"message": "x", "conversation_id": LONG}, 400, '"conversation_id"'),
    ("/api/chat", {"message": "x", "conversation_id": UNKNOWN}, 404, "conversation"),
    ("/api/chat/stream", {}, 400, '"message"'),
    ("/api/chat/stream", {"message": []}, 400, '"message"'),
    ("/api/chat/stream", {"message": "x", "conversation_id": UNKNOWN}, 404, "conversation"),
    ("/api/chat/continue", {}, 400, '"generation_id"'),
    ("/api/chat/continue", {"generation_id": 7}, 400, '"generation_id"'),
    ("/api/chat/continue", {"generation_id": LONG}, 400, '"generation_id"'),
    ("/api/chat/continue", {"generation_id": NO_GENERATION}, 404, "answer"),
    ("/api/chat/continue", {"generation_id": "GENERATION"}, 422, "complete"),
    ("/api/chat/cancel", {}, 400, '"conversation_id"'),
    ("/api/chat/cancel", {"generation_id": 7}, 400, '"generation_id"'),
    ("/api/chat/cancel", {"generation_id": LONG}, 400, '"generation_id"'),
    ("/api/chat/cancel", {"generation_id": NO_GENERATION}, 404, "answer"),
    ("/api/chat/cancel", {"conversation_id": {}}, 400, '"conversation_id"'),
    ("/api/chat/cancel", {"conversation_id": LONG}, 400, '"conversation_id"'),
    ("/api/chat/cancel", {"conversation_id": UNKNOWN}, 404, "conversation"),
    ("/api/conversation/CONVERSATION", {}, 400, '"detach_seconds"'),
    ("/api/conversation/CONVERSATION", {"detach_seconds": "x"}, 400, '"detach_seconds"'),
    ("/api/conversation/CONVERSATION", {"detach_seconds": 1.5}, 400, '"detach_seconds"'),
    ("/api/conversation/CONVERSATION", {"detach_seconds": 86401}, 400, '"detach_seconds"'),
    (f"/api/conversation/{UNKNOWN}", {"detach_seconds": 1}, 404, "conversation"),
    ("/api/conversation/x", {"detach_seconds": 1}, 400, "conversation"),
    ("/api/config", {"colour": 1}, 400, '"colour"'),
    ("/api/config", {LONG: 1}, 400, '"xxx'),
    ("/api/config", {"temperature": "x"}, 400, '"temperature"'),
    ("/api/config", {"temperature": 9}, 400, '"temperature"'),
    ("/api/config", {"top_k": 1.5}, 400, '"top_k"'),
    ("/api/config", {"seed": 1e30}, 400, '"seed"'),
    ("/api/config", {"sampler_type": 7}, 400, '"sampler_type"'),
    ("/api/config", {"sampler_type": LONG}, 400, '"sampler_type"'),
    ("/api/config", {"stop_tokens": 7}, 400, '"stop_tokens"'),
    ("/api/config", {"stop_tokens": [7]}, 400, '"stop_tokens"'),
    ("/api/config", {"stop_tokens": [LONG]}, 400, '"stop_tokens"'),
    ("/api/config", {"stop_tokens": ["x"] * 17}, 400, '"stop_tokens"'),
    ("/api/config", {"system_prompt": 7}, 400, '"system_prompt"'),
    ("/api/config", {"system_prompt": LONG * 14}, 400, '"system_prompt"'),
    ("/api/config", {"max_tokens": 0}, 400, '"max_tokens"'),
    ("/api/config", {"model_path": 7}, 400, '"model_path"'),
    ("/api/config", {"model_path": LONG}, 400, '"model_path"'),
    ("/api/config", {"model_path": "none"}, 400, '"none"'),
    ("/api/config", {"model_path": "/etc/passwd"}, 400, "models"),
    ("/api/model/load", {"model_path": 7}, 400, '"model_path"'),
    ("/api/model/load", {"model_path": "none"}, 404, '"none"'),
    ("/api/model/load", {"model_path": LONG}, 404, "xxx"),
    ("/api/model/load", {"model_path": "/none/" + LONG}, 404, "/none/xxx"),
    ("/api/model/load", {"model_path": "/etc/passwd"}, 400, "models"),
    ("/api/model/unload", {"model_path": 7}, 400, '"model_path"'),
    ("/api/model/unload", {"model_path": "none"}, 404, '"none"'),
    ("/api/model/pin", {}, 400, '"model_path"'),
    ("/api/model/pin", {"model_path": "MODEL", "pinned": 7}, 400, '"pinned"'),
    ("/api/model/pin", {"model_path": "none"}, 404, '"none"'),
    ("/api/model/history", {}, 400, '"model_path"'),
    ("/api/model/history", {"model_path": []}, 400, '"model_path"'),
    ("/api/model/history", {"model_path": "none"}, 404, '"none"'),
    ("/api/logs/frontend", {}, 400, '"logs"'),
    ("/api/logs/frontend", {"logs": 7}, 400, '"logs"'),
    ("/api/logs/frontend", {"logs": [7]}, 400, '"logs"'),
    ("/api/logs/frontend", {"logs": [{"message": 7}]}, 400, '"message"'),
    ("/api/logs/frontend", {"logs": [{"message": "x", "level": 7}]}, 400, '"level"'),
    ("/api/upload", {}, 415, "multipart"),
    ("/v1/chat/completions", {}, 400, '"messages"'),
    ("/v1/chat/completions", {"messages": 7}, 400, '"messages"'),
    ("/v1/chat/completions", {"messages": [7]}, 400, '"role"'),
    ("/v1/chat/completions", {"messages": [{"role": 7, "content": "x"}]}, 400, '"role"'),
    ("/v1/chat/completions", {"messages": [{"role": LONG, "content": "x"}]}, 400, '"role"'),
    ("/v1/chat/completions", {"messages": [{"role": "user", "content": 7}]}, 400, '"content"'),
    ("/v1/chat/completions", {"messages": [{"role": "user", "content": ["x"]}]}, 400, '"content"'),
    ("/v1/chat/completions", {"messages": [{"role": "user", "content": [{"type": "image_url"}]}]}, 400, '"image_url"'),
    ("/v1/chat/completions", {"messages": [{"role": "user", "content": [{"type": "text", "text": 7}]}]}, 400, '"text"'),
    ("/v1/chat/completions", {"messages": HI, "model": 7}, 400, '"model"'),
    ("/v1/chat/completions", {"messages": HI, "model": "none"}, 404, '"none"'),
    ("/v1/chat/completions", {"messages": HI, "model": LONG}, 404, "xxx"),
    ("/v1/chat/completions", {"messages": HI, "model": "/etc/passwd"}, 404, "models"),
    ("/v1/chat/completions", {"messages": HI, "stream": 7}, 400, '"stream"'),
    ("/v1/chat/completions", {"messages": HI, "stream_options": 7}, 400, '"stream_options"'),
    ("/v1/chat/completions", {"messages": HI, "stream_options": {"include_usage": 7}}, 400, '"include_usage"'),
    ("/v1/chat/completions", {"messages": HI, "n": 2}, 400, '"n"'),
    ("/v1/chat/completions", {"messages": HI, "n": "x"}, 400, '"n"'),
    ("/v1/chat/completions", {"messages": HI, "temperature": 9}, 400, '"temperature"'),
    ("/v1/chat/completions", {"messages": HI, "top_p": "x"}, 400, '"top_p"'),
    ("/v1/chat/completions", {"messages": HI, "top_k": -5}, 400, '"top_k"'),
    ("/v1/chat/completions", {"messages": HI, "max_tokens": 0}, 400, '"max_tokens" must be at least 1'),
    ("/v1/chat/completions", {"messages": HI, "max_tokens": -7}, 400, '"max_tokens" must be at least 1'),
    ("/v1/chat/completions", {"messages": HI, "max_completion_tokens": "x"}, 400, '"max_completion_tokens"'),
    ("/v1/chat/completions", {"messages": HI, "stop": 7}, 400, '"stop"'),
    ("/v1/chat/completions", {"messages": HI, "stop": LONG}, 400, '"stop"'),
    ("/v1/chat/completions", {"messages": HI, "stop": ["x"] * 17}, 400, '"stop"'),
    ("/v1/chat/completions", {"messages": HI, "seed": 1.5}, 400, '"seed"'),
    ("/v1/chat/completions", {"messages": HI, "ignore_eos": 7}, 400, '"ignore_eos"'),
]


@pytest.mark.parametrize("path, body, status, word", BODIES)
def test_a_wrong_body(server, places, path, body, status, word):
    before = server.get("/api/config").json(), server.get("/api/conversations").json()
    check_answer(server.post(fill(path, places), fill(body, places)), path, status, word)
    assert before == (server.get("/api/config").json(), server.get("/api/conversations").json()), "something changed"


UNKNOWN_FIELDS = [
    ("/api/chat/cancel", {"generation_id": "GENERATION"}),
    ("/api/conversation/CONVERSATION", {"detach_seconds": None}),
    ("/api/model/history", {"model_path": "MODEL"}),
    ("/api/logs/frontend", {"logs": [{"message": "x", "colour": "blue"}]}),
    ("/v1/chat/completions", {"messages": [{"role": "user", "content": "Hi", "colour": "blue"}]}),
]


@pytest.mark.parametrize("path, body", UNKNOWN_FIELDS)
def test_an_unknown_field_is_ignored(server, places, path, body):
    """[W1]"""
    answer = server.post(fill(path, places), {**fill(body, places), "colour": "blue"})
    assert answer.status_code == 200, answer.text


# ---- Addresses and queries ----

QUERIES = [
    ("/api/generations/x", 400, "generation"),
    (f"/api/generations/{LONG}", 400, "generation"),
    ("/api/generations/GENERATION/x", 400, "generation"),
    (f"/api/generations/{NO_GENERATION}", 404, "(generation)"),
    (f"/api/generations/{NO_GENERATION}/events", 404, "(generation)"),
    ("/api/generations/GENERATION/events?after=x", 400, '"after"'),
    ("/api/generations/GENERATION/events?after=-1", 400, '"after"'),
    ("/api/generations/GENERATION/events?after=99", 404, "(ahead)"),
    ("/api/generations/GENERATION/events?limit=0", 400, '"limit"'),
    ("/api/generations/GENERATION/events?limit=10001", 400, '"limit"'),
    ("/api/generations/GENERATION/events?limit=1x", 400, '"limit"'),
    (f"/api/generations/GENERATION/events?limit={LONG}", 400, '"limit"'),
    ("/api/generations/GENERATION/events?epoch=x", 404, "(epoch)"),
    (f"/api/generations/GENERATION/events?epoch={LONG}", 400, '"epoch"'),
    ("/api/conversations?limit=0", 400, '"limit"'),
    ("/api/conversations?limit=1001", 400, '"limit"'),
    ("/api/conversations?limit=+5", 400, '"limit"'),
    (f"/api/conversations?limit={'1' * 40}", 400, '"limit"'),
    ("/api/conversations?before=x", 400, '"before"'),
    (f"/api/conversations?before={LONG}", 400, '"before"'),
    ("/api/conversations?q=%ff", 400, '"q"'),
    ("/api/conversation/x", 400, "conversation"),
    (f"/api/conversation/{LONG}", 400, "conversation"),
    (f"/api/conversation/{UNKNOWN}", 404, "conversation"),
    ("/api/model/info?model_path=none", 404, '"none"'),
    ("/api/model/info?model_path=/etc/passwd", 400, "models"),
    (f"/api/model/info?path={LONG}", 400, "path"),
    ("/api/browse?path=/etc", 403, "model folders"),
    (f"/api/browse?path={LONG}", 400, "path"),
    ("/api/browse?path=MODEL", 400, '"path"'),
    ("/v1/models/none", 404, '"none"'),
    (f"/v1/models/{LONG}", 404, "xxx"),
    ("/api/chat/stream", 400, "Last-Event-ID"),
]


@pytest.mark.parametrize("path, status, word", QUERIES)
def test_a_wrong_address(server, places, path, status, word):
    check_answer(server.get(fill(path, places)), path, status, word)


def test_a_delete_of_what_is_not_there(server):
    for path, status in (("/api/conversations/x", 400), (f"/api/conversation/{UNKNOWN}", 404)):
        check_answer(server.http("DELETE", path), path, status, "conversation")


@pytest.mark.parametrize(
    "place, status, word",
    [
        ("x", 400, "Last-Event-ID"),
        (f"GENERATION.{'0' * 16}.1", 404, "(epoch)"),
        (f"{NO_GENERATION}.EPOCH.1", 404, "(generation)"),
        ("GENERATION.EPOCH.99", 404, "(ahead)"),
    ],
)
def test_a_place_in_a_stream_that_is_none(server, places, place, status, word):
    epoch = server.conversation(places["CONVERSATION"])["epoch"]
    headers = {"Last-Event-ID": fill(place, {**places, "EPOCH": epoch})}
    check_answer(server.get("/api/chat/stream", headers=headers), "", status, word)
    headers["Accept"] = "text/event-stream"
    check_answer(server.get(fill("/api/generations/GENERATION/events", places), headers=headers), "", status, word)


# ---- Uploads ----


@pytest.mark.parametrize(
    "name, status, word",
    [("x.txt", 400, ".json"), (".json", 400, ".json"), (".x.json", 400, "point"), ("x" * 300 + ".json", 400, "200 bytes"), ("fake.json", 409, "name")],
)
def test_a_file_that_cannot_be_taken(server, name, status, word):
    answer = httpx.post(server.url + "/api/upload", files={"file": (name, b"{}")}, timeout=30, trust_env=False)
    check_answer(answer, "/api/upload", status, word)


@pytest.mark.parametrize("type_, word", [("multipart/form-data", "boundary"), ("multipart/form-data; boundary=x", "file")])
def test_a_body_that_holds_no_file(server, type_, word):
    check_answer(server.http("POST", "/api/upload", content=b"x", headers={"Content-Type": type_}), "", 400, word)


# ---- WebSockets ----

FRAMES = [
    ({}, "bad_request", '"type"'),
    ({"type": 7}, "bad_request", '"type"'),
    ({"type": "hello", "protocol": 1}, "bad_request", "hello"),
    ({"type": "watch"}, "bad_request", '"conversation"'),
    ({"type": "watch", "conversation": 7}, "bad_request", '"conversation"'),
    ({"type": "watch", "conversation": LONG}, "bad_request", '"conversation"'),
    ({"type": "watch", "conversation": UNKNOWN}, "not_found", "conversation"),
    ({"type": "watch", "conversation": "CONVERSATION", "cursor": 7}, "bad_request", '"cursor"'),
    ({"type": "watch", "conversation": "CONVERSATION", "cursor": {}}, "bad_request", '"cursor"'),
    ({"type": "watch", "conversation": "CONVERSATION", "cursor": {"generation": 7}}, "bad_request", '"generation"'),
    ({"type": "unwatch"}, "bad_request", '"conversation"'),
    ({"type": "send", "text": "x"}, "bad_request", '"client_msg_id"'),
    ({"type": "send", "client_msg_id": LONG, "text": "x"}, "bad_request", '"client_msg_id"'),
    ({"type": "send", "client_msg_id": "a"}, "bad_request", '"text"'),
    ({"type": "send", "client_msg_id": "a", "text": 7}, "bad_request", '"text"'),
    ({"type": "send", "client_msg_id": "a", "text": " "}, "bad_request", "empty"),
    ({"type": "send", "client_msg_id": "a", "text": "x", "conversation": UNKNOWN}, "not_found", "conversation"),
    ({"type": "send", "client_msg_id": "a", "text": "x", "parent": "x"}, "bad_request", '"parent"'),
    ({"type": "send", "client_msg_id": "a", "text": "x", "conversation": "CONVERSATION", "parent": NO_GENERATION}, "not_found", "parent"),
    ({"type": "send", "client_msg_id": "a", "text": "x", "settings": 7}, "bad_request", '"settings"'),
    ({"type": "send", "client_msg_id": "a", "text": "x", "settings": {"colour": 1}}, "bad_request", '"colour"'),
    ({"type": "send", "client_msg_id": "a", "text": "x", "settings": {"system_prompt": "x"}}, "bad_request", '"system_prompt"'),
    ({"type": "stop"}, "bad_request", '"generation"'),
    ({"type": "stop", "generation": 7}, "bad_request", '"generation"'),
    ({"type": "stop", "generation": LONG}, "bad_request", '"generation"'),
    ({"type": "stop", "conversation": "x"}, "bad_request", '"conversation"'),
    ({"type": "continue", "generation": "GENERATION"}, "bad_request", '"client_msg_id"'),
    ({"type": "continue", "client_msg_id": "a"}, "bad_request", '"generation"'),
    ({"type": "continue", "client_msg_id": "a", "generation": "x"}, "bad_request", '"generation"'),
    ({"type": "continue", "client_msg_id": "a", "generation": NO_GENERATION}, "not_found", "answer"),
    ({"type": "continue", "client_msg_id": "a", "generation": "GENERATION"}, "conflict", "complete"),
]


def test_wrong_frames_of_the_native_protocol(server, places):
    with Native(server) as client:
        for frame, code, word in FRAMES:
            client.send(**fill(frame, places))
            error = client.until("error", "ack", "snapshot")
            assert error["type"] == "error" and error["code"] == code, (frame, error)
            check_sentence(error["text"], word)


@pytest.mark.parametrize(
    "frame, word",
    [
        ({}, '"message"'),
        ({"message": 7}, '"message"'),
        ({"message": ""}, "empty"),
        ({"message": "x", "conversation_id": 7}, '"conversation_id"'),
        ({"message": "x", "conversation_id": LONG}, '"conversation_id"'),
        ({"message": "x", "conversation_id": UNKNOWN}, "conversation"),
    ],
)
def test_wrong_frames_of_the_original_protocol(server, frame, word):
    with Chat(server) as client:
        client.send(**frame)
        check_sentence(client.until("error", "token", "done")["error"], word)


@pytest.mark.parametrize(
    "rest, word",
    [("x", "conversation"), ("CONVERSATION?updates=some", '"updates"'), ("CONVERSATION?after=1", '"generation"'), ("CONVERSATION?generation=GENERATION&epoch=x&after=x", '"after"')],
)
def test_a_watch_that_is_refused_at_the_upgrade(server, places, rest, word):
    headers = {"Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Version": "13", "Sec-WebSocket-Key": "x" * 22 + "=="}
    check_answer(server.get(fill(f"/ws/conversation/watch/{rest}", places), headers=headers), "", 400, word)
