"""Clients of the WebSockets: the native protocol, and the two of the original one.

Each keeps every frame it got. Waiting is for a frame, with a generous limit; nothing sleeps. `port`: of a proxy in front of the server;
`trace`: what is seen is written down there, one connection of the trace per conversation that is watched.
"""

import json
import socket
import ssl
import time
import uuid

from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

WAIT_S = 30


class Closed(AssertionError):
    """The server closed the socket while a frame was expected."""


def client_context(server):
    """This library reads in a thread and writes in another, which is safe only while nothing comes after the handshake: a ticket of TLS 1.3
    that is read while the first request is written swallows it."""
    context = server.context()
    if context:
        context.maximum_version = ssl.TLSVersion.TLSv1_2
    return context


class Socket:
    def __init__(self, server, path, port=None, trace=None, name="", **arguments):
        url = f"{'wss' if server.certificate else 'ws'}://127.0.0.1:{server.port}{path}"
        self.trace, self.name = trace, name or type(self).__name__
        self.traced = {}
        self.socket_record = trace and trace.open(self.name, "socket")
        options = {"compression": None, "proxy": None, "max_size": None, "max_queue": None, "ping_interval": None}
        options["ssl"] = client_context(server)
        if port:
            arguments["sock"] = socket.create_connection(("127.0.0.1", port))
        self.connection = connect(url, legacy=True, **{**options, **arguments})
        self.frames = []

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        self.connection.close()

    def drop(self):
        """Goes without a word."""
        self.connection.close_socket()

    def send_text(self, text):
        self.connection.send(text)

    def send(self, **frame):
        self.send_text(json.dumps(frame))

    def recv(self, seconds=WAIT_S):
        try:
            message = self.connection.recv(timeout=seconds)
        except ConnectionClosed as closed:
            code = closed.rcvd.code if closed.rcvd else None
            raise Closed(f"closed with {code} after {self.frames[-3:]}") from None
        except TimeoutError:
            raise AssertionError(f"no frame in {seconds} s after {self.frames[-3:]}") from None
        assert isinstance(message, str), "a binary frame"
        frame = json.loads(message)
        assert isinstance(frame, dict) and isinstance(frame.get("type"), str), frame
        self.frames.append(frame)
        if self.trace:
            self.trace.add(self.socket_record, "other", type=frame["type"])
            self.record(frame)
        return frame

    def record(self, frame):
        pass

    def until(self, *types, seconds=WAIT_S, **fields):
        """The next frame of one of these types with these fields; others are kept in `frames`."""
        limit = time.monotonic() + seconds
        while True:
            frame = self.recv(max(0.01, limit - time.monotonic()))
            if frame["type"] in types and all(frame.get(key) == value for key, value in fields.items()):
                return frame

    def close_code(self, seconds=WAIT_S):
        """Reads until the server closes the socket."""
        limit = time.monotonic() + seconds
        try:
            while True:
                self.frames.append(json.loads(self.connection.recv(timeout=max(0.01, limit - time.monotonic()))))
        except ConnectionClosed as closed:
            return closed.rcvd.code if closed.rcvd else None

    def of_type(self, *types):
        return [frame for frame in self.frames if frame["type"] in types]


class Native(Socket):
    """GET /ws, after hello."""

    def __init__(self, server, hello=True, token=None, **arguments):
        super().__init__(server, "/ws", **arguments)
        if hello:
            self.send(type="hello", protocol=1, **({"token": token} if token else {}))
            self.epoch = self.until("hello")["epoch"]

    def record(self, frame):
        conversation = frame.get("conversation")
        if frame["type"] not in ("snapshot", "start", "tokens", "end", "ack") or conversation is None:
            return
        if conversation not in self.traced:
            self.traced[conversation] = self.trace.open(self.name, is_part=True)
        self.trace.native(self.traced[conversation], frame)

    def watch(self, conversation, cursor=None):
        if self.trace:
            place = (cursor["generation"], cursor["after_seq"]) if cursor else None
            self.traced[conversation] = self.trace.open(self.name, cursor=place, is_part=True)
        self.send(type="watch", conversation=conversation, **({"cursor": cursor} if cursor else {}))

    def begin(self, text, conversation=None, client_msg_id=None, **fields):
        """Sends a message and returns its ack."""
        client_msg_id = client_msg_id or uuid.uuid4().hex
        if conversation:
            fields["conversation"] = conversation
        if self.trace:
            self.trace.sent(client_msg_id, text)
        self.send(type="send", client_msg_id=client_msg_id, text=text, **fields)
        frame = self.until("ack", "error")
        assert frame["type"] == "ack", frame
        assert frame["client_msg_id"] == client_msg_id
        return frame

    def until_text(self, n_bytes, generation=None):
        """Reads until so much text of a generation came with `tokens`; returns it."""
        text = ""
        while len(text.encode()) < n_bytes:
            frame = self.until("tokens")
            if generation in (None, frame["generation"]):
                text += frame["text"]
        return text

    def until_seq(self, seq):
        """Reads until the event `seq` is here."""
        while True:
            frame = self.until("start", "tokens", "end")
            if frame["seq"] + frame.get("n", 1) - 1 >= seq:
                return frame


class Chat(Socket):
    """GET /ws/chat/stream [W12]."""

    def __init__(self, server, **arguments):
        super().__init__(server, "/ws/chat/stream", **arguments)

    def ask(self, message, conversation_id=None):
        self.send(message=message, **({"conversation_id": conversation_id} if conversation_id else {}))

    def answer(self):
        """The token frames and the last frame of one answer."""
        tokens = []
        while True:
            frame = self.until("token", "done", "error")
            if frame["type"] != "token":
                return tokens, frame
            tokens.append(frame)


class Watch(Socket):
    """GET /ws/conversation/watch/{id} [W13]."""

    def __init__(self, server, conversation, query="", **arguments):
        super().__init__(server, f"/ws/conversation/watch/{conversation}{query}", **arguments)
        if self.trace:
            self.traced = self.trace.open(self.name, "watch", is_part=True)

    def record(self, frame):
        self.trace.watch(self.traced, frame)
