#!/usr/bin/env python3
"""The same bad days for Runnel and for llama-server: what becomes of the stream.

usage: scoreboard.py [SCENARIO]... --peer LLAMA_SERVER [--model GGUF] [--threads N] [--seed N]

  cuts       one answer, read over connections that are cut at random places and resumed
  stalled    the first reader stops reading; a second one follows the same answer
  restart    kill -9 of the server in mid-answer, started again: what is left of what was seen
  retry      the same request once more while its answer runs (a lost response, a double click)
  stale      a place in the old answer, used after a new one has begun under the same name
  ahead      a place that does not exist yet
  silence    the longest time without a byte while a long prompt is processed

Each server resumes by its own documented road: Runnel by Last-Event-ID and by client_msg_id, llama-server by X-Conversation-Id and
GET /v1/stream. Prints one row per scenario and the whole as JSON on the last line.
"""
import argparse
import json
import random
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.parse
import urllib.request
import uuid

import bench
import servers

STORY = "Tell me a very long story about a river, an old mill and the sea. Do not stop."


class Reader:
    """One streaming HTTP request over a plain socket: its events, and the number of body bytes that came with them."""

    def __init__(self, base, method, path, body=None, headers=(), receive_buffer=None):
        url = urllib.parse.urlparse(base)
        self.socket = socket.socket()
        if receive_buffer:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        self.socket.settimeout(120)
        self.socket.connect((url.hostname, url.port))
        data = json.dumps(body).encode() if body is not None else b""
        lines = [f"{method} {path} HTTP/1.1", f"Host: {url.hostname}:{url.port}", "Connection: close", *headers]
        if body is not None:
            lines += ["Content-Type: application/json", f"Content-Length: {len(data)}"]
        self.socket.sendall("\r\n".join([*lines, "", ""]).encode() + data)
        self.status = None
        self.n_body_bytes = 0
        self.at = []  # arrival of each piece of the body

    def read_head(self):
        self.stream = self.socket.makefile("rb")
        self.status = int(self.stream.readline().split()[1])
        head = b"".join(iter(lambda: self.stream.readline(), b"\r\n")).lower()
        self.is_chunked = b"transfer-encoding: chunked" in head

    def pieces(self):
        """Pieces of the body, until it ends or the socket is closed."""
        if self.status is None:
            self.read_head()
        while True:
            if self.is_chunked:
                size = int(self.stream.readline() or b"0", 16)
                piece = self.stream.read(size)
                self.stream.readline()
            else:
                piece = self.stream.read1(65536)
            if not piece:
                return
            self.n_body_bytes += len(piece)
            self.at.append(time.perf_counter())
            yield piece

    def events(self):
        """(id or None, data) of each server-sent event that is whole; `n_whole_bytes` is where the last one ended."""
        pending, self.n_whole_bytes = b"", 0
        for piece in self.pieces():
            pending += piece
            while b"\n\n" in pending:
                event, pending = pending.split(b"\n\n", 1)
                self.n_whole_bytes += len(event) + 2
                fields = dict(line.split(": ", 1) for line in event.decode().splitlines() if ": " in line and line[0] != ":")
                if "data" in fields:
                    yield fields.get("id"), fields["data"]

    def close(self):
        self.socket.close()


def call(base, method, path, body=None):
    data = json.dumps(body).encode() if body is not None else None
    request = urllib.request.Request(base + path, data, {"Content-Type": "application/json"}, method=method)
    try:
        with urllib.request.urlopen(request, timeout=120) as answer:
            return answer.status, json.loads(answer.read() or b"null")
    except urllib.error.HTTPError as error:
        return error.code, json.loads(error.read() or b"null")


class Runnel:
    name = "Runnel"

    def __init__(self, a):
        self.a = a
        self.server = servers.runnel(a.model, a.threads)
        call(self.base, "POST", "/api/config", {"sampler_type": "Greedy"})

    @property
    def base(self):
        return self.server.base

    def begin(self, n_tokens, key, text=STORY, receive_buffer=None):
        call(self.base, "POST", "/api/config", {"max_tokens": n_tokens})
        return Reader(self.base, "POST", "/api/chat/stream", {"message": text}, receive_buffer=receive_buffer)

    def resume(self, key, place):
        return Reader(self.base, "GET", "/api/chat/stream", headers=[f"Last-Event-ID: {place}"])

    def follow(self, reader):
        """(place after it, text) per token."""
        for place, data in reader.events():
            if data != "[DONE]":
                yield place, json.loads(data).get("token", "")

    def restart(self):
        self.server.process.kill()
        self.server.process.wait()
        port = urllib.parse.urlparse(self.base).port
        command = [str(port) if previous == "--port" else part for previous, part in zip([None, *self.command()], self.command())]
        self.server.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        self.server.process.stdout.readline()

    def command(self):
        return self.server.process.args


class Peer:
    name = "llama-server"

    def __init__(self, a):
        self.a = a
        self.server = servers.llama_server(a.peer, a.model, a.threads)

    @property
    def base(self):
        return self.server.base

    def begin(self, n_tokens, key, text=STORY, receive_buffer=None):
        body = {"messages": [{"role": "user", "content": text}], "stream": True, "temperature": 0, "max_tokens": n_tokens}
        return Reader(self.base, "POST", "/v1/chat/completions", body, [f"X-Conversation-Id: {key}"], receive_buffer)

    def resume(self, key, place):
        return Reader(self.base, "GET", f"/v1/stream?conv_id={urllib.parse.quote(key)}&from={place}")

    def follow(self, reader, start=0):
        for _, data in reader.events():
            choices = [] if data == "[DONE]" else json.loads(data).get("choices") or []
            yield start + reader.n_whole_bytes, "".join(choice["delta"].get("content") or "" for choice in choices)

    def restart(self):
        self.server.process.kill()
        self.server.process.wait()
        arguments = self.server.process.args
        env = {"LD_LIBRARY_PATH": str(arguments[0]).rsplit("/", 1)[0]}
        self.server.process = subprocess.Popen(arguments, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=env)
        for _ in range(600):
            try:
                urllib.request.urlopen(self.base + "/health", timeout=1).read()
                return
            except OSError:
                time.sleep(0.1)


def follow_from(side, reader, place):
    """`follow`, with places that count on from where the reader began."""
    return side.follow(reader) if isinstance(side, Runnel) else side.follow(reader, place or 0)


def whole(side, key, n_tokens):
    return "".join(text for _, text in side.follow(side.begin(n_tokens, key)))


def cuts(side, a):
    rng = random.Random(a.seed)
    reader, place, text, n_cuts = side.begin(300, "cuts"), None, "", 0
    while True:
        left = rng.randint(1, 12)
        is_over = True
        for place, piece in follow_from(side, reader, place):
            text += piece
            left -= 1
            if left == 0:
                is_over = False
                break
        reader.close()
        if is_over:
            break
        n_cuts += 1
        reader = side.resume("cuts", place)
        reader.read_head()
        if reader.status != 200:
            return f"{n_cuts} cuts, then {reader.status} after {len(text)} characters"
    begin = place.rsplit(".", 1)[0] + ".1" if isinstance(side, Runnel) else 0
    expected = "".join(piece for _, piece in follow_from(side, side.resume("cuts", begin), begin))
    return f"{n_cuts} cuts: " + ("text whole, no repeat, no hole" if text == expected else f"text differs ({len(text)} of {len(expected)} characters)")


def stalled(side, a):
    """The first reader never reads; the second one's tokens are counted against time."""
    n_tokens = 3000
    first = side.begin(n_tokens, "stalled", receive_buffer=4096)
    first.read_head()
    place, _ = next(follow_from(side, first, None))
    second = side.resume("stalled", place)
    arrivals = [time.perf_counter()]
    done = threading.Event()

    def read():
        for _ in follow_from(side, second, place):
            arrivals.append(time.perf_counter())
        done.set()

    threading.Thread(target=read, daemon=True).start()
    last, still_s = 0, 0
    while not done.wait(1) and still_s < 20:
        still_s = still_s + 1 if len(arrivals) == last else 0
        last = len(arrivals)
    gap_s = max((b - a for a, b in zip(arrivals, arrivals[1:])), default=0)
    first.close()
    second.close()
    if not done.is_set():
        return f"the second reader got {len(arrivals) - 1} tokens, then nothing for 20 s"
    return f"the second reader got all {len(arrivals) - 1} tokens, longest gap {gap_s:.2f} s"


def restart(side, a):
    reader = side.begin(200, "restart")
    text = ""
    for n, (place, piece) in enumerate(side.follow(reader)):
        text += piece
        if n == 60:
            break
    side.restart()
    resumed = side.resume("restart", place)
    resumed.read_head()
    if resumed.status != 200:
        return f"60 tokens were seen; after the restart: {resumed.status}, nothing is left"
    rest = "".join(piece for _, piece in follow_from(side, resumed, place))
    expected = whole(side, "again", 200)
    return "60 tokens were seen; after the restart the same stream went on" + (
        ", text equal to an uninterrupted answer" if text + rest == expected else f", {len(rest)} characters more")


def retry(side, a):
    if isinstance(side, Runnel):
        return retry_runnel(side)
    first = side.begin(200, "retry")
    texts = ["", ""]
    stream = side.follow(first)
    for _ in range(20):
        texts[0] += next(stream)[1]
    second = side.begin(200, "retry")
    thread = threading.Thread(target=lambda: texts.__setitem__(1, "".join(piece for _, piece in side.follow(second))))
    thread.start()
    try:
        for _, piece in stream:
            texts[0] += piece
    except (ConnectionError, OSError, ValueError):
        pass
    thread.join()
    if texts[0] == texts[1]:
        return "both got the same answer"
    return f"the first answer was cut after {len(texts[0])} characters; a second one was computed ({len(texts[1])} characters)"


def retry_runnel(side):
    from websockets.sync.client import connect

    call(side.base, "POST", "/api/config", {"max_tokens": 200})
    frame = {"type": "send", "client_msg_id": uuid.uuid4().hex, "text": STORY}
    acks, text = [], ""
    with connect(side.base.replace("http", "ws") + "/ws", compression=None, proxy=None) as ws:
        ws.send(json.dumps({"type": "hello", "protocol": 1}))
        ws.send(json.dumps(frame))
        while True:
            got = json.loads(ws.recv(60))
            if got["type"] == "ack":
                acks.append(got)
            if got["type"] == "tokens":
                text += got["text"]
                if got["seq"] == 20:
                    ws.send(json.dumps({**frame, "conversation": acks[0]["conversation"]}))
            if got["type"] == "end":
                break
    _, stored = call(side.base, "GET", "/api/conversation/" + acks[0]["conversation"])
    is_one = len(stored["messages"]) == 2 and len({ack["generation"] for ack in acks}) == 1 and len(acks) == 2
    return "one message, one answer, both acknowledged with the same ids" if is_one and stored["messages"][1]["content"] == text else f"{len(stored['messages'])} messages, {len(acks)} acks"


def stale(side, a):
    place = None
    for n, (place, _) in enumerate(side.follow(side.begin(60, "stale"))):
        if n == 30:
            break
    if isinstance(side, Runnel):
        whole(side, "stale", 60)
        generation, epoch, seq = place.split(".")
        foreign = side.resume("stale", f"{generation}.{'0' * len(epoch)}.{seq}")
        foreign.read_head()
        own = side.resume("stale", place)
        rest = [piece for _, piece in side.follow(own)]
        return f"the old place still gives the old answer's rest ({len(rest)} events); of another database: {foreign.status}, with the reason"
    new = side.begin(60, "stale", "Tell me a very long story about a mountain and a fox.")
    full = "".join(piece for _, piece in side.follow(new))
    resumed = side.resume("stale", place)
    got = b"".join(resumed.pieces())
    return f"{resumed.status}: bytes of the new answer from the old answer's offset ({len(got)} bytes, the new answer has {len(full)} characters)"


def ahead(side, a):
    reader = side.begin(40, "ahead")
    places = [place for place, _ in side.follow(reader)]
    place = places[-1]
    future = place.rsplit(".", 1)[0] + ".999999" if isinstance(side, Runnel) else place + 1_000_000
    resumed = side.resume("ahead", future)
    resumed.socket.settimeout(10)
    try:
        resumed.read_head()
        n = sum(len(piece) for piece in resumed.pieces())
        return f"{resumed.status}, {n} bytes" + (" that say why" if resumed.status >= 400 else ": a clean end, no error")
    except TimeoutError:
        return "no answer within 10 s"


def silence(side, a):
    long_text = " ".join(f"Line {number}: the river passes mill {number * 7 % 1000} and goes on." for number in range(330)) + " Sum it up."
    began = time.perf_counter()
    reader = side.begin(8, "silence", long_text)
    for _ in reader.pieces():
        pass
    times = [began, *reader.at]
    gap_s = max(b - a for a, b in zip(times, times[1:]))
    return f"longest silence {gap_s:.1f} s of {times[-1] - began:.1f} s"


SCENARIOS = {row.__name__: row for row in (cuts, stalled, restart, retry, stale, ahead, silence)}


def run(side_type, scenario, a):
    side = side_type(a)
    try:
        whole(side, "warm", 4)
        return scenario(side, a)
    finally:
        side.server.process.send_signal(signal.SIGKILL)
        side.server.process.wait()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("scenarios", nargs="*", metavar="SCENARIO")
    parser.add_argument("--peer", help="the program llama-server; without it only Runnel is run")
    parser.add_argument("--model", default=bench.default_model())
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--seed", type=int, default=1)
    a = parser.parse_args()
    unknown = [name for name in a.scenarios if name not in SCENARIOS]
    if unknown:
        parser.error(f"{', '.join(unknown)}: no such scenario; there are {', '.join(SCENARIOS)}")
    rows = {}
    for name in a.scenarios or SCENARIOS:
        for side in [Runnel, Peer] if a.peer else [Runnel]:
            rows.setdefault(name, {})[side.name] = result = run(side, SCENARIOS[name], a)
            print(f"{name:9} {side.name:13} {result}", flush=True)
    print(json.dumps({"seed": a.seed, "rows": rows}))


if __name__ == "__main__":
    sys.exit(main())
