"""[W9] [P11] Minutes of prefill, of waiting: every stream carries something at least every five seconds, of whatever protocol."""

import time
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from harness.clients import Chat, Native, Watch

# Five seconds, and what a busy machine adds to them; one sign of life that is missing makes ten.
SILENCE_S = 8


def longest_silence_of_lines(server, path, n_comments, **arguments):
    """The longest time without a line, from the request on, until so many comments came."""
    began = last = time.monotonic()
    longest = 0
    with httpx.stream("POST", server.url + path, timeout=SILENCE_S + 5, trust_env=False, **arguments) as answer:
        assert answer.headers["cache-control"] == "no-store" and answer.headers["x-accel-buffering"] == "no"
        for line in answer.iter_lines():
            now = time.monotonic()
            longest, last = max(longest, now - last), now
            n_comments -= line.startswith(":")
            if n_comments == 0:
                break
    assert last > began
    return longest


def longest_silence_of_frames(client, n_pings):
    longest, last = 0, time.monotonic()
    while len(client.of_type("ping")) < n_pings:
        client.recv(SILENCE_S + 5)
        now = time.monotonic()
        longest, last = max(longest, now - last), now
    return longest


@pytest.mark.parametrize("where", ["prefill", "queue of the engine", "load"])
def test_no_stream_is_silent(serve, script, where):
    if where == "prefill":
        tale = script(prompt_tokens=1000, prefill_chunk=1000).gate(1)
    elif where == "load":
        tale = script().gate(0)
    else:
        tale = script(slots=1).gate(1)
    server = serve(tale)
    if where == "queue of the engine":
        with Native(server) as first:
            first.begin("Whoever came first")
            first.until("phase", phase="prefill")
    body = {"messages": [{"role": "user", "content": "Hi"}], "stream": True}
    with Native(server) as native, Chat(server) as chat, ThreadPoolExecutor(8) as pool:
        ack = native.begin("One")
        chat.ask("Two")
        with Watch(server, ack["conversation"]) as watch:
            watch.until("update")
            calls = [pool.submit(longest_silence_of_frames, client, 2) for client in (native, chat, watch)]
            calls.append(pool.submit(longest_silence_of_lines, server, "/api/chat/stream", 2, json={"message": "Three"}))
            calls.append(pool.submit(longest_silence_of_lines, server, "/v1/chat/completions", 2, json=body))
            silences = [call.result() for call in calls]
        assert max(silences) <= SILENCE_S, silences
        tale.open_all()
        native.until("end")


def test_a_message_that_waits_in_its_conversation_is_not_silent(serve, script):
    tale = script().gate(2)
    server = serve(tale)
    server.post("/api/config", {"when_busy": "queue"})
    with Native(server) as native, Chat(server) as chat, ThreadPoolExecutor(2) as pool:
        ack = native.begin("One")
        native.until_seq(2)
        chat.ask("Two", ack["conversation"])
        native.until("queue")
        body = {"message": "Three", "conversation_id": ack["conversation"]}
        lines = pool.submit(longest_silence_of_lines, server, "/api/chat/stream", 2, json=body)
        assert longest_silence_of_frames(chat, 2) <= SILENCE_S
        assert lines.result() <= SILENCE_S
        tale.open_all()
        assert chat.answer()[1]["type"] == "done"
