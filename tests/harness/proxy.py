"""A TCP proxy in front of a server that does to connections what networks do.

It runs in a thread of its own. `Proxy(port, plan)`: for each connection `plan(number)` returns a Plan, or None for one that nothing happens to.
`tls`: the context with which it speaks TLS to the server, for clients that do not. `stall` and `go_on`, `cut_all` act on all connections
that are open. The server checks `Host`, so clients name its port and connect to the proxy's.
"""

import asyncio
import dataclasses
import itertools
import socket
import struct
import threading

PIECE_BYTES = 65536


@dataclasses.dataclass
class Plan:
    """`cut_after`: the connection ends after so many bytes from the server, by `how`: fin, rst, or hole (nothing is forwarded any more, in
    either direction, and nobody is told). `bytes_per_s`: no more than that. `swallow`: nothing from the server arrives, and the
    connection is cut once `cut_after` bytes were thrown away. `hold_bytes`: forwarded only when so many are together, or at the end.
    `cut_up_after`: the same as cut_after for bytes from the client."""

    cut_after: int | None = None
    cut_up_after: int | None = None
    how: str = "fin"
    bytes_per_s: int | None = None
    swallow: bool = False
    hold_bytes: int = 0
    receive_buffer: int | None = None


class Cut(Exception):
    pass


class Link:
    """One connection: a client's socket and the server's."""

    def __init__(self, proxy, number, plan, client):
        self.proxy, self.number, self.plan, self.client = proxy, number, plan, client
        self.server = None
        self.n_down = self.n_up = 0
        self.is_hole = False

    async def run(self):
        reader, writer = self.client
        try:
            upstream = socket.socket()
            upstream.setblocking(False)
            if self.plan.receive_buffer:
                upstream.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, self.plan.receive_buffer)
            await asyncio.get_running_loop().sock_connect(upstream, ("127.0.0.1", self.proxy.server_port))
            limit = self.plan.receive_buffer or 2 * PIECE_BYTES
            secured = {"ssl": self.proxy.tls, "server_hostname": "localhost"} if self.proxy.tls else {}
            self.server = await asyncio.open_connection(sock=upstream, limit=limit, **secured)
            await asyncio.gather(self.up(reader, self.server[1]), self.down(self.server[0], writer))
        except (Cut, OSError):
            pass
        finally:
            if not self.is_hole:
                self.cut(self.plan.how)

    async def up(self, reader, writer):
        while piece := await reader.read(PIECE_BYTES):
            await self.proxy.running.wait()
            self.n_up += len(piece)
            if self.plan.cut_up_after is not None and self.n_up >= self.plan.cut_up_after:
                writer.write(piece[: len(piece) - (self.n_up - self.plan.cut_up_after)])
                await writer.drain()
                await self.end()
            writer.write(piece)
            await writer.drain()
        if writer.can_write_eof():
            writer.write_eof()
        else:
            writer.close()

    async def down(self, reader, writer):
        held = b""
        while piece := await reader.read(min(PIECE_BYTES, self.plan.bytes_per_s or PIECE_BYTES)):
            await self.proxy.running.wait()
            if self.plan.bytes_per_s:
                await asyncio.sleep(len(piece) / self.plan.bytes_per_s)
            limit = self.plan.cut_after
            is_over = limit is not None and self.n_down + len(piece) >= limit
            held += piece if limit is None else piece[: limit - self.n_down]
            self.n_down += len(piece)
            if is_over or len(held) >= self.plan.hold_bytes:
                await self.forward(writer, held)
                held = b""
            if is_over:
                await self.end()
        await self.forward(writer, held)
        writer.write_eof()

    async def forward(self, writer, piece):
        if not self.plan.swallow:
            writer.write(piece)
            await writer.drain()

    async def end(self):
        self.proxy.n_cuts += 1
        if self.plan.how == "hole":
            self.is_hole = True
            await asyncio.Event().wait()
        raise Cut

    def cut(self, how):
        for side in (self.client, self.server):
            if side is None:
                continue
            writer = side[1]
            if how == "rst":
                raw = writer.get_extra_info("socket")
                if raw is not None and raw.fileno() >= 0:
                    raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                writer.transport.abort()
            else:
                writer.close()


class Proxy:
    def __init__(self, server_port, plan=None, tls=None):
        self.server_port = server_port
        self.tls = tls
        self.plan = plan or (lambda number: None)
        self.n_cuts = 0
        self.links = {}
        self.numbers = itertools.count(1)
        self.loop = asyncio.new_event_loop()
        self.thread = threading.Thread(target=self.loop.run_forever, daemon=True)
        self.thread.start()
        self.port = self.call(self.listen())

    def call(self, work):
        return asyncio.run_coroutine_threadsafe(work, self.loop).result(30)

    async def listen(self):
        self.running = asyncio.Event()
        self.running.set()
        self.listener = await asyncio.start_server(self.accept, "127.0.0.1", 0, backlog=1024)
        return self.listener.sockets[0].getsockname()[1]

    async def accept(self, reader, writer):
        number = next(self.numbers)
        link = self.links[number] = Link(self, number, self.plan(number) or Plan(), (reader, writer))
        try:
            await link.run()
        except asyncio.CancelledError:
            link.cut("rst")
        finally:
            self.links.pop(number, None)

    def do(self, action):
        """Runs a plain function in the proxy's thread."""

        async def run():
            return action()

        return self.call(run())

    def stall(self):
        """Nothing is forwarded until go_on; the sockets stay open."""
        self.do(self.running.clear)

    def go_on(self):
        self.do(self.running.set)

    def mute(self):
        """From now on nothing from the server arrives on the connections that are open."""
        self.do(lambda: [setattr(link.plan, "swallow", True) for link in self.links.values()])

    def cut_all(self, how="rst"):
        self.do(lambda: [link.cut(how) for link in list(self.links.values())])

    def close(self):
        async def end():
            self.listener.close()
            others = asyncio.all_tasks() - {asyncio.current_task()}
            for task in others:
                task.cancel()
            await asyncio.gather(*others, return_exceptions=True)

        self.call(end())
        self.loop.call_soon_threadsafe(self.loop.stop)
        self.thread.join(10)
        self.loop.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()
