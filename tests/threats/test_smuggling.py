"""T26: one request is one request to everybody. [W40]

Each case is bytes, and behind them on the same socket a request of its own. What is refused is refused with one answer and the end of the
socket, so that nothing behind it is ever a request; what is served is served once, and the request behind it is answered after it.
"""

import pytest

from harness.raw import Raw, split_responses
from harness.server import Server

HOST = b"Host: localhost:%PORT%\r\n"
JSON = b"Content-Type: application/json\r\n"
GET = b"GET /health HTTP/1.1\r\n" + HOST
POST = b"POST /api/config HTTP/1.1\r\n" + HOST + JSON
CHUNKS = POST + b"Transfer-Encoding: chunked\r\n\r\n"
# Would be answered with a 404 that names nothing else in this file.
HIDDEN = b"GET /api/hidden HTTP/1.1\r\n" + HOST + b"\r\n"
INNER = b"GET /api/hidden HTTP/1.1\r\nHost: localhost\r\n\r\n"
MARKER = b"GET /health HTTP/1.1\r\n" + HOST + b"Connection: close\r\n\r\n"


def body(text, head=POST, length=None):
    return head + b"Content-Length: %d\r\n\r\n" % (len(text) if length is None else length) + text


def hidden(length_fields):
    """A body that is a request to whoever believes another length."""
    return POST + length_fields + b"\r\n" + HIDDEN


REFUSED = {
    # Two ways to say how long a body is
    "CL and TE": (hidden(b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n"), 400),
    "TE and CL": (hidden(b"Transfer-Encoding: chunked\r\nContent-Length: 5\r\n"), 400),
    "TE and CL 0": (hidden(b"Transfer-Encoding: chunked\r\nContent-Length: 0\r\n"), 400),
    "two CL": (hidden(b"Content-Length: 5\r\nContent-Length: 6\r\n"), 400),
    "two equal CL": (hidden(b"Content-Length: 5\r\nContent-Length: 5\r\n"), 400),
    "two CL, other case": (hidden(b"Content-Length: 0\r\nCONTENT-LENGTH: 5\r\n"), 400),
    "CL list": (hidden(b"Content-Length: 5, 5\r\n"), 400),
    "CL other list": (hidden(b"Content-Length: 5, 6\r\n"), 400),
    "CL +5": (hidden(b"Content-Length: +5\r\n"), 400),
    "CL -5": (hidden(b"Content-Length: -5\r\n"), 400),
    "CL -0": (hidden(b"Content-Length: -0\r\n"), 400),
    "CL 0x5": (hidden(b"Content-Length: 0x5\r\n"), 400),
    "CL 5.0": (hidden(b"Content-Length: 5.0\r\n"), 400),
    "CL 5e0": (hidden(b"Content-Length: 5e0\r\n"), 400),
    "CL 5 5": (hidden(b"Content-Length: 5 5\r\n"), 400),
    "CL in quotes": (hidden(b'Content-Length: "5"\r\n'), 400),
    "CL letters": (hidden(b"Content-Length: five\r\n"), 400),
    "CL with a tail": (hidden(b"Content-Length: 5;x=1\r\n"), 400),
    "CL empty": (hidden(b"Content-Length:\r\n"), 400),
    "CL blank": (hidden(b"Content-Length: \t \r\n"), 400),
    "CL 2^64": (hidden(b"Content-Length: 18446744073709551616\r\n"), 400),
    "CL 2^64+5": (hidden(b"Content-Length: 18446744073709551621\r\n"), 400),
    "CL 2^63": (hidden(b"Content-Length: 9223372036854775808\r\n"), 400),
    "CL other digits": (hidden("Content-Length: ５\r\n".encode()), 400),
    "CL on a GET, two": (GET + b"Content-Length: 5\r\nContent-Length: 0\r\n\r\n" + HIDDEN, 400),
    # Transfer codings
    "TE gzip, chunked": (hidden(b"Transfer-Encoding: gzip, chunked\r\n"), 501),
    "TE gzip": (hidden(b"Transfer-Encoding: gzip\r\n"), 400),
    "TE chunked, chunked": (hidden(b"Transfer-Encoding: chunked, chunked\r\n"), 400),
    "TE chunked and a comma": (hidden(b"Transfer-Encoding: chunked,\r\n"), 400),
    "TE chunked, gzip": (hidden(b"Transfer-Encoding: chunked, gzip\r\n"), 400),
    "TE xchunked": (hidden(b"Transfer-Encoding: xchunked\r\n"), 400),
    "TE identity": (hidden(b"Transfer-Encoding: identity\r\n"), 400),
    "TE empty": (hidden(b"Transfer-Encoding:\r\n"), 400),
    "TE with vertical tab": (hidden(b"Transfer-Encoding: \x0bchunked\r\n"), 400),
    "TE in quotes": (hidden(b'Transfer-Encoding: "chunked"\r\n'), 400),
    "two TE": (hidden(b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n"), 400),
    "TE hidden in another line": (hidden(b"X: x\nTransfer-Encoding: chunked\r\n"), 400),
    "TE with a space before the colon": (hidden(b"Transfer-Encoding : chunked\r\n"), 400),
    "TE in HTTP/1.0": (b"POST /api/config HTTP/1.0\r\n" + HOST + JSON + b"Transfer-Encoding: chunked\r\n\r\n" + HIDDEN, 400),
    "chunks that are a request": (hidden(b"Transfer-Encoding: chunked\r\n"), 400),
    "chunks that are a request, other case": (hidden(b"Transfer-Encoding: CHUNKED\r\n"), 400),
    "chunk of size -2": (CHUNKS + b"-2\r\nab\r\n0\r\n\r\n" + HIDDEN, 400),
    "chunk of size +2": (CHUNKS + b"+2\r\nab\r\n0\r\n\r\n" + HIDDEN, 400),
    "chunk of size 0x2": (CHUNKS + b"0x2\r\nab\r\n0\r\n\r\n" + HIDDEN, 400),
    "chunk of size 2_0": (CHUNKS + b"2_0\r\nab\r\n0\r\n\r\n" + HIDDEN, 400),
    "chunk with a space before its size": (CHUNKS + b" 2\r\nab\r\n0\r\n\r\n" + HIDDEN, 400),
    "chunk with a space behind its size": (CHUNKS + b"2 \r\nab\r\n0\r\n\r\n" + HIDDEN, 400),
    "chunk of 2^64": (CHUNKS + b"10000000000000000\r\nab\r\n0\r\n\r\n" + HIDDEN, 400),
    "chunk of 2^64+2": (CHUNKS + b"10000000000000002\r\nab\r\n0\r\n\r\n" + HIDDEN, 400),
    "chunk too large": (CHUNKS + b"200000\r\nab\r\n0\r\n\r\n" + HIDDEN, 413),
    "chunk without a size": (CHUNKS + b"\r\n0\r\n\r\n" + HIDDEN, 400),
    "chunk with an extension": (CHUNKS + b"2;x=1\r\n{}\r\n0\r\n\r\n" + HIDDEN, 400),
    "chunk with an extension and a bare LF": (CHUNKS + b"2;\nxx\r\n{}\r\n0\r\n\r\n" + HIDDEN, 400),
    "chunk with an extension on the last": (CHUNKS + b"2\r\n{}\r\n0;x\r\n\r\n" + HIDDEN, 400),
    "chunk with a bare LF behind its size": (CHUNKS + b"2\n{}\r\n0\r\n\r\n" + HIDDEN, 400),
    "chunk with a bare CR behind its size": (CHUNKS + b"2\r{}\r\n0\r\n\r\n" + HIDDEN, 400),
    "chunk with a bare LF behind its data": (CHUNKS + b"2\r\n{}\n0\r\n\r\n" + HIDDEN, 400),
    "chunk that is longer than its size": (CHUNKS + b"2\r\n{ }\r\n0\r\n\r\n" + HIDDEN, 400),
    "chunk that is shorter than its size": (CHUNKS + b"3\r\n{}\r\n0\r\n\r\n" + HIDDEN, 400),
    "trailer with a bare LF": (CHUNKS + b"2\r\n{}\r\n0\r\nA: b\n\r\n" + HIDDEN, 400),
    "trailer that is folded": (CHUNKS + b"2\r\n{}\r\n0\r\nA: b\r\n c\r\n\r\n" + HIDDEN, 400),
    "trailer that is no field": (CHUNKS + b"2\r\n{}\r\n0\r\n" + HIDDEN, 400),
    "trailer that ends in a bare LF": (CHUNKS + b"2\r\n{}\r\n0\r\n\n" + HIDDEN, 400),
    # Lines
    "bare LF everywhere": (b"GET /health HTTP/1.1\nHost: localhost:%PORT%\n\n" + HIDDEN, 400),
    "bare LF after the request line": (b"GET /health HTTP/1.1\n" + HOST + b"\r\n" + HIDDEN, 400),
    "bare LF in the fields": (GET + b"X: a\nY: b\r\n\r\n" + HIDDEN, 400),
    "bare LF as the empty line": (GET + b"\n" + HIDDEN, 400),
    "bare CR in a value": (GET + b"X: a\rY: b\r\n\r\n" + HIDDEN, 400),
    "CR CR LF": (GET + b"X: a\r\r\n\r\n" + HIDDEN, 400),
    "bare CR as the empty line": (GET + b"\rX: a\r\n\r\n" + HIDDEN, 400),
    "folded line": (GET + b"X: a\r\n b\r\n\r\n" + HIDDEN, 400),
    "folded with a tab": (GET + b"X: a\r\n\tb\r\n\r\n" + HIDDEN, 400),
    "folded first line": (b"GET /health HTTP/1.1\r\n " + HOST + b"\r\n" + HIDDEN, 400),
    "folded length": (POST + b"Content-Length:\r\n 5\r\n\r\n" + HIDDEN, 400),
    "space before the colon": (GET + b"X : a\r\n\r\n" + HIDDEN, 400),
    "tab before the colon": (GET + b"X\t: a\r\n\r\n" + HIDDEN, 400),
    "space in a name": (GET + b"X y: a\r\n\r\n" + HIDDEN, 400),
    "no colon": (GET + b"X\r\n\r\n" + HIDDEN, 400),
    "empty name": (GET + b": a\r\n\r\n" + HIDDEN, 400),
    "NUL in a value": (GET + b"X: a\0b\r\n\r\n" + HIDDEN, 400),
    "NUL in a name": (GET + b"X\0: a\r\n\r\n" + HIDDEN, 400),
    "NUL in the target": (b"GET /health\0 HTTP/1.1\r\n" + HOST + b"\r\n" + HIDDEN, 400),
    "DEL in a value": (GET + b"X: a\x7f\r\n\r\n" + HIDDEN, 400),
    "bytes over 127 in a name": (GET + "X\u00e4: a\r\n\r\n".encode() + HIDDEN, 400),
    "two empty lines first": (b"\r\n\r\n" + GET + b"\r\n" + HIDDEN, 400),
    # Hosts
    "no Host": (b"GET /health HTTP/1.1\r\n\r\n" + HIDDEN, 400),
    "two Hosts": (GET + HOST + b"\r\n" + HIDDEN, 400),
    "two Hosts, one foreign": (GET + b"Host: evil.example\r\n\r\n" + HIDDEN, 400),
    "Host with a space before the colon": (b"GET /health HTTP/1.1\r\nHost : localhost:%PORT%\r\n\r\n" + HIDDEN, 400),
    # The request line
    "absolute target without a host": (b"GET http:///health HTTP/1.1\r\n" + HOST + b"\r\n" + HIDDEN, 400),
    "absolute target of another scheme": (b"GET https://localhost:%PORT%/health HTTP/1.1\r\n" + HOST + b"\r\n" + HIDDEN, 400),
    "absolute target without a Host": (b"GET http://localhost:%PORT%/health HTTP/1.1\r\n\r\n" + HIDDEN, 400),
    "target *": (b"OPTIONS * HTTP/1.1\r\n" + HOST + b"\r\n" + HIDDEN, 400),
    "CONNECT": (b"CONNECT localhost:1 HTTP/1.1\r\n" + HOST + b"\r\n" + HIDDEN, 501),
    "TRACE": (b"TRACE / HTTP/1.1\r\n" + HOST + b"\r\n" + HIDDEN, 501),
    "get": (b"get /health HTTP/1.1\r\n" + HOST + b"\r\n" + HIDDEN, 501),
    "Get": (b"Get /health HTTP/1.1\r\n" + HOST + b"\r\n" + HIDDEN, 501),
    "no method": (b" /health HTTP/1.1\r\n" + HOST + b"\r\n" + HIDDEN, 400),
    "method with a colon": (b"GET: /health HTTP/1.1\r\n" + HOST + b"\r\n" + HIDDEN, 400),
    "two spaces": (b"GET  /health HTTP/1.1\r\n" + HOST + b"\r\n" + HIDDEN, 400),
    "a tab": (b"GET\t/health HTTP/1.1\r\n" + HOST + b"\r\n" + HIDDEN, 400),
    "space in the target": (b"GET /health x HTTP/1.1\r\n" + HOST + b"\r\n" + HIDDEN, 400),
    "space at the end": (b"GET /health HTTP/1.1 \r\n" + HOST + b"\r\n" + HIDDEN, 400),
    "fragment": (b"GET /health#x HTTP/1.1\r\n" + HOST + b"\r\n" + HIDDEN, 400),
    "no version": (b"GET /health\r\n" + HOST + b"\r\n" + HIDDEN, 400),
    "HTTP/0.9": (b"GET /health\r\n", 400),
    "HTTP/2 preface": (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + HIDDEN, 505),
    "HTTP/2.0": (b"GET /health HTTP/2.0\r\n" + HOST + b"\r\n" + HIDDEN, 505),
    "HTTP/1.2": (b"GET /health HTTP/1.2\r\n" + HOST + b"\r\n" + HIDDEN, 505),
    "http/1.1": (b"GET /health http/1.1\r\n" + HOST + b"\r\n" + HIDDEN, 400),
    "HTTP/1.01": (b"GET /health HTTP/1.01\r\n" + HOST + b"\r\n" + HIDDEN, 400),
    "HTTP /1.1": (b"GET /health HTTP /1.1\r\n" + HOST + b"\r\n" + HIDDEN, 400),
    "TLS": (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 400),
    # The rest
    "Expect something else": (hidden(b"Content-Length: 5\r\nExpect: 200-maybe\r\n"), 417),
    "two Expects": (hidden(b"Content-Length: 5\r\nExpect: 100-continue\r\nExpect: 100-continue\r\n"), 400),
    "a GET with a length and a body too large": (GET + b"Content-Length: 100000000\r\n\r\n" + HIDDEN, 413),
    "body too large": (hidden(b"Content-Length: 100000000\r\n"), 413),
    "WebSocket with a body": (
        b"GET /ws HTTP/1.1\r\n" + HOST + b"Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
        b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nContent-Length: 5\r\n\r\n" + HIDDEN, 400),
    "WebSocket without a key": (
        b"GET /ws HTTP/1.1\r\n" + HOST + b"Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n\r\n" + HIDDEN, 400),
    "WebSocket of version 8": (
        b"GET /ws HTTP/1.1\r\n" + HOST + b"Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 8\r\n"
        b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n" + HIDDEN, 426),
}

SERVED = {
    "a request as the body": (body(INNER), 400),
    "a request as the body of a GET": (body(INNER, GET), 200),
    "a request as the body of a DELETE": (body(INNER, b"DELETE /api/conversations/x HTTP/1.1\r\n" + HOST), 400),
    "an empty line first": (b"\r\n" + GET + b"\r\n", 200),
    "CL 0005": (body(b"{ } \n", POST).replace(b"Length: 5", b"Length: 0005"), 200),
    "CL 0": (body(b""), 200),
    "no length is no body": (POST + b"\r\n", 200),
    "length with white space around it": (POST + b"Content-Length:\t 2 \t\r\n\r\n{}", 200),
    "HEAD": (b"HEAD /api/nothing HTTP/1.1\r\n" + HOST + b"\r\n", None),
    "OPTIONS": (b"OPTIONS /api/chat HTTP/1.1\r\n" + HOST + b"\r\n", 405),
    "an unknown upgrade is left alone": (GET + b"Upgrade: h2c\r\nConnection: Upgrade, HTTP2-Settings\r\nHTTP2-Settings: AAMAAABk\r\n\r\n", 200),
    "Upgrade without Connection": (b"GET /health HTTP/1.1\r\n" + HOST + b"Upgrade: websocket\r\n\r\n", 200),
    "Expect with its body": (body(b"{}", POST + b"Expect: 100-continue\r\n"), 200),
    "Content-Length in the name of another": (GET + b"X-Content-Length: 5\r\nContent_Length: 5\r\n\r\n", 200),
    "an encoded line break in the target": (b"GET /api/x%0d%0aX:y HTTP/1.1\r\n" + HOST + b"\r\n", 404),
    "absolute target": (b"GET http://localhost:%PORT%/health HTTP/1.1\r\n" + HOST + b"\r\n", 200),
    "absolute target, and another Host": (b"GET http://localhost:%PORT%/health HTTP/1.1\r\nHost: evil.example\r\n\r\n", 200),
    "absolute target of another host": (b"GET http://evil.example/health HTTP/1.1\r\n" + HOST + b"\r\n", 421),
    "absolute target with a user": (b"GET http://evil.example@localhost:%PORT%/health HTTP/1.1\r\n" + HOST + b"\r\n", 421),
    "chunks": (CHUNKS + b"2\r\n{}\r\n0\r\n\r\n", 200),
    "chunks with a trailer": (CHUNKS + b"01\r\n{\r\n1\r\n}\r\n00\r\nContent-Length: 500\r\nHost: evil.example\r\n\r\n", 200),
    "chunks on a GET": (b"GET /api/config HTTP/1.1\r\n" + HOST + b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 200),
    "chunks that hold a request": (CHUNKS + b"%x\r\n%s\r\n0\r\n\r\n" % (len(INNER), INNER), 400),
    "chunks that hold the end of chunks": (CHUNKS + b"e\r\n{}\r\n0\r\n\r\n     \r\n0\r\n\r\n", 400),
    "three requests at once": (GET + b"\r\n" + GET + b"\r\n", (200, 200)),
}

# The socket ends after the answer, as it would have without anything behind it.
CLOSES = {
    "HTTP/1.0": (b"GET /health HTTP/1.0\r\n" + HOST + b"\r\n", 200),
    "HTTP/1.0 with keep-alive": (b"GET /health HTTP/1.0\r\nConnection: keep-alive\r\n" + HOST + b"\r\n", 200),
    "HTTP/1.0 without a Host": (b"GET /health HTTP/1.0\r\n\r\n", 421),
    "Expect in HTTP/1.0": (body(b"{}", b"POST /api/config HTTP/1.0\r\n" + HOST + JSON + b"Expect: 100-continue\r\n"), 200),
    "chunks that nobody wants": (b"POST /api/nothing HTTP/1.1\r\n" + HOST + JSON + b"Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n", 404),
    "Connection: close": (GET + b"Connection: close\r\n\r\n", 200),
    "Connection: a list with close": (GET + b"Connection: x,  CLOSE , y\r\n\r\n", 200),
    "a request as an unwanted body": (body(INNER, b"POST /api/nothing HTTP/1.1\r\n" + HOST + JSON), 404),
    "refused before its body": (body(b"", b"POST /api/nothing HTTP/1.1\r\n" + HOST + JSON, 100000), 404),
}


@pytest.fixture(scope="module")
def server(tmp_path_factory, transport):
    folder = tmp_path_factory.mktemp("smuggling")
    (folder / "models").mkdir()
    started = Server(folder / "data", folder / "models", **transport).start()
    yield started
    started.stop()


def talk(server, data):
    """All bytes at once, and all answers until the server closes."""
    with Raw(server) as raw:
        raw.send((data + MARKER).replace(b"%PORT%", b"%d" % server.port))
        return raw.read_all()


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_not_clear_is_refused_once_and_for_all(server, name):
    data, status = REFUSED[name]
    responses = split_responses(talk(server, data))
    assert [response[0] for response in responses] == [status]
    assert responses[0][1]["connection"] == "close"
    assert responses[0][2].startswith(b'{"error":"')


@pytest.mark.parametrize("name", SERVED)
def test_what_is_clear_is_served_once_and_what_is_behind_it_after_it(server, name):
    data, statuses = SERVED[name]
    got = talk(server, data)
    if name == "HEAD":
        head, _, got = got.partition(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 404 ")
        statuses = ()
    statuses = statuses if isinstance(statuses, tuple) else (statuses,)
    responses = split_responses(got)
    assert [response[0] for response in responses] == [*statuses, 200]
    assert b'"service":"runnel"' in responses[-1][2].replace(b" ", b"")


@pytest.mark.parametrize("name", CLOSES)
def test_after_the_last_answer_nothing_is_a_request(server, name):
    data, status = CLOSES[name]
    responses = split_responses(talk(server, data))
    assert [response[0] for response in responses] == [status]


@pytest.mark.parametrize("name", ["CL and TE", "bare LF everywhere", "chunks that are a request", "chunk of 2^64", "trailer that is folded", "HTTP/2 preface"])
def test_a_refusal_does_not_depend_on_how_the_bytes_are_cut(server, name):
    data, status = REFUSED[name]
    with Raw(server) as raw:
        for byte in data.replace(b"%PORT%", b"%d" % server.port):
            if not raw.send(bytes([byte])):
                break
        assert [response[0] for response in split_responses(raw.read_all())] == [status]


def test_it_still_serves(server):
    assert server.get("/health").status_code == 200
    assert b"hidden" not in server.stderr().encode()
