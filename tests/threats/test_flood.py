"""T24 and T25: too slow and too much. [W6] [W40] (P7)"""

import time
from pathlib import Path

import pytest

from harness.clients import Native
from harness.oracle import Mirror, follow
from harness.raw import Raw, RawSocket, frame, split_responses


@pytest.fixture
def server(serve, script, transport):
    started = serve(script(), **transport)
    yield started
    with Native(started) as client:
        client.begin("Still there?")
        assert client.until("end")["reason"] == "stop"


def resident_kib(server):
    text = Path(f"/proc/{server.process.pid}/status").read_text()
    return int(text.split("VmRSS:")[1].split()[0])


def start_of_post(server, length):
    return f"POST /api/chat HTTP/1.1\r\nHost: localhost:{server.port}\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\r\n".encode()


def check_dripping_is_408(server, begin, drop):
    """`begin`, then a byte now and then, which does not make it live longer."""
    begun = time.monotonic()
    with Raw(server, seconds=60) as raw:
        raw.send(begin)
        raw.socket.settimeout(1)
        while time.monotonic() - begun < 50 and not raw.got:
            raw.send(drop)
            try:
                raw.read()
            except TimeoutError:
                pass
        raw.socket.settimeout(30)
        assert split_responses(raw.read_all())[0][0] == 408
    assert time.monotonic() - begun > 8


def test_a_head_that_does_not_end_is_408(server):
    """T24"""
    check_dripping_is_408(server, f"GET / HTTP/1.1\r\nHost: localhost:{server.port}\r\nX: ".encode(), b"x")


def test_a_body_that_drips_is_408(server):
    check_dripping_is_408(server, start_of_post(server, 1000000), b" ")


def test_a_slow_body_that_goes_on_is_no_attack(server):
    """Twelve seconds, at twice the least rate."""
    body = b'{"message":"x"}' + b" " * 24000
    with Raw(server, seconds=60) as raw:
        raw.send(start_of_post(server, len(body)))
        for at in range(0, len(body), 2001):
            raw.send(body[at : at + 2001])
            time.sleep(1)
        raw.read_until(b"\r\n\r\n")
        assert raw.got.startswith(b"HTTP/1.1 200 ")


def test_who_says_nothing_is_dropped(server):
    with Raw(server) as raw:
        assert raw.is_closed(30) and raw.got == b""


def test_a_hundred_slow_heads_harm_nobody(server):
    slow = [Raw(server) for _ in range(100)]
    try:
        for raw in slow:
            raw.send(b"GET / HTTP/1.1\r\nHost: local")
        for _ in range(10):
            assert server.get("/health", timeout=10).status_code == 200
        with Native(server) as client:
            client.begin("Hello")
            client.until("end")
    finally:
        for raw in slow:
            raw.socket.close()


@pytest.mark.parametrize("start", [b"", b"GET / HTTP/1.1\r\nX: ", b"GET /?"], ids=["nothing", "field", "target"])
def test_a_hundred_megabytes_without_an_end_are_431(server, start):
    """T25: the answer comes, and memory stays where it was."""
    before = resident_kib(server)
    most = before
    with Raw(server) as raw:
        raw.send(start)
        piece = b"x" * 1_000_000
        for number in range(100):
            if not raw.send(piece):
                break
            if number % 10 == 0:
                most = max(most, resident_kib(server))
        raw.read_all()
        # Beyond 64 MB the socket is cut, and a reset may overtake the answer.
        assert raw.got == b"" or split_responses(raw.got)[0][0] == 431
    # AddressSanitizer keeps what OpenSSL gives back after each record.
    assert most - before < (200_000 if server.certificate and server.is_sanitized else 30_000), (before, most)


def test_a_hundred_fields_are_the_limit(server):
    for n, wanted in ((99, 200), (100, 431)):
        with Raw(server) as raw:
            fields = "".join(f"F{i}: x\r\n" for i in range(n))
            raw.send(f"GET /health HTTP/1.1\r\nHost: localhost:{server.port}\r\n{fields}\r\n".encode())
            raw.read_until(b"}")
            assert split_responses(raw.got)[0][0] == wanted, n


def test_sixteen_kib_are_the_limit(server):
    start = f"GET /health HTTP/1.1\r\nHost: localhost:{server.port}\r\nX: ".encode()
    for more, wanted in ((0, 200), (1, 431)):
        with Raw(server) as raw:
            raw.send(start + b"x" * (16384 - len(start) - 4 + more) + b"\r\n\r\n")
            raw.read_until(b"}")
            assert split_responses(raw.got)[0][0] == wanted


def test_who_reads_nothing_is_cut_off_and_loses_nothing(serve, script):
    """T24, P7: 1.5 s in this build. The next connection goes on where the last one stood."""
    tale = script(tokens=["word " * 200], count=20000, token_ms=1)  # longer than the patience, by far
    server = serve(tale, flags=["--slow-ms", "1500"])
    with RawSocket(server, receive_buffer=4096) as stalled, Native(server) as other:
        stalled.send(frame(1, b'{"type":"hello","protocol":1}'))
        ack = other.begin("Tell")
        stalled.send(frame(1, b'{"type":"watch","conversation":"%s"}' % ack["conversation"].encode()))
        until = time.monotonic() + 60
        while "conn_slow" not in server.stderr():
            assert time.monotonic() < until, "it was not cut off"
            other.until("tokens")
        # What it has is whole frames and then the end, without a close of its own making.
        stalled.socket.settimeout(30)
        assert stalled.close_code() in (None, 4008)
        other.send(type="stop", generation=ack["generation"])
        end = other.until("end")
    with Native(server) as again:
        cursor = {"generation": ack["generation"], "epoch": again.epoch, "after_seq": 1}
        again.watch(ack["conversation"], cursor)
        mirror = Mirror(ack["conversation"])
        mirror.seqs[ack["generation"]] = 1
        mirror.generations[ack["generation"]] = "answer"
        mirror.texts["answer"] = ""
        mirror.last_generation = ack["generation"]
        again.until("resumed")
        follow(again, mirror)
        assert mirror.seq == end["seq"]
        assert mirror.text == server.answer_of(ack["conversation"])["content"]
