"""T28: WebSockets by the letter of RFC 6455. [W41] The conformance cases are Autobahn's, run by kosoku."""

import json
import subprocess
import sys
import time
from pathlib import Path

import pytest

from harness.clients import Native
from harness.raw import RawSocket, frame
from test_flood import resident_kib

HELLO = frame(1, b'{"type":"hello","protocol":1}')


@pytest.fixture
def server(serve, script, transport):
    """Its name with any port: kosoku comes by a proxy where there is TLS, which it does not speak."""
    started = serve(script(), flags=["--allow-host", "127.0.0.1"], **transport)
    yield started
    with Native(started) as client:
        client.begin("Still there?")
        assert client.until("end")["reason"] == "stop"


@pytest.fixture
def echo(server):
    if server.get("/__echo").status_code == 404:
        pytest.skip("this build has no /__echo: RUNNEL_FAULTS is off")
    return server


@pytest.mark.alone
def test_the_conformance_cases(echo, tmp_path, proxy):
    kosoku = Path(sys.executable).parent / "kosoku"
    chosen = [part for group in (1, 2, 3, 4, 5, 6, 7, 10) for part in ("-i", f"{group}.*")]
    port = proxy(echo).port if echo.certificate else echo.port
    address = f"ws://127.0.0.1:{port}/__echo"
    done = subprocess.run([kosoku, *chosen, "-o", tmp_path / "out", address], capture_output=True, text=True, timeout=170)
    report = tmp_path / "out" / "index.json"
    assert report.is_file(), done.stdout + done.stderr
    (cases,) = json.loads(report.read_text()).values()
    assert len(cases) == 247
    good = ("OK", "INFORMATIONAL", "NON-STRICT")
    failed = {name: case for name, case in cases.items() if case["behavior"] not in good or case["behaviorClose"] not in good}
    assert not failed


ABUSES = {
    "RSV1": (frame(1, b"{}", rsv=4), {1002}),
    "RSV2": (frame(1, b"{}", rsv=2), {1002}),
    "RSV3 on a ping": (frame(9, b"", rsv=1), {1002}),
    "opcode 3": (frame(3, b"x"), {1002}),
    "opcode 11": (frame(11, b"x"), {1002}),
    "length 2^63": (frame(1, b"x", length=1 << 63), {1002}),
    "length 2^62": (frame(1, b"x" * 2_000_000, length=1 << 62), {4009}),
    "fragmented ping": (frame(9, b"x", fin=False), {1002}),
    "fragmented close": (frame(8, b"", fin=False), {1002}),
    "ping of 126 bytes": (frame(9, b"x" * 126), {1002}),
    "continuation of nothing": (frame(0, b"x"), {1002}),
    "a new message inside another": (frame(1, b"x", fin=False) + frame(1, b"y"), {1002}),
    "bad UTF-8": (frame(1, b"\xff\xfe"), {1007}),
    "bad UTF-8, seen before the end": (frame(1, b'{"\xc3\x28', fin=False), {1007}),
    "a surrogate": (frame(1, b"\xed\xa0\x80"), {1007}),
    "half a character at the end": (frame(1, b"\xf0\x9f\x98"), {1007}),
    "binary": (frame(2, b"x"), {1003}),
    "close of one byte": (frame(8, b"\x03"), {1002}),
    "close with a reserved code": (frame(8, b"\x03\xec"), {1002}),
    "close with bad UTF-8": (frame(8, b"\x03\xe8\xff"), {1007}),
    "a message over the limit": (frame(1, b" " * 1_100_000), {4009}),
    "fragments over the limit": (frame(1, b" " * 100_000, fin=False) + frame(0, b" " * 100_000, fin=False) * 11, {4009}),
}


@pytest.mark.parametrize("name", ABUSES)
def test_abuse_closes_this_socket_and_no_other(server, name):
    data, codes = ABUSES[name]
    with Native(server) as other, RawSocket(server) as raw:
        raw.send(HELLO)
        raw.next_frame()
        raw.send(data)
        assert raw.close_code() in codes
        other.send(type="ping")
        other.until("ping")


@pytest.mark.parametrize("opcode", [1, 8, 9])
def test_frames_without_a_mask_are_closed_with_1002(server, opcode):
    """RFC 6455 section 5.1"""
    with RawSocket(server) as raw:
        raw.send(HELLO)
        raw.next_frame()
        raw.send(frame(opcode, b"", masked=False))
        assert raw.close_code() == 1002


def test_endless_fragments_are_bounded(server):
    """Empty ones never fill the message; tiny ones do in the end."""
    before = resident_kib(server)
    with RawSocket(server) as raw:
        raw.send(HELLO)
        raw.next_frame()
        raw.send(frame(1, b" ", fin=False))
        for _ in range(100):
            raw.send(frame(0, b"", fin=False) * 1000)
        for _ in range(1100):
            if not raw.send(frame(0, b" ", fin=False) * 1000):
                break
        assert raw.close_code() in (4009, None)
    assert resident_kib(server) - before < 30_000


def test_a_flood_of_pings_is_answered_or_cut_and_costs_no_memory(server):
    before = resident_kib(server)
    with RawSocket(server) as raw, Native(server) as other:
        raw.send(HELLO)
        raw.next_frame()
        raw.socket.settimeout(1)
        flood = frame(9, b"x" * 125) * 1000
        until = time.monotonic() + 20
        for _ in range(50):
            try:
                if time.monotonic() > until or not raw.send(flood):
                    break
            except TimeoutError:
                break  # its pongs fill the buffers: it does not read on
        other.begin("Hello")
        assert other.until("end")["reason"] == "stop"
    assert resident_kib(server) - before < 30_000


def test_a_close_inside_a_message_is_answered_with_its_code(echo):
    with RawSocket(echo, "/__echo") as raw:
        raw.send(frame(1, b"begun", fin=False) + frame(8, (1000).to_bytes(2, "big") + b"enough"))
        assert raw.close_code() == 1000


def test_compression_is_never_agreed_to(server):
    """T23"""
    for offer in ("permessage-deflate", "permessage-deflate; client_max_window_bits", "x-webkit-deflate-frame"):
        with RawSocket(server, more=f"Sec-WebSocket-Extensions: {offer}\r\n") as raw:
            assert b"sec-websocket-extensions" not in raw.head.lower()
            raw.send(frame(1, b"\xaa\x56\x2a", rsv=4))
            assert raw.close_code() == 1002


def test_a_protocol_that_nobody_speaks_is_not_agreed_to(server):
    with RawSocket(server, more="Sec-WebSocket-Protocol: chat, graphql-ws\r\n") as raw:
        assert b"sec-websocket-protocol" not in raw.head.lower()
