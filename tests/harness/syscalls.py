"""What a system call of one thread of the server answers: strace, attached to that thread alone."""

import contextlib
import select
import subprocess
import time
from pathlib import Path

# For `what`: a call does not return before the block ends.
HOLD = "delay_enter=600000000"


def thread_id(server, name):
    """Threads of the server: `store` writes the database, `store-sync` waits for the disk. Each takes its name when it first runs, which may
    be after the server has answered."""
    until = time.monotonic() + 30
    while time.monotonic() < until:
        for task in Path(f"/proc/{server.process.pid}/task").iterdir():
            if (task / "comm").read_text().strip() == name:
                return int(task.name)
        time.sleep(0.01)
    raise AssertionError(f"there is no thread {name}")


@contextlib.contextmanager
def inject(server, thread, calls, what):
    """`calls` is a list by ',', `what` as strace takes it behind it: `error=EIO:when=2`. Until the block ends."""
    tid = str(thread_id(server, thread))
    command = ["strace", "-o", "/dev/null", "-p", tid, "-e", f"trace={calls}", "-e", f"inject={calls}:{what}"]
    tracer = subprocess.Popen(command, stderr=subprocess.PIPE, stdin=subprocess.DEVNULL)
    try:
        assert select.select([tracer.stderr], [], [], 30)[0], "strace says nothing"
        line = tracer.stderr.readline().decode()
        assert "attached" in line, line
        yield
    finally:
        tracer.terminate()
        tracer.communicate(timeout=30)
