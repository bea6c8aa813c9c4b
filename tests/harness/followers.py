"""Readers that come back by themselves: they hold a cursor, reconnect with a growing pause, and write down what they see.

One per way of reading: the native WebSocket, [W13] with a cursor, server-sent events with Last-Event-ID, and the REST events. They check
nothing; `proof.prove` judges their traces. They are coroutines: hundreds fit into one test.
"""

import asyncio
import json
import random

import aiohttp

PAUSE_FIRST_S = 0.002
PAUSE_MAX_S = 0.5
SILENCE_S = 15
LOST = (aiohttp.ClientError, OSError, asyncio.TimeoutError, asyncio.IncompleteReadError)


class Follower:
    """Follows one conversation until `until_end` answers have ended. `port` is where it connects, `host_port` the server's own. With
    `generation` and `epoch` it begins behind the start of that answer."""

    protocol = None

    def __init__(self, trace, name, host_port, conversation, port=None, generation=None, epoch=None, seed=0, until_end=1):
        self.trace, self.name = trace, name
        self.host_port, self.port = host_port, port or host_port
        self.conversation = conversation
        self.random = random.Random(f"{seed} {name}")
        self.until_end = until_end
        self.generation, self.epoch = generation, epoch
        self.seq = 1 if generation else 0
        self.n_ends = self.n_connects = self.n_resets = 0
        self.n_bytes = 0
        self.pause_s = PAUSE_FIRST_S
        self.number = None

    @property
    def is_done(self):
        return self.n_ends >= self.until_end

    async def run(self):
        async with aiohttp.ClientSession(headers={"Host": f"127.0.0.1:{self.host_port}"}) as session:
            while not self.is_done:
                try:
                    await self.connect(session)
                except LOST:
                    pass
                if self.number is not None:
                    self.trace.add(self.number, "close")
                    self.number = None
                if not self.is_done:
                    await self.pause()
        return self

    async def pause(self):
        """Twice as long each time, with a random part; a connection that brought something begins anew."""
        await asyncio.sleep(self.pause_s * self.random.uniform(0.5, 1))
        self.pause_s = min(PAUSE_MAX_S, 2 * self.pause_s)

    def url(self, path):
        return f"http://127.0.0.1:{self.port}{path}"

    def opened(self, with_cursor=True):
        self.n_connects += 1
        place = (self.generation, self.seq) if self.generation and with_cursor else None
        self.number = self.trace.open(self.name, self.protocol, place)

    def at(self, generation, seq):
        self.generation, self.seq = generation, seq
        self.pause_s = PAUSE_FIRST_S

    def ended(self, frame):
        if not frame.get("continued_by"):
            self.n_ends += 1


class WebSocketFollower(Follower):
    path = None

    async def connect(self, session):
        async with session.ws_connect(self.url(self.target()), max_msg_size=0, autoping=True) as socket:
            await self.begin(socket)
            while not self.is_done:
                async with asyncio.timeout(SILENCE_S):
                    message = await socket.receive()
                if message.type != aiohttp.WSMsgType.TEXT:
                    return
                self.n_bytes += len(message.data)
                self.take(json.loads(message.data))

    async def begin(self, socket):
        self.opened()


class NativeFollower(WebSocketFollower):
    protocol = "native"

    def target(self):
        return "/ws"

    async def begin(self, socket):
        await socket.send_json({"type": "hello", "protocol": 1})
        watch = {"type": "watch", "conversation": self.conversation}
        if self.generation:
            watch["cursor"] = {"generation": self.generation, "epoch": self.epoch, "after_seq": self.seq}
        await socket.send_json(watch)
        self.opened()

    def take(self, frame):
        kind = frame["type"]
        if frame.get("conversation") == self.conversation or kind in ("hello", "ping"):
            self.trace.native(self.number, frame)
        if kind == "hello":
            self.epoch = frame["epoch"]
        elif kind == "reset":
            self.n_resets += 1
        elif kind == "snapshot":
            self.take_snapshot(frame)
        elif kind in ("start", "tokens", "end"):
            self.at(frame["generation"], frame["seq"] + frame.get("n", 1) - 1)
            if kind == "end":
                self.ended(frame)

    def take_snapshot(self, frame):
        self.n_ends = 0
        for message in frame["messages"]:
            generation = message.get("generation")
            if generation:
                self.at(generation["id"], generation["seq"])
                self.n_ends += generation["ended"]


class WatchFollower(WebSocketFollower):
    protocol = "watch"

    def target(self):
        cursor = f"?generation={self.generation}&epoch={self.epoch}&after={self.seq}" if self.generation else "?updates=delta"
        return f"/ws/conversation/watch/{self.conversation}{cursor}"

    def take(self, frame):
        self.trace.watch(self.number, frame)
        kind = frame["type"]
        if kind == "update" and frame["generation"]:
            self.epoch = frame["epoch"]
            self.at(frame["generation"], frame["seq"])
        elif kind in ("delta", "end"):
            self.at(frame["generation"], frame["seq"])
            if kind == "end":
                self.ended(frame)
        elif kind == "reset":
            self.n_resets += 1
            self.generation = None


class EventFollower(Follower):
    """A reader of server-sent events. It needs to be told where it begins; then it is wherever its last id says."""

    async def connect(self, session):
        headers = {"Last-Event-ID": f"{self.generation}.{self.epoch}.{self.seq}", "Accept": "text/event-stream"}
        async with session.get(self.url(self.target()), headers=headers) as answer:
            if answer.status != 200:
                raise AssertionError(f"{answer.status} {await answer.text()}")
            self.opened()
            await self.read(answer)

    async def read(self, answer):
        """Events by the letter of the standard: an event counts only once its empty line is there."""
        event = {}
        while not self.is_done:
            async with asyncio.timeout(SILENCE_S):
                line = await answer.content.readline()
            if not line.endswith(b"\n"):
                return
            self.n_bytes += len(line)
            line = line.decode().rstrip("\n")
            if line == "":
                if event:
                    self.take(event)
                event = {}
            elif line.startswith(":"):
                self.trace.add(self.number, "other", type="comment")
            else:
                name, _, value = line.partition(": ")
                event[name] = value

    @staticmethod
    def place(event):
        generation, _, seq = event["id"].split(".")
        return generation, int(seq)


class SseFollower(EventFollower):
    """[W15]: its id also stands at `data: [DONE]`, which is the end."""

    protocol = "sse"

    def target(self):
        return "/api/chat/stream"

    def take(self, event):
        generation, seq = self.place(event)
        if event["data"] == "[DONE]":
            self.trace.add(self.number, "end", generation, seq)
            self.n_ends = self.until_end
        elif event.get("event") != "error":
            self.trace.add(self.number, "tokens", generation, seq, 1, json.loads(event["data"])["token"])
            self.at(generation, seq)


class RestEventsFollower(EventFollower):
    """GET /api/generations/{id}/events, live."""

    protocol = "events"

    def target(self):
        return f"/api/generations/{self.generation}/events?after={self.seq}"

    def take(self, event):
        if event.get("event") == "phase":
            self.trace.add(self.number, "other", type="phase")
            return
        generation, seq = self.place(event)
        data = json.loads(event["data"])
        if data["type"] == "token":
            self.trace.add(self.number, "tokens", generation, seq, 1, data["text"])
        elif data["type"] == "start":
            self.trace.add(self.number, "start", generation, seq, continues=data.get("continues"))
        else:
            self.trace.end(self.number, {**data, "generation": generation, "seq": seq})
            self.ended(data)
        self.at(generation, seq)


def follow_all(followers, seconds=120):
    """Runs them side by side until all are done."""

    async def run():
        return await asyncio.wait_for(asyncio.gather(*(follower.run() for follower in followers)), seconds)

    return asyncio.run(run())
