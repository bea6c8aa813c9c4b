"""Death at every place: the server's, the engine's, by signal, by hanging, by a polite stop. The answer goes on, or says that it was cut (P1, P4, P5)."""

import concurrent.futures
import os
import signal
import time

import pytest

from harness import proof
from harness.clients import Native
from harness.followers import NativeFollower, SseFollower, WatchFollower, follow_all
from harness.oracle import Mirror, check_stored, follow
from harness.trace import Trace

WORDS = [f" w{number}" + "é🌊"[: number % 3] for number in range(1, 41)]


def ask_only(server):
    """Nothing goes on by itself."""
    assert server.post("/api/config", {"after_crash": "ask"}).status_code == 200


def watch_on(server, trace, mirror, name):
    """A client that comes back with the cursor of what it has."""
    client = Native(server, trace=trace, name=name)
    client.watch(mirror.conversation, mirror.cursor(client.epoch))
    client.until("resumed")
    return client


def test_f07_p05_one_answer_through_forty_deaths_of_the_server(new_server, script):
    """F7. kill -9 after each of forty tokens of one answer; it goes on each time, and at the end it is whole, once."""
    tale = script(tokens=WORDS).gate_all()
    server = new_server(tale).start()
    trace = Trace()
    with Native(server, trace=trace, name="client 0") as client:
        ack = client.begin("Tell me all")
        mirror = Mirror(ack["conversation"])
        for k in range(1, len(WORDS) + 1):
            tale.open(k)
            take_until(client, mirror, WORDS[:k])
            server.kill()
            client.close()
            server.start()
            client = watch_on(server, trace, mirror, f"client {k}")
        tale.open_all()
        follow(client, mirror)
        client.close()
    assert mirror.end == "stop" and mirror.text == tale.text
    assert len(mirror.chain) == len(WORDS) + 1
    check_stored(server, mirror)
    server.stop()
    stored = proof.prove(server.data, trace, all_ended=True)
    answer = stored.generations[ack["generation"]]
    assert [one.text.decode() for one in stored.chain(ack["generation"])] == [*WORDS, ""]
    assert len(stored.messages) == 2 and answer.reason == "interrupted"


def take_until(client, mirror, words):
    """Reads until the answer has this text."""
    text = "".join(words)
    while mirror.last_generation is None or mirror.text != text:
        mirror.feed(client.recv())
        assert mirror.last_generation is None or text.startswith(mirror.text)


def take_to_the_end(client, mirror):
    """Reads on, until the answer has an end that nothing follows."""
    while mirror.end is None:
        mirror.feed(client.recv())


@pytest.mark.parametrize("mode", ["continue", "ask"])
def test_f07_p04_kill_9_of_the_server_at_token(new_server, script, mode, is_long):
    """F7. The k-th answer is cut at token k. `continue`: it is whole in the end; `ask`: it says so and keeps what was seen."""
    tale = script(tokens=WORDS)
    for k in range(1, len(WORDS) + 1):
        tale.gate(k + 1, when=f"number {k}.")
    server = new_server(tale).start()
    if mode == "ask":
        ask_only(server)
    trace = Trace()
    cut = {}
    for k in range(1, len(WORDS) + 1, 1 if is_long else 3):
        with Native(server, trace=trace, name=f"client {k}") as client:
            ack = client.begin(f"This is number {k}.")
            mirror = cut[k] = Mirror(ack["conversation"])
            take_until(client, mirror, WORDS[:k])
            server.kill()
        tale.open(k + 1, when=f"number {k}.")
        server.start()
        with watch_on(server, trace, mirror, f"client {k} again") as client:
            follow(client, mirror)
            if mode == "ask":
                assert mirror.end == "interrupted" and mirror.text == "".join(WORDS[:k]) and mirror.seq == k + 2
            else:
                assert mirror.end == "stop" and mirror.text == tale.text and len(mirror.chain) == 2
            check_stored(server, mirror)
    server.stop()
    proof.prove(server.data, trace, all_ended=True)


@pytest.mark.parametrize("number", [signal.SIGSEGV, signal.SIGKILL])
def test_f09_p05_the_engine_dies_at_token(serve, script, number, is_long):
    """F9. The server lives: every kind of watcher goes on over the seam, and no socket is closed."""
    tale = script(tokens=WORDS)
    for k in range(1, len(WORDS) + 1):
        tale.gate(k + 1, when=f"number {k}.")
    server = serve(tale)
    server.expects_crash = True
    trace = Trace()
    with Native(server, trace=trace, name="native") as client:
        for k in range(1, len(WORDS) + 1, 1 if is_long else 4):
            ack = client.begin(f"This is number {k}.")
            mirror = Mirror(ack["conversation"])
            take_until(client, mirror, WORDS[:k])
            os.kill(server.engine_pid(), number)
            followers = [
                SseFollower(trace, f"sse {k}", server.port, ack["conversation"], generation=ack["generation"], epoch=client.epoch),
                WatchFollower(trace, f"watch {k}", server.port, ack["conversation"]),
                NativeFollower(trace, f"native {k}", server.port, ack["conversation"]),
            ]
            tale.open(k + 1, when=f"number {k}.")
            follow_all(followers)
            take_to_the_end(client, mirror)
            assert mirror.end == "stop" and mirror.text == tale.text and len(mirror.chain) == 2, (k, mirror.ends)
            check_stored(server, mirror)
            assert all(follower.n_connects == 1 for follower in followers)
    server.stop()
    proof.prove(server.data, trace, all_ended=True)


def test_f09_an_engine_that_dies_at_the_same_token_again_and_again_is_given_up(serve, script):
    """Three of a chain that brought no token: it stops trying, and says so; what was said stays."""
    tale = script(tokens=WORDS).at(5, "crash")
    server = serve(tale)
    server.expects_crash = True
    trace = Trace()
    with Native(server, trace=trace) as client:
        ack = client.begin("Tell me all")
        mirror = follow(client, Mirror(ack["conversation"]))
        assert mirror.end == "interrupted" and mirror.text == "".join(WORDS[:4])
        assert 2 <= len(mirror.chain) <= 5
        assert client.of_type("end")[-1]["error"]["text"]
        tale.faults.clear()
        tale.write()
        client.send(type="continue", generation=mirror.last_generation, client_msg_id="go-on")
        while mirror.end != "stop":
            mirror.feed(client.recv())
        assert client.of_type("ack")[-1]["generation"] == mirror.last_generation and client.of_type("error") == []
        assert mirror.text == tale.text
        check_stored(server, mirror)
    server.stop()
    proof.prove(server.data, trace, all_ended=True)


def test_f10_p05_an_engine_that_stands_still_is_replaced_and_the_answer_goes_on(serve, script):
    """F10. SIGSTOP: after the hang limit it is killed."""
    tale = script(tokens=WORDS).gate(9)
    server = serve(tale, flags=["--engine-hang-ms", "1500"])
    server.expects_crash = True
    trace = Trace()
    with Native(server, trace=trace) as client:
        ack = client.begin("Tell me all")
        mirror = Mirror(ack["conversation"])
        take_until(client, mirror, WORDS[:8])
        os.kill(server.engine_pid(), signal.SIGSTOP)
        tale.open_all()
        take_to_the_end(client, mirror)
        assert mirror.end == "stop" and mirror.text == tale.text and len(mirror.chain) == 2
        check_stored(server, mirror)
    server.stop()
    proof.prove(server.data, trace, all_ended=True, silence_s=5.5)


@pytest.mark.parametrize("mode", ["continue", "ask"])
def test_f11_w08_a_polite_stop_in_mid_answer(serve, script, mode):
    """F11. SIGTERM: at once, with code 0; the answer has an end, and goes on at the next start."""
    tale = script(tokens=WORDS).gate(9)
    server = serve(tale)
    if mode == "ask":
        ask_only(server)
    trace = Trace()
    with Native(server, trace=trace, name="before") as client:
        ack = client.begin("Tell me all")
        mirror = Mirror(ack["conversation"])
        take_until(client, mirror, WORDS[:8])
        server.stop()
        assert client.close_code() == 1001
        mirror = Mirror(ack["conversation"]).feed(*client.frames)
        assert mirror.ends[ack["generation"]] == "interrupted"
    proof.prove(server.data, trace)
    tale.open_all()
    server.start()
    with watch_on(server, trace, mirror, "after") as client:
        follow(client, mirror)
    if mode == "ask":
        assert mirror.end == "interrupted" and mirror.text == "".join(WORDS[:8])
    else:
        assert mirror.end == "stop" and mirror.text == tale.text and len(mirror.chain) == 2
    check_stored(server, mirror)
    server.stop()
    proof.prove(server.data, trace, all_ended=True)


def kill_and_restart(server, trace, tale, n):
    """In a thread of its own: once all `n` have what there is."""
    wait_for(lambda: len({record.connection for record in trace.of("whole", "transcript")}) >= n)
    tale.open(5)
    wait_for(lambda: sum(record.seq + record.n - 1 == 40 for record in trace.of("tokens")) >= n)
    server.kill()
    n_records, began = len(trace.records), time.monotonic()
    server.start()
    tale.open_all()
    return began, n_records


def test_f29_five_hundred_come_back_after_a_restart(new_server, script, seed):
    """F29. kill -9 with five hundred watchers; they come back by themselves, and miss nothing."""
    tale = script(tokens=WORDS * 2, token_ms=10).gate(5).gate(40)
    server = new_server(tale).start()
    trace = Trace()
    with Native(server, trace=trace, name="sender") as client:
        ack = client.begin("Tell me all")
        client.until_seq(5)
    kinds = [NativeFollower, NativeFollower, WatchFollower]
    n = 500
    followers = [kinds[number % 3](trace, f"reader {number}", server.port, ack["conversation"], seed=seed) for number in range(n)]
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        restarted = pool.submit(kill_and_restart, server, trace, tale, n)
        follow_all(followers)
        began, n_records = restarted.result()
    back = {}
    for record in trace.records[n_records:]:
        if record.kind == "tokens":
            back.setdefault(trace.connections[record.connection].client, record.time - began)
    print(f"back after {min(back.values()):.2f} to {max(back.values()):.2f} s")
    assert len(back) == n
    assert {follower.name for follower in followers if follower.n_connects < 2} == set()
    assert {follower.name for follower in followers if follower.n_resets} == set()
    server.stop()
    stored = proof.prove(server.data, trace, all_ended=True)
    text = "".join(one.text.decode() for one in stored.chain(ack["generation"]))
    assert text == tale.text


def wait_for(is_true, seconds=60):
    until = time.monotonic() + seconds
    while not is_true():
        assert time.monotonic() < until, "it did not happen"
        time.sleep(0.05)
