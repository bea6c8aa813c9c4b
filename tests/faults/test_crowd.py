"""Many at once, and slow ones among them: each costs only itself (P7, P8), every queue has an end (I6)."""

import collections
import concurrent.futures
import socket
import time

import pytest

from harness import proof
from harness.clients import Native
from harness.followers import NativeFollower, SseFollower, WatchFollower, follow_all
from harness.proxy import Plan
from harness.trace import Trace

LINES = [f"{number:05d} " + "x" * 990 + "\n" for number in range(64)]


def said(n_tokens):
    return "".join(LINES[number % len(LINES)] for number in range(n_tokens))


def small_socket(port):
    """Its kernel buffer holds little, so what is not read waits in the server."""
    client = socket.socket()
    client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    client.connect(("127.0.0.1", port))
    return client


def wait_for(is_true, seconds=30):
    until = time.monotonic() + seconds
    while not is_true():
        assert time.monotonic() < until, "it did not happen"
        time.sleep(0.02)


def percentile(values, part):
    return sorted(values)[min(len(values) - 1, int(part * len(values)))]


class Crowd:
    """A hundred watchers of one answer; some of them, perhaps, slow. What it measured is of those that are not."""

    def __init__(self, server, tale, proxy, n_slow):
        self.trace = Trace()
        self.slow_trace = Trace()
        self.server = server
        with Native(server, trace=self.trace, name="sender") as client:
            self.ack = client.begin("Tell me all")
            client.until("phase", phase="prefill")
            slow = [self.slow(proxy, kind) for kind in ("silent", "slow")[:n_slow]]
            names = [f"watcher {number}" for number in range(100 - n_slow)]
            followers = [NativeFollower(self.trace, name, server.port, self.ack["conversation"]) for name in names]
            with concurrent.futures.ThreadPoolExecutor(1) as pool:
                done = pool.submit(follow_all, followers)
                wait_for(lambda: len(self.trace.of("whole")) >= len(followers))
                self.memory_before = server.memory_kb()
                self.began = time.monotonic()
                tale.open_all()
                client.until("end")
                self.seconds = time.monotonic() - self.began
                done.result()
            self.memory_after = server.memory_kb()
            for one in slow:
                one.drop()

    def slow(self, proxy, kind):
        """One that never reads, or one that gets 1 KB/s."""
        if kind == "silent":
            client = Native(self.server, sock=small_socket(self.server.port), max_queue=1, trace=self.slow_trace)
        else:
            way = proxy(self.server, lambda number: Plan(bytes_per_s=1000, receive_buffer=4096))
            client = Native(self.server, port=way.port, trace=self.slow_trace)
        client.watch(self.ack["conversation"])
        return client

    def delays(self):
        """How much later than the first of them each got each token."""
        times = collections.defaultdict(list)
        for record in self.trace.of("tokens"):
            for seq in range(record.seq, record.seq + record.n):
                times[seq].append(record.time)
        return [time - min(of_one) for of_one in times.values() for time in of_one]


@pytest.mark.alone
def test_f01_f02_slow_readers_cost_the_other_ninety_eight_nothing(new_server, script, proxy):
    """F1 F2. One that never reads and one at 1 KB/s among a hundred: the others are served as without them."""
    tale = script(tokens=LINES, count=400, token_ms=10, context_size=100_000).gate(1)
    crowds = {}
    for n_slow in (0, 2):
        tale.gate_path(1).unlink(missing_ok=True)
        server = new_server(tale, data=f"slow-{n_slow}").start()
        crowd = crowds[n_slow] = Crowd(server, tale, proxy, n_slow)
        is_sanitized = server.is_sanitized
        server.stop()
        stored = proof.prove(server.data, crowd.trace, crowd.slow_trace, all_ended=True)
        assert stored.generations[crowd.ack["generation"]].text.decode() == said(400)
        crowd.p99 = percentile(crowd.delays(), 0.99)
        print(f"slow {n_slow}: p99 {1000 * crowd.p99:.1f} ms, answer {crowd.seconds:.2f} s, memory +{crowd.memory_after - crowd.memory_before} kB")
    alone, among = crowds[0], crowds[2]
    assert among.p99 <= 3 * alone.p99 + 0.1
    assert among.seconds <= 1.5 * alone.seconds + 0.5, "the engine was slowed"
    assert among.memory_after - among.memory_before < (600_000 if is_sanitized else 60_000)


def test_f01_f26_readers_that_take_nothing_are_let_go_and_resume(serve, script, proxy):
    """F1 F26. One never reads, one is behind a line that went dead without a word: after 30 s both are gone, the answer goes on, a cursor
    is good."""
    tale = script(tokens=LINES, count=1_000_000, token_ms=20, context_size=2_000_000)
    server = serve(tale)
    trace = Trace()
    way = proxy(server, lambda number: Plan(cut_after=100_000, how="hole", receive_buffer=4096))
    with Native(server, trace=trace, name="quick") as quick:
        ack = quick.begin("Tell me all")
        quick.until_seq(2)
        before = server.n_descriptors()
        silent = Native(server, sock=small_socket(server.port), max_queue=1, trace=trace, name="silent")
        lost = Native(server, port=way.port, trace=trace, name="lost")
        for client in (silent, lost):
            client.watch(ack["conversation"])
        until = time.monotonic() + 60
        while server.n_descriptors() > before:
            quick.until("tokens")
            assert time.monotonic() < until, "they are still served"
        with concurrent.futures.ThreadPoolExecutor(2) as pool:
            list(pool.map(read_to_the_end, (silent, lost)))
        server.post("/api/chat/cancel", {"generation_id": ack["generation"]})
        quick.until("end")
        for client in (silent, lost):
            resume(server, trace, client, ack["conversation"])
    server.stop()
    proof.prove(server.data, trace, all_ended=True)
    proof.check_silence(trace.connections[quick.socket_record], [r for r in trace.records if r.connection == quick.socket_record], 5)


def read_to_the_end(client):
    """What had come; then nothing does, or the socket's end."""
    try:
        while True:
            client.recv(3)
    except AssertionError:
        pass


def resume(server, trace, client, conversation):
    seen = [record for record in trace.records if record.connection == client.traced[conversation]]
    last = [record for record in seen if record.kind in ("whole", "tokens")][-1]
    cursor = {"generation": last.generation, "epoch": client.epoch, "after_seq": last.seq + last.n - 1}
    with Native(server, trace=trace, name=f"{client.name} again") as again:
        again.watch(conversation, cursor)
        again.until("resumed")
        again.until("end")


def test_f03_ten_thousand_tokens_a_second(serve, script, is_long):
    """F3. As fast as the engine can: nothing is lost, memory is bounded, others are answered meanwhile."""
    count = 60_000 if is_long else 10_000
    tale = script(tokens=[f" {number}" for number in range(100)], count=count, context_size=2_000_000).gate(1)
    server = serve(tale)
    trace = Trace()
    with Native(server, trace=trace) as client:
        ack = client.begin("Count")
        others = [NativeFollower(trace, "native", server.port, ack["conversation"])]
        others += [SseFollower(trace, "sse", server.port, ack["conversation"], generation=ack["generation"], epoch=client.epoch)]
        others += [WatchFollower(trace, "watch", server.port, ack["conversation"])]
        client.until("phase", phase="prefill")
        before, began = server.memory_kb(), time.monotonic()
        tale.open_all()
        with concurrent.futures.ThreadPoolExecutor(1) as pool:
            done = pool.submit(follow_all, others)
            waits = []
            while not client.of_type("end"):
                client.recv()
                if len(client.frames) % 50 == 0 or not waits:
                    asked = time.monotonic()
                    server.get("/health")
                    waits.append(time.monotonic() - asked)
            seconds = time.monotonic() - began
            done.result()
        print(f"{count / seconds:.0f} tokens/s, memory +{server.memory_kb('VmHWM') - before} kB, slowest answer {max(waits):.3f} s")
        assert count / seconds > (500 if server.is_sanitized else 3000)
        assert max(waits) < 3
        assert server.memory_kb("VmHWM") - before < (900_000 if server.is_sanitized else 100_000)
    server.stop()
    proof.prove(server.data, trace, all_ended=True)


def test_f04_without_descriptors_what_is_open_goes_on(new_server, script):
    """F4. Nobody new can come in: the answer that runs is not disturbed, the server does not spin, and later all is as before."""
    tale = script(count=100_000, token_ms=10, context_size=200_000)
    server = new_server(tale, prefix=["prlimit", "--nofile=100:100"]).start()
    trace = Trace()
    with Native(server, trace=trace) as client:
        ack = client.begin("Tell me all")
        client.until_seq(2)
        crowd = [socket.create_connection(("127.0.0.1", server.port)) for _ in range(200)]
        began, used = time.monotonic(), server.cpu_s()
        n_before = len(trace.of("tokens"))
        while time.monotonic() < began + 3:
            client.recv(2)
        share = (server.cpu_s() - used) / (time.monotonic() - began)
        print(f"{100 * share:.0f} % of a processor, {len(trace.of('tokens')) - n_before} frames in 3 s")
        assert len(trace.of("tokens")) - n_before > 50
        assert share < 0.35, "it spins"
        for one in crowd:
            one.close()
        wait_for(lambda: is_served(server))
        client.send(type="stop", generation=ack["generation"])
        client.until("end", reason="cancelled")
    server.stop()
    proof.prove(server.data, trace, all_ended=True)


def is_served(server):
    try:
        return server.get("/health", timeout=2).status_code == 200
    except Exception:
        return False


def test_f06_a_large_conversation_opens_and_answers(serve, script, is_long):
    """F6. 9 MB (at length 36 MB) in one answer: a send costs what it says, not what was said before."""
    count = 360 if is_long else 90
    tale = script(tokens=["x" * 99_999 + "\n"], count=count, context_size=60_000)
    server = serve(tale)
    with Native(server) as client:
        ack = client.begin("Say much")
        client.send(type="unwatch", conversation=ack["conversation"])
        client.until("conversation", running=False, seconds=120)
        tale.fields.update(tokens=["short"], count=0)
        tale.write()
    server.restart()
    with Native(server) as client:
        began = time.monotonic()
        client.watch(ack["conversation"])
        snapshot = client.until("snapshot")
        opened = time.monotonic() - began
        assert len(snapshot["messages"][-1]["content"]) == 100_000 * count
        began = time.monotonic()
        client.send(type="send", client_msg_id="more", text="And now?", conversation=ack["conversation"])
        client.until("ack")
        acked = time.monotonic() - began
        client.until("end")
    print(f"opened in {opened:.2f} s, a send acknowledged in {acked:.3f} s")
    slow = 10 if server.is_sanitized else 1
    assert opened < 5 * slow and acked < 1 * slow


def send_until_stored(server, trace, conversation, name, count):
    """Sends `count` messages; one that is refused because another answer runs is sent again."""
    with Native(server, trace=trace, name=name) as client:
        for number in range(count):
            identity = f"{name}-{number}"
            trace.sent(identity, f"{name} says {number}")
            while True:
                client.send(type="send", client_msg_id=identity, text=f"{name} says {number}", conversation=conversation)
                frame = client.until("ack", "error")
                if frame["type"] == "ack":
                    break
                assert frame["code"] == "busy", frame
                time.sleep(0.002)


def test_f28_two_send_and_three_watch(serve, script, n_each=15):
    """F28. All see the same messages in the same order, and each send is there once."""
    server = serve(script(tokens=[], echo=True))
    trace = Trace()
    with Native(server, trace=trace) as client:
        name = client.begin("Begin")["conversation"]
        client.until("end")
        n_ends = 2 * n_each + 1
        watchers = [NativeFollower(trace, f"watcher {number}", server.port, name, until_end=n_ends) for number in range(2)]
        watchers += [WatchFollower(trace, "watch", server.port, name, until_end=n_ends - 1)]
        with concurrent.futures.ThreadPoolExecutor(3) as pool:
            done = pool.submit(follow_all, watchers)
            wait_for(lambda: len(trace.of("whole")) + len(trace.of("transcript")) >= 3)
            senders = [pool.submit(send_until_stored, server, trace, name, f"sender-{number}", n_each) for number in range(2)]
            for work in (*senders, done):
                work.result()
    server.stop()
    stored = proof.prove(server.data, trace, all_ended=True)
    assert len([m for m in stored.messages.values() if m.role == "user"]) == n_ends
    orders = {}
    for record in trace.of("end"):
        orders.setdefault(trace.connections[record.connection].client, []).append(record.generation)
    seen = [order[-2 * n_each :] for client, order in orders.items() if client.startswith("watch")]
    assert len(seen) == 3 and seen[0] == seen[1] == seen[2]


def begin_many(clients, trace, count):
    """One send after the other into conversations of their own, none waits for the one before it; the frames that answer them."""
    for number in range(count):
        client = clients[number % len(clients)]
        trace.sent(f"burst-{number}", f"Number {number}")
        client.send(type="send", client_msg_id=f"burst-{number}", text=f"Number {number}")
    return [clients[number % len(clients)].until("ack", "error") for number in range(count)]


def test_f05_a_hundred_sends_and_one_slot(serve, script):
    """F5. All are acknowledged at once, and say their place; one that waits is cancelled at once; all are answered, none twice."""
    tale = script(tokens=LINES[:3], slots=1).gate(1, when="Number")
    server = serve(tale)
    trace = Trace()
    clients = [Native(server, trace=trace, name=f"client {number}") for number in range(4)]
    began = time.monotonic()
    acks = begin_many(clients, trace, 100)
    assert all(ack["type"] == "ack" for ack in acks), acks
    print(f"100 sends acknowledged in {time.monotonic() - began:.2f} s")
    phase = clients[3].until("phase", phase="queued")
    assert phase["position"] >= 1
    last = acks[99]
    began = time.monotonic()
    clients[3].send(type="stop", generation=last["generation"])
    assert clients[3].until("end", generation=last["generation"])["reason"] == "cancelled"
    print(f"one that waits was cancelled in {1000 * (time.monotonic() - began):.0f} ms")
    tale.open_all(when="Number")
    for number, ack in enumerate(acks[:99]):
        client = clients[number % 4]
        while not any(end["generation"] == ack["generation"] for end in client.of_type("end")):
            client.recv()
    for client in clients:
        client.close()
    server.stop()
    stored = proof.prove(server.data, trace, all_ended=True)
    reasons = collections.Counter(generation.reason for generation in stored.generations.values())
    assert reasons == {"stop": 99, "cancelled": 1}


def test_f05_a_full_queue_is_said_and_stores_nothing(serve, script):
    """F5. Beyond --queue: an error on the socket, 429 with Retry-After by REST; a retry is served when there is room."""
    tale = script(tokens=LINES[:3], slots=1).gate(1, when="Number")
    server = serve(tale, flags=["--queue", "10"])
    trace = Trace()
    with Native(server, trace=trace) as client:
        answers = begin_many([client], trace, 30)
        refused = [answer for answer in answers if answer["type"] == "error"]
        assert len(refused) == 20 and {error["code"] for error in refused} == {"queue_full"}
        rest = server.post("/api/chat", {"message": "Number x"})
        assert rest.status_code == 429 and int(rest.headers["Retry-After"]) >= 1
        assert len(server.get("/api/conversations").json()["conversations"]) == 10
        tale.open_all(when="Number")
        wait_for(lambda: len(client_ends(client)) == 10)
        again = refused[0]["about"]["client_msg_id"]
        client.send(type="send", client_msg_id=again, text=trace.sends[again])
        assert client.until("ack", "error")["duplicate"] is False
        client.until("end")
    server.stop()
    stored = proof.prove(server.data, trace, all_ended=True)
    assert len(stored.messages) == 2 * 11


def client_ends(client):
    client.send(type="ping")
    client.until("ping")
    return client.of_type("end")
