"""Connections that break: however often and wherever they are cut, every reader ends with the same bytes (P2, P5, P7)."""

import json
import random
import socket
import time
import urllib.parse

import pytest

from harness import proof
from harness.clients import Native, Watch
from harness.followers import NativeFollower, RestEventsFollower, SseFollower, WatchFollower, follow_all
from harness.proxy import Plan
from harness.trace import Trace

# The tests say this again and again; each token is another text, so that a token that moved is seen.
TALE = [f" word{number}" + ("\n" if number % 17 == 0 else "") + "é🌊"[: number % 3] for number in range(97)]


def said(n_tokens):
    return "".join(TALE[number % len(TALE)] for number in range(n_tokens))


def random_cuts(seed, least, most):
    chance = random.Random(seed)
    return lambda number: Plan(cut_after=chance.randint(least, most), how=chance.choice(["fin", "rst"]))


class Cutting:
    """A proxy that cuts every connection, until there were so many; then they all live."""

    def __init__(self, proxy, server, seed, n_cuts, on_enough, least=200, most=6000):
        self.n_left, self.on_enough = n_cuts, on_enough
        self.cuts = random_cuts(seed, least, most)
        self.proxy = proxy(server, self.plan)

    def plan(self, number):
        if self.proxy.n_cuts >= self.n_left:
            if self.on_enough:
                self.on_enough()
                self.on_enough = None
            return None
        return self.cuts(number)


@pytest.mark.parametrize("hows", ["native", "watch", "sse", "events", "all"])
def test_f25_p02_a_thousand_disconnects_in_one_answer(serve, script, proxy, seed, is_long, hows):
    """F25. Cut at random bytes, by FIN and by RST, while the answer is written: no repeat, no hole, the same bytes for all."""
    n_cuts = (10_000 if is_long else 1000) if hows == "all" else (2500 if is_long else 250)
    tale = script(tokens=TALE, count=1_000_000, context_size=2_000_000, token_ms=2)
    server = serve(tale)
    trace = Trace()
    with Native(server, trace=trace) as client:
        ack = client.begin("Tell me all")
        client.until_seq(2)

        def stop():
            server.post("/api/chat/cancel", {"generation_id": ack["generation"]})

        cutting = Cutting(proxy, server, seed, n_cuts, stop)
        named = {"port": cutting.proxy.port, "seed": seed}
        at = {"generation": ack["generation"], "epoch": client.epoch}
        make = {
            "native": lambda name: NativeFollower(trace, name, server.port, ack["conversation"], **named),
            "watch": lambda name: WatchFollower(trace, name, server.port, ack["conversation"], **named),
            "sse": lambda name: SseFollower(trace, name, server.port, ack["conversation"], **at, **named),
            "events": lambda name: RestEventsFollower(trace, name, server.port, ack["conversation"], **at, **named),
        }
        kinds = [hows] if hows != "all" else list(make)
        followers = follow_all([make[kind](f"{kind} {number}") for kind in kinds for number in range(4)])
        client.until("end")
    assert cutting.proxy.n_cuts >= n_cuts
    assert sum(follower.n_connects for follower in followers) >= n_cuts
    assert all(follower.n_resets == 0 for follower in followers)
    server.stop()
    stored = proof.prove(server.data, trace, all_ended=True)
    answer = stored.generations[ack["generation"]]
    assert answer.text.decode() == said(answer.last_seq - 2) and answer.reason == "cancelled"
    assert all((follower.generation, follower.seq) >= (answer.id, answer.last_seq - 1) for follower in followers)


def raw_request(port, server, method, path, body=b"", **headers):
    """The bytes of one request, sent; the socket is the caller's."""
    lines = [f"{method} {path} HTTP/1.1", f"Host: 127.0.0.1:{server.port}", f"Content-Length: {len(body)}"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    client = socket.create_connection(("127.0.0.1", port), timeout=30)
    client.sendall("\r\n".join([*lines, "", ""]).encode() + body)
    return client


def read_all(client):
    pieces = []
    while piece := client.recv(65536):
        pieces.append(piece)
    return b"".join(pieces)


def told(answer):
    """The text of an event stream, its chunks undone."""
    body = answer.partition(b"\r\n\r\n")[2]
    text = b""
    while body:
        size, _, body = body.partition(b"\r\n")
        text += body[: int(size, 16)]
        body = body[int(size, 16) + 2 :]
    events = [line[6:] for line in text.decode().split("\n") if line.startswith("data: ")]
    assert events[-1] == "[DONE]"
    return "".join(json.loads(event)["token"] for event in events[:-1])


STREAM = {"Content_Type": "application/json", "Accept": "text/event-stream", "Connection": "close"}


def test_f30_a_proxy_that_buffers_delays_and_loses_nothing(serve, script, proxy):
    """F30. 64 KiB at a time: what it holds back it gives at the end; and the head asks it not to."""
    tale = script(tokens=TALE, count=5000)
    server = serve(tale)
    way = proxy(server, lambda number: Plan(hold_bytes=64 << 10))
    with raw_request(way.port, server, "POST", "/api/chat/stream", b'{"message":"Tell me all"}', **STREAM) as client:
        answer = read_all(client)
    assert b"x-accel-buffering: no" in answer.lower().partition(b"\r\n\r\n")[0]
    assert told(answer) == said(5000)


def test_f30_a_client_that_half_closes_has_left_and_can_resume(serve, script):
    """F30. HTTP cannot tell half a close from a whole one, and [O5] needs the whole one: the stream ends, the answer does not."""
    tale = script(tokens=TALE, count=50).gate(3)
    server = serve(tale)
    trace = Trace()
    with raw_request(server.port, server, "POST", "/api/chat/stream", b'{"message":"Tell me all"}', **STREAM) as client:
        head = client.recv(65536)
        client.shutdown(socket.SHUT_WR)
        assert b" 200 " in head and b"[DONE]" not in read_all(client)
    name = server.get("/api/conversations").json()["conversations"][0]["name"]
    with Native(server) as native:
        native.watch(name)
        generation = native.until("snapshot")["messages"][-1]["generation"]["id"]
        tale.open_all()
        at = {"generation": generation, "epoch": native.epoch}
        follow_all([SseFollower(trace, "resumes", server.port, name, **at)])
    server.stop()
    stored = proof.prove(server.data, trace, all_ended=True)
    assert stored.generations[generation].text.decode() == said(50)


@pytest.mark.parametrize("is_new", [True, False])
def test_f32_a_send_whose_ack_is_lost_is_stored_once(serve, script, proxy, is_new):
    """F32. The answer is swallowed, the line breaks; the client says it again, twice, and clicks twice."""
    tale = script()
    server = serve(tale)
    trace = Trace()
    way = proxy(server)
    known = {} if is_new else {"conversation": begun(server)}
    with Native(server, port=way.port, trace=trace) as client:
        before = n_messages(server)
        way.mute()
        trace.sent("once", "More")
        client.send(type="send", client_msg_id="once", text="More", **known)
        wait_for(lambda: n_messages(server) == before + 2)
        way.cut_all()
    with Native(server, trace=trace) as one, Native(server, trace=trace) as two:
        for client in (one, two, one):
            client.send(type="send", client_msg_id="once", text="More", **known)
        acks = [client.until("ack", "error") for client in (one, two, one)]
        assert all(ack["type"] == "ack" and ack["duplicate"] for ack in acks), acks
        assert len({(ack["conversation"], ack["message"], ack["generation"]) for ack in acks}) == 1
    assert n_messages(server) == before + 2
    wait_for(lambda: not server.get("/api/conversations").json()["conversations"][0]["running"])
    server.stop()
    proof.prove(server.data, trace, all_ended=True)


def begun(server):
    return server.post("/api/chat", {"message": "Hello"}).json()["conversation_id"]


def n_messages(server):
    names = [row["name"] for row in server.get("/api/conversations").json()["conversations"]]
    return sum(len(server.conversation(name)["messages"]) for name in names)


def wait_for(is_true, seconds=30):
    until = time.monotonic() + seconds
    while not is_true():
        assert time.monotonic() < until, "it did not happen"
        time.sleep(0.01)


class Answered:
    """A conversation with one answer, and a cursor that stands at its fifth event."""

    def __init__(self, server, tale):
        with Native(server) as client:
            self.ack = client.begin("One")
            client.until("end", generation=self.ack["generation"])
            self.epoch = client.epoch
        self.server, self.tale = server, tale
        self.place = {"generation": self.ack["generation"], "epoch": self.epoch, "after": 5}


@pytest.fixture
def answered(serve, script):
    tale = script()
    return Answered(serve(tale), tale)


WRONG_PLACES = {
    "epoch": {"epoch": "0123456789abcdef"},
    "generation": {"generation": "0" * 32},
    "ahead": {"after": 999},
    "far ahead": {"after": 2**62},
}


@pytest.mark.parametrize("name", WRONG_PLACES)
def test_f31_a_wrong_cursor_of_the_watch_is_reset_and_the_whole(answered, name):
    """F31 [W13]."""
    place = {**answered.place, **WRONG_PLACES[name]}
    query = "?" + "&".join(f"{key}={value}" for key, value in place.items())
    with Watch(answered.server, answered.ack["conversation"], query) as watch:
        assert watch.recv() == {"type": "reset", "reason": name.split()[-1]}
        update = watch.recv()
        assert update["type"] == "update" and update["content"].endswith(f"ASSISTANT:\n{answered.tale.text}\n\n")
        assert (update["generation"], update["seq"]) == (answered.ack["generation"], len(answered.tale.tokens) + 2)


@pytest.mark.parametrize("name", WRONG_PLACES)
def test_f31_a_wrong_event_id_is_a_404_that_names_it(answered, name):
    """F31 [W15]: never other bytes, never a wait."""
    place = {**answered.place, **WRONG_PLACES[name]}
    last = f"{place['generation']}.{place['epoch']}.{place['after']}"
    answer = answered.server.get("/api/chat/stream", headers={"Last-Event-ID": last})
    assert answer.status_code == 404 and name.split()[-1] in answer.json()["error"]


GARBAGE = ["", "x", "1", "..", "a.b.c", "{g}.{e}", "{g}.{e}.", "{g}.{e}.-1", "{g}.{e}.1.1", "{g}.{e}.99999999999999999999", "{g}{e}5", "é" * 50]


@pytest.mark.parametrize("text", GARBAGE)
def test_f31_garbage_for_a_cursor_is_a_400(answered, text):
    """F31 [W13] [W15]"""
    last = text.format(g=answered.ack["generation"], e=answered.epoch)
    answer = answered.server.get("/api/chat/stream", headers={"Last-Event-ID": last.encode()})
    assert answer.status_code == 400 and answer.json()["error"]
    if last:
        quoted = urllib.parse.quote(last)
        path = f"/ws/conversation/watch/{answered.ack['conversation']}?generation={answered.ack['generation']}&epoch={answered.epoch}"
        upgrade = {"Upgrade": "websocket", "Sec-WebSocket-Version": "13", "Sec-WebSocket-Key": "x3JJHMbDL1EzLkh9GBhXDw=="}
        answer = answered.server.get(f"{path}&after={quoted}" if last != "1" else path, headers={**upgrade, "Connection": "Upgrade"})
        assert answer.status_code == 400


def test_f31_a_cursor_of_an_answer_of_another_conversation(answered):
    """F31. It is an unknown generation there, not a place in the wrong text."""
    with Native(answered.server) as client:
        other = client.begin("Two")
        client.until("end", generation=other["generation"])
        cursor = {"generation": answered.ack["generation"], "epoch": answered.epoch, "after_seq": 5}
        client.watch(other["conversation"], cursor)
        assert client.until("reset", "resumed")["reason"] == "generation"
        client.until("snapshot", conversation=other["conversation"])
