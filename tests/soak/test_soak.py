"""F37: everything at once, by chance, for as long as one likes. Readers that are cut off, people who send and cancel, engines and servers
that die. In the end one story, and nothing that grew.

    python -m pytest tests/soak --long --minutes 30 --seed 7
"""

import asyncio
import os
import random
import signal
import time
import uuid

import aiohttp

from harness import proof
from harness.followers import LOST, NativeFollower, WatchFollower
from harness.proxy import Plan
from harness.trace import Trace
from harness.wait import wait_until

N_CONVERSATIONS = 6
N_READERS = 18
N_SENDERS = 4
LINES = [f" {number}" + "é🌊\n"[: number % 4] for number in range(60)]


class Soak:
    def __init__(self, server, proxy, seed):
        self.server, self.seed = server, seed
        self.chance = random.Random(seed)
        self.trace = Trace()
        self.names = []
        self.is_over = False
        self.is_rough = True
        self.counts = dict.fromkeys(("sends", "cancels", "server killed", "server stopped", "engine killed", "stalls"), 0)
        self.way = proxy(server, self.plan)

    def plan(self, number):
        """Most connections live for a while; then the line breaks."""
        chance = self.chance.random()
        if chance < 0.3:
            return None
        how = self.chance.choice(["fin", "rst"])
        return Plan(cut_after=self.chance.randint(300, 60_000), how=how, bytes_per_s=20_000 if chance > 0.9 else None)

    async def pause(self, least, most):
        await asyncio.sleep(self.chance.uniform(least, most))

    # ---- People ----

    async def speak(self, session, conversation=None):
        """One send, said again until it is acknowledged; the name of the conversation."""
        identity, text = uuid.uuid4().hex, f"Say {self.chance.random()}"
        frame = {"type": "send", "client_msg_id": identity, "text": text}
        self.trace.sent(identity, text)
        while True:
            try:
                async with asyncio.timeout(10):
                    ack = await self.try_send(session, {**frame, **({"conversation": conversation} if conversation else {})})
            except LOST:
                ack = None
            if ack:
                self.counts["sends"] += 1
                return ack["conversation"]
            await self.pause(0.01, 0.1)

    async def try_send(self, session, frame):
        url = f"http://127.0.0.1:{self.way.port}/ws"
        async with session.ws_connect(url, max_msg_size=0) as socket:
            number = self.trace.open("sender", "socket")
            await socket.send_json({"type": "hello", "protocol": 1})
            await socket.send_json(frame)
            async for message in socket:
                if message.type != aiohttp.WSMsgType.TEXT:
                    return None
                said = message.json()
                if said["type"] == "ack":
                    self.trace.native(number, said)
                    return said
                if said["type"] == "error":
                    assert said["code"] in ("busy", "queue_full") or "stopping" in said["text"], said
                    return None

    async def sender(self):
        async with self.session() as session:
            while not self.is_over:
                await self.speak(session, self.chance.choice(self.names))
                await self.pause(0, 0.3)

    async def canceller(self):
        async with self.session() as session:
            while not self.is_over:
                await self.pause(0.1, 0.8)
                try:
                    body = {"conversation_id": self.chance.choice(self.names)}
                    async with session.post(f"http://127.0.0.1:{self.way.port}/api/chat/cancel", json=body) as answer:
                        self.counts["cancels"] += answer.status == 200
                except LOST:
                    pass

    def session(self):
        headers = {"Host": f"127.0.0.1:{self.server.port}"}
        return aiohttp.ClientSession(headers=headers, timeout=aiohttp.ClientTimeout(total=30))

    # ---- Bad luck ----

    async def misfortune(self):
        while self.is_rough:
            await self.pause(0.5, 2)
            kind = self.chance.choice(["server killed", "server stopped", "engine killed", "engine killed", "stalls"])
            self.counts[kind] += 1
            await asyncio.get_running_loop().run_in_executor(None, self.befall, kind)

    def befall(self, kind):
        if kind == "engine killed":
            self.kill_engine()
        elif kind == "stalls":
            self.way.stall()
            time.sleep(self.chance.uniform(0.1, 1))
            self.way.go_on()
        else:
            self.server.kill() if kind == "server killed" else self.server.stop()
            self.server.start()

    def kill_engine(self):
        try:
            os.kill(self.server.engine_pid(), self.chance.choice([signal.SIGSEGV, signal.SIGKILL, signal.SIGSTOP]))
        except (TypeError, ProcessLookupError):
            pass  # there is none just now

    async def calm(self, seconds):
        """The same people without bad luck: what the server holds must not grow."""
        await asyncio.sleep(seconds / 4)
        before = self.server.memory_kb()
        await asyncio.sleep(3 * seconds / 4)
        self.growth_kb = self.server.memory_kb() - before

    # ---- The whole ----

    async def run(self, seconds):
        async with self.session() as session:
            self.names = [await self.speak(session) for _ in range(N_CONVERSATIONS)]
        kinds = (NativeFollower, WatchFollower)
        named = {"port": self.way.port, "seed": self.seed, "until_end": float("inf")}
        readers = [
            asyncio.create_task(
                kinds[number % 2](self.trace, f"reader {number}", self.server.port, self.names[number % N_CONVERSATIONS], **named).run()
            )
            for number in range(N_READERS)
        ]
        people = [asyncio.create_task(self.sender()) for _ in range(N_SENDERS)] + [asyncio.create_task(self.canceller())]
        luck = asyncio.create_task(self.misfortune())
        await self.watch_over(seconds, [*readers, *people, luck])
        self.is_rough = False
        await self.within(60, luck)
        await self.watch_over(0, [*readers, *people])
        await self.calm(seconds / 2)
        self.is_over = True
        await self.within(60, *people)
        for reader in readers:
            reader.cancel()
        await asyncio.gather(*readers, return_exceptions=True)

    async def within(self, seconds, *tasks):
        """Waits for tasks that must come to an end now."""
        done, late = await asyncio.wait(tasks, timeout=seconds)
        assert not late, [(task, task.get_stack()) for task in late]
        for task in done:
            task.result()

    async def watch_over(self, seconds, tasks):
        """A task that failed says so now, not in half an hour."""
        done, _ = await asyncio.wait(tasks, timeout=seconds, return_when=asyncio.FIRST_EXCEPTION)
        for task in done:
            task.result()


def wait_until_quiet(server, seconds=60):
    until = time.monotonic() + seconds
    while any(row["running"] for row in server.get("/api/conversations").json()["conversations"]):
        assert time.monotonic() < until, "an answer does not end"
        time.sleep(0.1)


def test_f37_soak(serve, script, proxy, seed, is_long, request, tmp_path):
    seconds = 60 * request.config.getoption("--minutes") if is_long else 12
    tale = script(tokens=LINES, token_ms=3, slots=3, context_size=1_000_000)
    server = serve(tale, flags=["--engine-hang-ms", "2000"])
    server.expects_crash = True
    soak = Soak(server, proxy, seed)
    asyncio.run(soak.run(2 * seconds / 3))
    wait_until_quiet(server)
    print(f"seed {seed}: {soak.counts}, {len(soak.trace.connections)} connections, {len(soak.trace.records)} records, +{soak.growth_kb} kB")
    assert all(soak.counts[kind] for kind in ("sends", "cancels")) and sum(soak.counts.values()) > seconds
    wait_until(lambda: server.n_descriptors() < 40)
    assert soak.growth_kb < (400_000 if server.is_sanitized else 20_000 + 100 * seconds)
    server.stop()
    try:
        proof.prove(server.data, soak.trace, all_ended=True)
    except proof.Broken:
        soak.trace.save(tmp_path / "trace.jsonl")
        raise
