"""One answer of the fake engine at 30 tokens a second, and many who watch it: when each of them has each token, and what that costs."""
import collections
import json
import selectors
import socket
import time
import urllib.parse
import urllib.request

import client
import servers
from rows import Rows

TOKEN_MS = 33
SCRIPT = {"name": "fake", "context_size": 1 << 20, "tokens": [" river", " mill"], "token_ms": TOKEN_MS, "count": 1 << 19}
EVENT = b'"token":"'


class Watcher:
    """A server-sent event stream of the answer. One that is stalled never reads, and has little room for what it does not read."""

    def __init__(self, base, place, is_stalled=False):
        url = urllib.parse.urlparse(base)
        self.n, self.rest = 0, b""
        self.socket = socket.socket()
        if is_stalled:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        self.socket.connect((url.hostname, url.port))
        self.socket.sendall(f"GET /api/chat/stream HTTP/1.1\r\nHost: {url.netloc}\r\nLast-Event-ID: {place}\r\n\r\n".encode())

    def take(self):
        """How many tokens came."""
        data = self.socket.recv(1 << 16)
        if not data:
            raise SystemExit("a watcher was sent away")
        whole, _, self.rest = (self.rest + data).rpartition(b"\n")
        return whole.count(EVENT)


def begin(base, n_tokens):
    """Begins an answer; its first place."""
    client.post(base, "/api/config", {"max_tokens": n_tokens}).read()
    with client.post(base, "/api/chat/stream", {"message": "Go"}) as stream:
        return next(line for line in stream if line.startswith(b"id: "))[4:].decode().strip()


def follow(watchers, seconds):
    """{number of a token: [when each watcher had it]}, of the tokens that come in so many seconds."""
    at, end_s = collections.defaultdict(list), time.perf_counter() + seconds
    with selectors.DefaultSelector() as selector:
        for watcher in watchers:
            selector.register(watcher.socket, selectors.EVENT_READ, watcher)
        while time.perf_counter() < end_s:
            for key, _ in selector.select(0.05):
                watcher = key.data
                for _ in range(watcher.take()):
                    watcher.n += 1
                    at[watcher.n].append(time.perf_counter())
    return at


def measure(a, server, n, has_stalled):
    """(delays in ms behind the first who had it, tokens per second)"""
    place = begin(server.base, 1 << 19)
    watchers = [Watcher(server.base, place) for _ in range(n)]
    stalled = [Watcher(server.base, place, True)] if has_stalled else []
    follow(watchers, a.phase_s / 6)
    first_n = max(watcher.n for watcher in watchers) + 1
    at = follow(watchers, a.phase_s)
    at = {number: times for number, times in at.items() if number > first_n and len(times) == n}
    delays = sorted((when - min(times)) * 1e3 for times in at.values() for when in times)
    starts = [min(times) for _, times in sorted(at.items())]
    client.post(server.base, "/api/chat/cancel", {"generation_id": place.split(".")[0]}).read()
    for watcher in watchers + stalled:
        watcher.socket.close()
    return delays, (len(starts) - 1) / (starts[-1] - starts[0])


def watchers(a):
    """When each of many watchers has a token, behind the first of them; one more who never reads; memory of those who wait."""
    rows = Rows()
    for _ in range(a.rounds):
        with servers.runnel("fake:" + json.dumps(SCRIPT), engine="fake") as server:
            for n in a.watchers:
                for has_stalled in (False, True) if n == a.watchers[-1] else (False,):
                    delays, speed = measure(a, server, n, has_stalled)
                    name = f"{n}, one more stalled" if has_stalled else f"{n}"
                    rows.add(**{f"{name}: p50 ms": delays[len(delays) // 2], f"{name}: p99 ms": delays[len(delays) * 99 // 100], f"{name}: tokens/s": speed})
            rows.add(**{"kB of each who waits": idle_kb(server, a.idle)})
    return rows


UPGRADE = ("GET /ws/conversation/watch/{} HTTP/1.1\r\nHost: {}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
           "Sec-WebSocket-Key: MDEyMzQ1Njc4OWFiY2RlZg==\r\n\r\n")


def idle_kb(server, n):
    """Memory of the server for each watcher of a conversation in which nothing happens."""
    url = urllib.parse.urlparse(server.base)
    with urllib.request.urlopen(server.base + "/api/conversations") as listed:
        conversation = json.loads(listed.read())["conversations"][0]["name"]
    before_mb, idle = servers.rss_mb(server.process.pid), []
    for _ in range(n):
        idle.append(socket.create_connection((url.hostname, url.port)))
        idle[-1].sendall(UPGRADE.format(conversation, url.netloc).encode())
        if not idle[-1].recv(64).startswith(b"HTTP/1.1 101"):
            raise SystemExit("a watcher was refused")
    grown_kb = (servers.rss_mb(server.process.pid) - before_mb) * 1024 / n
    for watcher in idle:
        watcher.close()
    return grown_kb
