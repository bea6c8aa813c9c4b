"""Time plays tricks: a wall clock that jumps and stands (P12), a prompt that takes minutes (P11)."""

import datetime
import mmap
import os
import struct
import subprocess
import threading
import time
from pathlib import Path

import httpx
import pytest

from harness import proof
from harness.clients import Chat, Native, Watch
from harness.oracle import Mirror, check_stored, follow
from harness.trace import Trace
from harness.wait import wait_until

DAY_NS = 24 * 3600 * 10**9
SOURCE = Path(__file__).resolve().parents[1] / "harness" / "wall_clock.c"


class WallClock:
    """The wall clock of the servers that are started with `env`."""

    def __init__(self, folder):
        library = folder / "wall_clock.so"
        subprocess.run(["gcc", "-std=gnu17", "-O1", "-shared", "-fPIC", "-o", library, SOURCE], check=True)
        path = folder / "wall_clock"
        path.write_bytes(bytes(16))
        with open(path, "r+b") as file:
            self.map = mmap.mmap(file.fileno(), 16)
        # A sanitizer wants to be the first library; here it need not be.
        asan = ":".join(filter(None, [os.environ.get("ASAN_OPTIONS"), "verify_asan_link_order=0"]))
        self.env = {"LD_PRELOAD": str(library), "RUNNEL_TEST_CLOCK": str(path), "ASAN_OPTIONS": asan}

    def set(self, shift_ns=0, stands_at_ns=0):
        self.map[:] = struct.pack("qq", shift_ns, stands_at_ns)


@pytest.fixture
def clock(tmp_path):
    return WallClock(tmp_path)


def stamp(server, conversation):
    """When the last question was asked, in seconds since 1970."""
    asked = [message for message in server.conversation(conversation)["messages"] if message["role"] == "user"][-1]
    return datetime.datetime.fromisoformat(asked["timestamp"].replace("Z", "+00:00")).timestamp()


JUMPS = {
    "a day ahead": {"shift_ns": DAY_NS},
    "a day back": {"shift_ns": -DAY_NS},
    "standing": {"stands_at_ns": 1_700_000_000 * 10**9},
    "to 1970": {"stands_at_ns": 1},
    "to 2090": {"stands_at_ns": 3_800_000_000 * 10**9},
}


@pytest.mark.parametrize("name", JUMPS)
def test_f36_p12_the_wall_clock_jumps_in_mid_answer(serve, script, clock, name):
    """F36. Nothing expires and nothing is killed; order and ids do not come from the clock."""
    tale = script().gate(4, when="long").gate(8, when="long")
    server = serve(tale, env=clock.env, flags=["--engine-hang-ms", "4000"])
    trace = Trace()
    with Native(server, trace=trace, name="native") as client, Chat(server) as chat:
        ack = client.begin("A long one")
        client.until_seq(4)
        before = stamp(server, ack["conversation"])
        clock.set(**JUMPS[name])
        with Watch(server, ack["conversation"], trace=trace) as watch:
            tale.open(4, when="long")
            client.until_seq(8)
            # Timers that looked at the clock would fire now, or never.
            client.until("ping", seconds=5.5)
            client.frames.clear()
            names = []
            for number in range(4):
                chat.ask(f"short {number}")
                names.append(chat.answer()[1]["conversation_id"])
            assert len(set(names)) == 4
            tale.open_all(when="long")
            assert client.until("end")["reason"] == "stop"
            watch.until("end")
        expected = JUMPS[name].get("stands_at_ns", 0) / 1e9 or time.time() + JUMPS[name]["shift_ns"] / 1e9
        assert abs(stamp(server, names[-1]) - expected) < 60 and abs(before - time.time()) < 60, "the test's own clock does not work"
        clock.set()
        client.begin("And again", ack["conversation"])
        client.until("end")
    mirror = Mirror(ack["conversation"])
    with Native(server) as client:
        client.watch(ack["conversation"])
        client.until("snapshot")
        assert follow(client, mirror).text == tale.text
    check_stored(server, mirror)
    listed = server.get("/api/conversations").json()["conversations"]
    assert sorted(row["name"] for row in listed) == sorted([ack["conversation"], *names])
    server.stop()
    # The watch is read only when the short ones are answered, after more than 5 s.
    proof.prove(server.data, trace, all_ended=True, silence_s=15)
    order = [m.content for m in proof.disk.read(server.data).messages.values() if m.conversation == ack["conversation"]]
    assert order == ["A long one", tale.text, "And again", tale.text]


def read_lines(server, path, body, records):
    """The times at which an event stream said anything."""
    with httpx.stream("POST", server.url + path, json=body, timeout=60, trust_env=False) as answer:
        for line in answer.iter_lines():
            records.append((time.monotonic(), line))


def test_f34_p11_a_prompt_that_takes_long_is_not_silence(serve, script, is_long):
    """F34. One chunk of prefill in which the engine says nothing: every kind of stream carries something every five seconds."""
    seconds = 120 if is_long else 11
    tale = script(prompt_tokens=500, prefill_ms=1000 * seconds)
    server = serve(tale, flags=["--engine-hang-ms", "3000"])
    trace = Trace()
    streams = {
        "/api/chat/stream": {"message": "By SSE"},
        "/v1/chat/completions": {"stream": True, "messages": [{"role": "user", "content": "By OpenAI"}]},
    }
    lines = {path: [] for path in streams}
    threads = [threading.Thread(target=read_lines, args=(server, path, body, lines[path])) for path, body in streams.items()]
    with Native(server, trace=trace, name="native") as client, Chat(server, trace=trace, name="chat") as chat:
        began = time.monotonic()
        for thread in threads:
            thread.start()
        ack = client.begin("By the native protocol")
        chat.ask("By the first one")
        with Watch(server, ack["conversation"], trace=trace) as watch:
            workers = [threading.Thread(target=watch.until, args=("end",)), threading.Thread(target=chat.answer)]
            for worker in workers:
                worker.start()
            assert client.until("end", seconds=seconds + 60)["reason"] == "stop"
            for thread in (*workers, *threads):
                thread.join(60)
        assert time.monotonic() - began > seconds
        assert chat.frames[-1]["type"] == "done" and watch.of_type("end")
    for path, seen in lines.items():
        times = [began, *(moment for moment, _ in seen)]
        assert max(after - before for before, after in zip(times, times[1:])) < 5.5, path
        assert [line for _, line in seen if line][-1] == "data: [DONE]"
    server.stop()
    proof.prove(server.data, trace, all_ended=True, silence_s=5.5)


def test_w51_w54_n27_what_was_deleted_long_ago_goes_by_itself(new_server, script, clock):
    """After a start, and every hour: what was in the trash for 30 days, deleted messages, and temporary conversations an hour old."""
    server = new_server(script(tokens=["a"]), env=clock.env).start()

    def begin(client, text, **fields):
        ack = client.begin(text, **fields)
        client.until("end", generation=ack["generation"])
        return ack

    def status(path):
        return server.get(path).status_code

    with Native(server) as client:
        kept, thrown = begin(client, "one")["conversation"], begin(client, "two")["conversation"]
        message = begin(client, "three", conversation=kept)["message"]
        temporary = begin(client, "four", temporary=True)["conversation"]
    server.http("DELETE", f"/api/conversations/{thrown}")
    server.http("DELETE", f"/api/messages/{message}")
    clock.set(shift_ns=29 * DAY_NS)
    server.restart()
    server.wait_log(rf"purge conversation={temporary}")
    assert status(f"/api/conversation/{temporary}") == 404
    assert server.post(f"/api/conversations/{thrown}/restore").status_code == 200
    server.http("DELETE", f"/api/conversations/{thrown}")
    assert len(server.post(f"/api/messages/{message}/restore").json()["messages"]) == 2
    server.http("DELETE", f"/api/messages/{message}")
    clock.set(shift_ns=60 * DAY_NS)
    server.restart()
    server.wait_log(rf"purge conversation={thrown}")
    assert server.post(f"/api/conversations/{thrown}/restore").status_code == 404
    wait_until(lambda: server.post(f"/api/messages/{message}/restore").status_code == 404)
    assert len(server.conversation(kept)["messages"]) == 2
