"""P11 no silence: an open stream carries something at least every five seconds. [N10] [W12] [W13]"""

import concurrent.futures
import time

import httpx

from harness.clients import Chat, Native, Watch

# Five seconds, and what a busy machine needs to look at them.
SILENCE_S = 5.5


def longest_silence(client, n_pings=2):
    """The longest time between frames until so many pings came."""
    longest, last = 0, time.monotonic()
    while len(client.of_type("ping")) < n_pings:
        client.recv(SILENCE_S + 5)
        now = time.monotonic()
        longest, last = max(longest, now - last), now
    return longest


def test_sockets_that_wait_for_a_token_are_pinged(serve, script):
    tale = script().gate(2)
    server = serve(tale)
    with Native(server) as native, Chat(server) as chat, Native(server) as idle:
        ack = native.begin("One")
        chat.ask("Two")
        chat.until("token")
        native.until_seq(2)
        with Watch(server, ack["conversation"]) as watch:
            watch.until("update")
            clients = (native, chat, watch, idle)
            with concurrent.futures.ThreadPoolExecutor(len(clients)) as pool:
                silences = list(pool.map(longest_silence, clients))
            assert max(silences) <= SILENCE_S, silences
            tale.open_all()
            native.until("end", reason="stop")
            chat.until("done")


def test_an_event_stream_that_waits_carries_a_comment(serve, script):
    """[W15]"""
    tale = script().gate(1)
    server = serve(tale)
    options = {"json": {"message": "One"}, "timeout": SILENCE_S, "trust_env": False}
    with httpx.stream("POST", server.url + "/api/chat/stream", **options) as answer:
        lines = answer.iter_lines()
        assert next(line for line in lines if line).startswith(":")
        tale.open_all()
        assert [line for line in lines if line][-1] == "data: [DONE]"
