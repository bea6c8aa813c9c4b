"""Bodies in chunks are bodies: the same doors and limits, and nothing more than the body. [W6] [W40]"""

import json

import pytest

from harness.raw import Raw, split_responses

JSON = {"Content-Type": "application/json"}
MULTIPART = {"Content-Type": "multipart/form-data; boundary=x"}


@pytest.fixture
def server(serve, script, transport):
    return serve(script(), **transport)


def pieces(data, size):
    """httpx sends what it does not know the length of in chunks, one for each piece."""
    for at in range(0, len(data), size):
        yield data[at : at + size]


@pytest.mark.parametrize("size", [1, 7, 1000])
def test_a_message_in_chunks_is_answered(server, size):
    body = json.dumps({"message": "Where does it run?"}).encode()
    answer = server.http("POST", "/api/chat", content=pieces(body, size), headers=JSON)
    assert answer.status_code == 200 and answer.json()["message"]["content"]
    assert answer.request.headers["transfer-encoding"] == "chunked"
    call = json.dumps({"messages": [{"role": "user", "content": "x"}]}).encode()
    assert server.http("POST", "/v1/chat/completions", content=pieces(call, size), headers=JSON).status_code == 200


def test_chunks_open_no_door(server):
    body = b'{"temperature":0.1}'
    for headers, status in (({}, 415), ({"Content-Type": "text/plain"}, 415), ({**JSON, "Content-Encoding": "gzip"}, 415),
                            ({**JSON, "Origin": "http://evil.example"}, 403), ({**JSON, "Host": "evil.example"}, 421)):
        answer = server.http("POST", "/api/config", content=pieces(body, 5), headers=headers)
        assert answer.status_code == status, headers
    assert server.get("/api/config").json()["temperature"] == 0.7


def multipart(name, data):
    return b'--x\r\nContent-Disposition: form-data; name="file"; filename="%s"\r\n\r\n%s\r\n--x--\r\n' % (name.encode(), data)


@pytest.mark.parametrize("size", [1, 4096, 100_000])
def test_an_upload_in_chunks_is_the_file(server, size):
    """[W24]: it may be larger than other bodies."""
    data = json.dumps({"tokens": ["x"], "more": "\r\n0\r\n\r\n" * (20 if size == 1 else 400_000)}).encode()
    answer = server.http("POST", "/api/upload", content=pieces(multipart("chunked.json", data), size), headers=MULTIPART)
    assert answer.status_code == 200, answer.text
    assert (server.models / "chunked.json").read_bytes() == data


def begin(server, path, headers):
    fields = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    return f"POST {path} HTTP/1.1\r\nHost: localhost:{server.port}\r\n{fields}Transfer-Encoding: chunked\r\n\r\n".encode()


def test_an_upload_whose_chunks_are_cut_leaves_nothing(server):
    for end in (b"ffff\r\nabc", b"3\r\nabcd", b"0\r\n\r\n"):
        with Raw(server) as raw:
            raw.send(begin(server, "/api/upload", MULTIPART))
            start = multipart("cut.json", b"abc")[:-12]
            raw.send(b"%x\r\n%s\r\n" % (len(start), start) + end)
            raw.socket.shutdown(1)
            raw.read_all()
        assert not raw.got.startswith(b"HTTP/1.1 200")
    assert not list(server.models.glob("cut*"))


@pytest.mark.parametrize("path", ["/api/chat", "/api/config", "/v1/chat/completions"])
def test_chunks_without_an_end_are_413(server, path):
    """And memory stays where it was."""
    before = server.memory_kb()
    with Raw(server) as raw:
        raw.send(begin(server, path, JSON))
        for _ in range(1000):
            if not raw.send(b"1000\r\n" + b" " * 4096 + b"\r\n"):
                break
        raw.read_all()
    assert split_responses(raw.got)[0][0] == 413
    assert server.memory_kb() - before < 30_000
    assert server.is_serving()


def test_a_trailer_without_an_end_is_431(server):
    with Raw(server) as raw:
        raw.send(begin(server, "/api/chat", JSON) + b"2\r\n{}\r\n0\r\n")
        for _ in range(1000):
            if not raw.send(b"X-Filler: " + b"x" * 1000 + b"\r\n"):
                break
        raw.read_all()
    assert split_responses(raw.got)[0][0] == 431


def test_an_answer_to_the_head_does_not_wait_for_the_chunks(server):
    with Raw(server) as raw:
        raw.send(begin(server, "/api/nothing", JSON) + b"5\r\n")
        raw.read_all()
        ((status, fields, _),) = split_responses(raw.got)
        assert (status, fields["connection"]) == (404, "close")
