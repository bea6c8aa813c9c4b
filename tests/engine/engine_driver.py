"""Talks to an engine program over a socketpair, as the server does (docs/engine-protocol.md)."""

import json
import os
import select
import socket
import subprocess
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
BUILD = Path(os.environ.get("RUNNEL_BUILD", ROOT / "build" / "release"))
MODEL_NAME = "SmolLM2-135M-Instruct-Q4_1.gguf"

# Waiting ends with the event, not with the time: this is only when to call it lost, on a loaded machine too.
TIMEOUT_S = 120

# Two compute threads that wait for each other crawl when the tests and other programs need the cores too.
THREADS = 1


def program(engine):
    return BUILD / f"runnel-engine-{engine}"


def model_path():
    if os.environ.get("RUNNEL_MODELS"):
        return Path(os.environ["RUNNEL_MODELS"]) / MODEL_NAME
    data = os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share"
    return Path(data) / "runnel" / "models" / MODEL_NAME


class Engine:
    def __init__(self, engine, *arguments):
        self.socket, theirs = socket.socketpair()
        self.log = tempfile.TemporaryFile()
        self.process = subprocess.Popen([program(engine), *arguments], stdin=theirs, stdout=theirs, stderr=self.log)
        theirs.close()
        self.buffer = b""
        self.events = []  # everything that was ever received

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.log.close()

    def send(self, *commands):
        self.socket.sendall(b"".join(json.dumps(command).encode() + b"\n" for command in commands))

    def send_raw(self, data):
        self.socket.sendall(data)

    def read_line(self, timeout_s=TIMEOUT_S):
        """The next line; None at the end of the stream."""
        deadline = time.monotonic() + timeout_s
        while b"\n" not in self.buffer:
            left = deadline - time.monotonic()
            if left <= 0 or not select.select([self.socket], [], [], left)[0]:
                raise TimeoutError(f"no line within {timeout_s} s; log:\n{self.read_log()[-2000:]}")
            try:
                data = self.socket.recv(1 << 20)
            except ConnectionResetError:
                data = b""
            if not data:
                return None
            self.buffer += data
        line, self.buffer = self.buffer.split(b"\n", 1)
        return line

    def read(self, timeout_s=TIMEOUT_S):
        line = self.read_line(timeout_s)
        if line is None:
            return None
        event = json.loads(line)
        self.events.append(event)
        return event

    def until(self, wanted):
        """Reads on until an event is as wanted; returns it. None: the engine is gone."""
        while True:
            event = self.read()
            if event is None or wanted(event):
                return event

    def until_ev(self, name, **fields):
        return self.until(lambda event: event["ev"] == name and fields.items() <= event.items())

    def load(self, model, **options):
        options.setdefault("threads", THREADS)
        self.send({"op": "load", "model": str(model), "options": options})
        event = self.until(lambda event: event["ev"] in ("ready", "failed"))
        assert event and event["ev"] == "ready", event
        return event

    def end_of(self, *ids):
        """Reads on until all of them have ended; returns their ends, in the order of the ids."""
        missing = {id for id in ids if not self.ends(id)}
        while missing:
            event = self.read()
            assert event is not None, f"the engine is gone, without the end of {missing}:\n{self.read_log()[-2000:]}"
            if event["ev"] == "end":
                missing.discard(event["id"])
        ends = [self.ends(id)[0] for id in ids]
        return ends[0] if len(ends) == 1 else ends

    def ends(self, id):
        return [event for event in self.events if event["ev"] == "end" and event["id"] == id]

    def items(self, id):
        steps = [event for event in self.events if event["ev"] == "step"]
        return [item for step in steps for item in step["out"] if item["id"] == id]

    def text(self, id):
        return "".join(item["text"] for item in self.items(id))

    def tokens(self, id):
        return [item["tok"] for item in self.items(id) if item["tok"] >= 0]

    def prefills(self, id):
        return [event for event in self.events if event["ev"] == "prefill" and event["id"] == id]

    def wait_exit(self):
        return self.process.wait(TIMEOUT_S)

    def read_log(self):
        self.log.seek(0)
        return self.log.read().decode(errors="replace")

    def cpu_seconds(self):
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def generate(id, content="Hi", **fields):
    """A generate command; `content` is the user's message, or the whole list of messages."""
    messages = [{"role": "user", "content": content}] if isinstance(content, str) else content
    return {"op": "generate", "id": id, "messages": messages, **fields}


def script(**fields):
    """A model path for the fake engine."""
    return "fake:" + json.dumps(fields)


def check_order(events, id):
    """[E9] [E10]: prefill before step, done rises to total, one end, nothing after it."""
    mine = [
        event
        for event in events
        if event.get("id") == id or any(item["id"] == id for item in event.get("out", []))
    ]
    kinds = [event["ev"] for event in mine]
    assert kinds.count("end") == 1 and kinds[-1] == "end", kinds
    prefills = [event for event in mine if event["ev"] == "prefill"]
    if "step" in kinds and any(item["tok"] >= 0 for event in mine for item in event.get("out", [])):
        assert kinds.index("prefill") < kinds.index("step")
        before_step = [event for event in mine[: kinds.index("step")] if event["ev"] == "prefill"]
        assert before_step[-1]["done"] == before_step[-1]["total"]
    dones = [event["done"] for event in prefills]
    assert dones == sorted(dones)
    assert all(event["cached"] <= event["done"] <= event["total"] for event in prefills)
