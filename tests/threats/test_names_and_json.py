"""T17, T21, T27: names that would be paths, JSON that would be too much, lines that would be two. [W10] [W23] [W24] (F39)"""

import json
import re

import pytest

from harness.clients import Chat, Native
from harness.raw import Raw
from harness.server import Server

JSON = {"Content-Type": "application/json"}

TRAVERSALS = [
    "../../../../etc/passwd",
    "..%2f..%2f..%2f..%2fetc%2fpasswd",
    "%2e%2e/%2e%2e/%2e%2e/etc/passwd",
    "%2e%2e%2f%2e%2e%2fetc%2fpasswd",
    "..%252f..%252fetc%252fpasswd",
    "..%5c..%5cetc%5cpasswd",
    "..\\..\\etc\\passwd",
    "....//....//etc/passwd",
    "..;/..;/etc/passwd",
    "%c0%ae%c0%ae/etc/passwd",
    "%e2%80%a5/etc/passwd",
    "/etc/passwd",
    "//etc/passwd",
    "./runnel.db",
    "~/.ssh/id_rsa",
    "file:///etc/passwd",
    "chat_2026-11-22-21-05-10-123.txt/../../runnel.db",
    "chat_2026-11-22-21-05-10-123.txt%2f..%2f..%2frunnel.db",
    "CON",
    "." * 4000,
]


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    folder = tmp_path_factory.mktemp("names")
    (folder / "models").mkdir()
    (folder / "secret.gguf").write_bytes(b"GGUF secret")
    started = Server(folder / "data", folder / "models", log="trace").start()
    yield started
    with Native(started) as client:
        client.send(type="ping")
        client.until("ping")
    started.stop()


def get(server, method, path):
    """The target as it is: no client tidies it up."""
    with Raw(server) as raw:
        raw.send(f"{method} {path} HTTP/1.1\r\nHost: localhost:{server.port}\r\nConnection: close\r\n\r\n".encode())
        answer = raw.read_all()
    return int(answer.split(b" ", 2)[1]), answer


@pytest.mark.parametrize("name", TRAVERSALS, ids=lambda name: name[:40])
def test_a_name_in_an_address_is_never_a_path(server, name):
    """T17: conversations, generations, models, and the page's own files."""
    places = ["/api/conversation/", "/api/generations/", "/v1/models/", "/ws/conversation/watch/"]
    for place in places:
        status, answer = get(server, "GET", place + name)
        assert status in (400, 404), (place, answer[:200])
    for place in ("/api/conversation/", "/api/conversations/"):
        assert get(server, "DELETE", place + name)[0] in (400, 404), place
    for place in ("/", "/assets/", "/assets/../"):
        status, answer = get(server, "GET", place + name)
        assert status in (200, 400, 404) and b"root:" not in answer and b"SQLite" not in answer


@pytest.mark.parametrize("name", TRAVERSALS, ids=lambda name: name[:40])
def test_a_name_in_a_body_is_never_a_path(server, name):
    asked = [
        ("/api/chat", {"message": "x", "conversation_id": name}),
        ("/api/chat/stream", {"message": "x", "conversation_id": name}),
        ("/api/chat/cancel", {"conversation_id": name}),
        ("/api/chat/cancel", {"generation_id": name}),
        ("/api/chat/continue", {"generation_id": name}),
        ("/api/model/load", {"model_path": name}),
        ("/api/config", {"model_path": name}),
        ("/v1/chat/completions", {"model": name, "messages": [{"role": "user", "content": "x"}]}),
    ]
    for path, body in asked:
        answer = server.post(path, body)
        assert answer.status_code in (400, 403, 404) or (path.endswith("cancel") and answer.json()["reason"] is None), (path, answer.text)
    for path in ("/api/browse", "/api/model/info"):
        answer = server.get(path, params={"path": name})
        assert answer.status_code in (400, 403, 404) and "root:" not in answer.text, (path, answer.text)


FILES = ["../out.gguf", "..\\out.gguf", "/tmp/out.gguf", "a/../../out.gguf", "a/b.gguf", ".gguf", "..", "out.gguf/", "con\ttrol.gguf",
         "x" * 300 + ".gguf", "out.txt", "out.gguf.txt", ".hidden.gguf", "-rf.gguf", "%2e%2e%2fout.gguf"]


@pytest.mark.parametrize("name", FILES, ids=lambda name: name[:30])
def test_an_upload_lands_in_the_model_folder_or_nowhere(server, name):
    """T17"""
    before = {path for path in server.models.parent.rglob("*") if "data" not in path.parts}
    body = b'--x\r\nContent-Disposition: form-data; name="file"; filename="%s"\r\n\r\nGGUF\r\n--x--\r\n' % name.encode()
    answer = server.http("POST", "/api/upload", content=body, headers={"Content-Type": "multipart/form-data; boundary=x"})
    new = {path for path in server.models.parent.rglob("*") if "data" not in path.parts} - before
    assert all(path.parent == server.models for path in new), new
    if answer.status_code != 200:
        assert not new and answer.status_code in (400, 409, 415, 422, 507), answer.text
    for path in new:
        path.unlink()


def test_an_upload_does_not_write_through_a_link(server):
    outside = server.models.parent / "secret.gguf"
    link = server.models / "linked.gguf"
    link.symlink_to(outside)
    body = b'--x\r\nContent-Disposition: form-data; name="file"; filename="linked.gguf"\r\n\r\nGGUF mine\r\n--x--\r\n'
    server.http("POST", "/api/upload", content=body, headers={"Content-Type": "multipart/form-data; boundary=x"})
    assert outside.read_bytes() == b"GGUF secret"
    link.unlink()


BAD_JSON = {
    "100k brackets": b"[" * 100_000,
    "100k braces": b'{"a":' * 100_000,
    "65 levels": b'{"a":' + b"[" * 64 + b"]" * 64 + b"}",
    "brackets in an unknown field": b'{"message":"x","y":' + b"[" * 5000 + b"]" * 5000 + b"}",
    "the same key twice": b'{"message":"x","message":"y"}',
    "the same key twice, written in two ways": b'{"message":"x","mess\\u0061ge":"y"}',
    "the same key twice, deep": b'{"message":"x","y":{"z":1,"z":2}}',
    "1e999": b'{"message":"x","y":1e999}',
    "an integer of 400 digits": b'{"message":"x","y":' + b"9" * 400 + b"}",
    "NaN": b'{"message":"x","y":NaN}',
    "Infinity": b'{"message":"x","y":-Infinity}',
    "a number with a zero in front": b'{"message":"x","y":01}',
    "hexadecimal": b'{"message":"x","y":0x1}',
    "a lone high surrogate": b'{"message":"\\ud800"}',
    "a lone low surrogate": b'{"message":"\\udc00"}',
    "surrogates the wrong way round": b'{"message":"\\udc00\\ud800"}',
    "a lone surrogate as a key": b'{"message":"x","\\ud800":1}',
    "bad UTF-8": b'{"message":"\xff"}',
    "overlong": b'{"message":"\xc0\xaf"}',
    "a surrogate as UTF-8": b'{"message":"\xed\xa0\x80"}',
    "bad UTF-8 behind a broken escape": b'["\\ud\xc8\x84O\xcf\xe7]',
    "NUL": b'{"message":"x\x00"}',
    "NUL behind": b'{"message":"x"}\x00',
    "a tab in a string": b'{"message":"\t"}',
    "a byte order mark": b'\xef\xbb\xbf{"message":"x"}',
    "UTF-16": '{"message":"x"}'.encode("utf-16"),
    "a comment": b'{"message":"x"/**/}',
    "single quotes": b"{'message':'x'}",
    "a comma at the end": b'{"message":"x",}',
    "two values": b'{"message":"x"}{"message":"y"}',
}


@pytest.mark.parametrize("name", BAD_JSON)
def test_json_is_strict_and_bounded(server, name):
    """T21, F39: by HTTP and by both WebSockets. The sentence is text that can be shown."""
    for path in ("/api/chat", "/api/config", "/v1/chat/completions", "/api/logs/frontend"):
        answer = server.http("POST", path, content=BAD_JSON[name], headers=JSON)
        assert answer.status_code == 400, (path, answer.text)
        assert answer.json()["error"], path
    try:
        text = BAD_JSON[name].decode()
    except UnicodeDecodeError:
        return
    with Native(server) as native, Chat(server) as chat:
        native.send_text(text)
        assert native.until("error")["code"] == "bad_json"
        chat.send_text(text)
        assert chat.until("error")["error"]


def test_huge_numbers_are_out_of_range_and_no_overflow(server):
    for value in (2**31, 2**32, 2**63 - 1, -(2**63), -(2**31), 1e300, -1e300, 0.1, True, "1"):
        for name in ("max_tokens", "top_k", "context_size", "gpu_layers", "seed"):
            if (name, value) in (("seed", 2**31), ("seed", True)):
                continue
            answer = server.post("/api/config", {name: value})
            assert answer.status_code == 400 and name in answer.json()["error"], (name, value, answer.text)


# ---- T27 ----

LINES = ["x\r\nSet-Cookie: a=b", "x\nerror forged=1", "x\r\n\r\n<script>", "\x1b[2J\x1b]0;owned\x07", "x\u2028forged", "\x00\x08\x7f", "a\u0085b"]


def stderr_since(server, n):
    return server.stderr_path.read_bytes()[n:]


@pytest.mark.parametrize("line", LINES, ids=repr)
def test_a_line_of_a_client_is_one_line_of_the_log(server, line):
    """What a page or a client writes cannot look like the server's own words, nor speak to the terminal."""
    begun = server.stderr_path.stat().st_size
    server.post("/api/logs/frontend", {"logs": [{"level": "error", "message": f"begin{line}end"}, {"level": line, "message": "second"}]})
    server.post("/api/model/load", {"model_path": line})
    server.post("/api/chat", {"message": line})
    server.post("/api/upload", content=b"", headers={"Content-Type": "multipart/form-data; boundary=" + re.sub(r"[^ -~]", "", line)})
    got = stderr_since(server, begun)
    assert b"begin" in got, "the log does not hold what this test is about"
    for number, written in enumerate(got.split(b"\n")):
        assert not re.search(rb"[\x00-\x08\x0b-\x1f\x7f]|\xc2[\x80-\x9f]", written), (number, written)
        assert not re.match(rb"(Set-Cookie|error forged|<script>|forged)", written), written
        if b"begin" in written:
            assert b"end" in written, written


def test_a_line_break_in_an_address_stays_encoded(server):
    for path in ("/api/%0d%0aX-Evil:%20y", "/assets/%0d%0aX-Evil:%20y", "/v1/models/%0d%0aX-Evil:%20y", "/api/conversations?q=%0d%0aX-Evil:%20y"):
        _, answer = get(server, "GET", path)
        assert b"x-evil" not in answer.partition(b"\r\n\r\n")[0].lower(), answer


def test_a_stop_string_or_a_model_cannot_end_an_event(serve, script):
    """F41: what a model says is data, whatever it looks like."""
    tale = script(tokens=["data: [DONE]", "\n\n", "event: error\r\n", "data: {}\n\n", "id: forged\n", "\r", "\u2028", "</script>", "\x1b[2J", " end"])
    server = serve(tale)
    told = server.http("POST", "/api/chat/stream", json={"message": "x"}).text
    events = [event for event in told.split("\n\n") if event and not event.startswith(":")]
    assert events[-1].endswith("data: [DONE]")
    text = ""
    for event in events[:-1]:
        fields = [line.partition(": ") for line in event.split("\n")]
        assert {name for name, _, _ in fields} <= {"id", "data"}, event
        assert all(re.fullmatch(r"[0-9a-f]{32}\.[0-9a-f]{16}\.\d+", value) for name, _, value in fields if name == "id"), event
        text += "".join(json.loads(value).get("token", "") for name, _, value in fields if name == "data")
    assert text == tale.text
    assert "\x1b" not in server.stderr()
    stream = server.post("/v1/chat/completions", {"messages": [{"role": "user", "content": "x"}], "stream": True}).text
    chunks = [event[6:] for event in stream.split("\n\n") if event.startswith("data: ")]
    assert chunks[-1] == "[DONE]" and chunks.count("[DONE]") == 1
    deltas = [json.loads(chunk)["choices"][0]["delta"].get("content") or "" for chunk in chunks[:-1]]
    assert "".join(deltas) == tale.text
