"""Memory that cannot be had (F35): the server ends as by any other crash, and after the next start everything that anyone saw is there (P4, P5)."""

import random
import signal
import time
import uuid

import httpx
from websockets.exceptions import InvalidHandshake, WebSocketException

from harness import proof
from harness.clients import Closed, Native
from harness.trace import Trace

LOST = (Closed, OSError, EOFError, InvalidHandshake, WebSocketException, httpx.HTTPError)
WORDS = [f" w{number}" + "é🌊"[: number % 3] for number in range(1, 41)]


class Lives:
    """Lives of one data folder, each of which asks for one answer; the N-th piece of memory that one asks for is not there."""

    def __init__(self, server):
        self.server = server
        self.trace = Trace()

    def live(self, number):
        """Where it ended: at the `start`, in the `answer`, at the `stop`, or not before it was asked to: `whole`."""
        server = self.server
        server.flags = ["--fault", f"mem.alloc:{number}:eio"]
        server.spawn()
        line = server.read_line()
        place = "start"
        if line:
            server.port = int(line.rsplit(":", 1)[1])
            place = "whole" if self.ask(number) else "answer"
        if place == "whole":
            server.process.send_signal(signal.SIGTERM)
        code = server.wait_exit()
        server.check_stderr()
        server.flags = []
        if place == "whole" and code == 0:
            return place
        assert code == -signal.SIGABRT and "out of memory" in server.stderr(), f"mem.alloc:{number}: {server.stderr()[-2000:]}"
        return "stop" if place == "whole" else place

    def ask(self, number):
        """True: the answer came to its end."""
        text = f"Tell me all, number {number}"
        try:
            with Native(self.server, trace=self.trace, name=f"client {number}") as client:
                client_msg_id = uuid.uuid4().hex
                self.trace.sent(client_msg_id, text)
                client.send(type="send", client_msg_id=client_msg_id, text=text)
                client.until("end", reason="stop")
            return self.server.get("/api/conversations").status_code == 200
        except LOST:
            return False

    def go_on(self):
        """The next start goes on with what was cut; nothing is left open."""
        self.server.start()
        until = time.monotonic() + 60
        while any(row["running"] for row in self.server.get("/api/conversations").json()["conversations"]):
            assert time.monotonic() < until, "it does not come to an end"
            time.sleep(0.02)
        self.server.stop()
        proof.prove(self.server.data, self.trace, all_ended=True)


def first_that(lives, place, low):
    """About how much memory is asked for until a life that has nothing to go on with gets as far as `place`."""
    there = ("answer", "stop", "whole") if place == "answer" else ("stop", "whole")

    def reaches(number):
        lives.go_on()
        return lives.live(number) in there

    high = max(low, 64)
    while not reaches(high):
        low, high = high, high * 2
    while high - low > 32 + low // 50:
        middle = (low + high) // 2
        low, high = (low, middle) if reaches(middle) else (middle, high)
    return high


def test_f35_no_memory_at_any_moment_of_an_answer_is_a_crash_like_any_other(new_server, script, fault_points, seed, is_long):
    """F35. From the start of the server to the end of an answer; --long: ten times as many moments."""
    lives = Lives(new_server(script(tokens=WORDS)))
    ready = first_that(lives, "answer", 0)
    whole = first_that(lives, "whole", ready)
    lives.go_on()
    chance = random.Random(seed)
    n = 400 if is_long else 40
    places = [lives.live(int(ready * (i + chance.random()) / 4)) for i in range(4)]
    for i in range(n):
        places.append(lives.live(int(ready + (whole - ready) * (i + chance.random()) / n)))
        if i % 4 == 0:
            lives.go_on()
    lives.go_on()
    print(f"ready after {ready}, whole after {whole} pieces of memory: {places.count('start')} ended at the start, {places.count('answer')} in the answer")
    assert places.count("answer") > n / 2, f"{places}, of {ready} to {whole}"
