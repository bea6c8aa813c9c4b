"""Bytes to the server's port and back, for requests that no HTTP client would send."""

import socket
import ssl
import struct


class Raw:
    """One connection, with TLS where the server speaks it."""

    def __init__(self, server, seconds=30, receive_buffer=None):
        self.server = server
        self.socket = socket.socket()
        if receive_buffer:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        self.socket.settimeout(seconds)
        self.socket.connect(("127.0.0.1", server.port))
        if server.certificate:
            self.socket = server.context().wrap_socket(self.socket, server_hostname="localhost", suppress_ragged_eofs=True)
        self.got = b""

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()

    def send(self, data):
        """False: the server has closed."""
        try:
            self.socket.sendall(data)
            return True
        except (BrokenPipeError, ConnectionResetError, ssl.SSLEOFError):
            return False

    def read(self):
        try:
            piece = self.socket.recv(65536)
        except ConnectionResetError:
            piece = b""
        self.got += piece
        return piece

    def read_all(self):
        """Until the server closes."""
        while self.read():
            pass
        return self.got

    def read_until(self, wanted):
        while wanted not in self.got:
            assert self.read(), f"closed without {wanted!r}: {self.got[-300:]!r}"
        return self.got

    def is_closed(self, seconds=30):
        self.socket.settimeout(seconds)
        try:
            while self.read():
                pass
            return True
        except TimeoutError:
            return False


def split_responses(data):
    """[(status, fields, body)…] of a stream of responses, each with its Content-Length. Anything else fails."""
    responses = []
    while data:
        head, separator, data = data.partition(b"\r\n\r\n")
        assert separator, f"no whole head: {head[:200]!r}"
        line, *fields = head.decode("latin-1").split("\r\n")
        version, status, _ = line.split(" ", 2)
        assert version == "HTTP/1.1", line
        fields = {name.lower(): value.strip() for name, _, value in (field.partition(":") for field in fields)}
        if status == "100":
            continue
        length = int(fields["content-length"])
        assert len(data) >= length, "a body that is cut"
        responses.append((int(status), fields, data[:length]))
        data = data[length:]
    return responses


def frame(opcode, payload=b"", fin=True, rsv=0, masked=True, length=None):
    """One frame of a client; `length` lies about the payload's."""
    size = len(payload) if length is None else length
    head = bytes([(0x80 if fin else 0) | rsv << 4 | opcode])
    mask_bit = 0x80 if masked else 0
    if size < 126:
        head += bytes([mask_bit | size])
    elif size < 65536:
        head += bytes([mask_bit | 126]) + struct.pack(">H", size)
    else:
        head += bytes([mask_bit | 127]) + struct.pack(">Q", size)
    return head + (b"\0\0\0\0" if masked else b"") + payload


OPENING = (
    "GET {path} HTTP/1.1\r\nHost: localhost:{port}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n{more}\r\n"
)


class RawSocket(Raw):
    """A WebSocket whose frames are made by hand."""

    def __init__(self, server, path="/ws", more="", **options):
        super().__init__(server, **options)
        self.send(OPENING.format(path=path, port=server.port, more=more).encode())
        self.read_until(b"\r\n\r\n")
        self.head, _, self.got = self.got.partition(b"\r\n\r\n")
        assert self.head.startswith(b"HTTP/1.1 101 "), self.head

    def next_frame(self):
        """(opcode, payload), or None when the socket ended."""
        while True:
            parsed = self.take_frame()
            if parsed or not self.read():
                return parsed

    def take_frame(self):
        data = self.got
        if len(data) < 2:
            return None
        size, at = data[1] & 0x7F, 2
        if size >= 126:
            wide = 2 if size == 126 else 8
            if len(data) < 2 + wide:
                return None
            size, at = int.from_bytes(data[2 : 2 + wide], "big"), 2 + wide
        if len(data) < at + size:
            return None
        self.got = data[at + size :]
        return data[0] & 0x0F, data[at : at + size]

    def close_code(self):
        """The code of the server's close frame; None: it closed without one."""
        while True:
            parsed = self.next_frame()
            if parsed is None:
                return None
            if parsed[0] == 8:
                return int.from_bytes(parsed[1][:2], "big") if len(parsed[1]) >= 2 else 1005
