"""A server of files by HTTP that misbehaves on purpose, on a port of this machine."""

import hashlib
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

PIECE = 1 << 14
MORE = {"short": 1000, "huge": 1 << 39}  # bytes that are announced and never come


class FileServer:
    """`body` is the file. What it does with each request in turn is in `plan`, the last of it for all that follow:
    "send", "ignore range", "no length", "cut" (after `cut_after` bytes), "short" and "huge" (say more than they send), "endless", "hold" (until `let_go`),
    "moved URL", or a status. `asked` has the headers of every request."""

    def __init__(self, body, plan=("send",), etag='"one"', cut_after=None, headers=None):
        self.body = body
        self.plan = list(plan)
        self.etag = etag
        self.cut_after = len(body) // 2 if cut_after is None else cut_after
        self.headers = dict(headers or {})
        self.asked = []
        self.paths = []
        self.held = threading.Event()
        self.let_go = threading.Event()
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self):
                outer.asked.append({name.lower(): value for name, value in self.headers.items()})
                outer.paths.append(self.path)
                step = outer.plan.pop(0) if len(outer.plan) > 1 else outer.plan[0]
                try:
                    outer.answer(self, step)
                except (BrokenPipeError, ConnectionResetError):
                    pass
                self.close_connection = True

            def log_message(self, *_):
                pass

        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.http.daemon_threads = True
        threading.Thread(target=self.http.serve_forever, args=(0.05,), daemon=True).start()

    def close(self):
        self.let_go.set()
        self.http.shutdown()
        self.http.server_close()

    @property
    def url(self):
        return f"http://127.0.0.1:{self.http.server_address[1]}"

    @property
    def sha256(self):
        return hashlib.sha256(self.body).hexdigest()

    def ranges(self):
        return [headers.get("range") for headers in self.asked]

    def first_byte(self, request):
        """Where the answer begins: as RFC 9110 section 13.1.5 has it."""
        wanted = request.headers.get("Range", "")
        if not wanted.startswith("bytes=") or request.headers.get("If-Range", self.etag) != self.etag:
            return 0
        return int(wanted.removeprefix("bytes=").split("-")[0])

    def answer(self, request, step):
        if isinstance(step, int):
            request.send_response(step)
            request.send_header("Content-Length", "4")
            request.end_headers()
            request.wfile.write(b"none")
            return
        if step.startswith("moved "):
            request.send_response(302)
            for name, value in self.headers.items():
                request.send_header(name, value)
            request.send_header("Location", step.removeprefix("moved "))
            request.send_header("Content-Length", "0")
            request.end_headers()
            return
        first = 0 if step == "ignore range" else self.first_byte(request)
        self.send(request, step, first)

    def send(self, request, step, first):
        rest = self.body[first:]
        request.send_response(206 if first else 200)
        if self.etag:
            request.send_header("ETag", self.etag)
        if first:
            request.send_header("Content-Range", f"bytes {first}-{len(self.body) - 1}/{len(self.body)}")
        if step not in ("no length", "endless"):
            request.send_header("Content-Length", str(len(rest) + MORE.get(step, 0)))
        request.send_header("Connection", "close")
        request.end_headers()
        if step == "cut":
            rest = rest[: self.cut_after]
        while step == "endless":
            request.wfile.write(self.body)
        for at in range(0, len(rest), PIECE):
            if step == "hold" and at >= self.cut_after - first:
                request.wfile.flush()
                self.held.set()
                self.let_go.wait(60)
                self.let_go.clear()
                step = "send"
            request.wfile.write(rest[at : at + PIECE])
