"""Starting what is measured: Runnel, and a llama-server to compare with."""
import os
import pathlib
import signal
import socket
import subprocess
import tempfile
import time
import urllib.request

ROOT = pathlib.Path(__file__).resolve().parent.parent
BUILD = pathlib.Path(os.environ.get("RUNNEL_BUILD", ROOT / "build" / "release"))


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def rss_mb(pid):
    for line in pathlib.Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS"):
            return int(line.split()[1]) / 1024
    return float("nan")


class Server:
    """A process that answers on `base`; `started_s` is how long it took until it listened."""

    def __init__(self, command, base, is_ready, log=None, env=None):
        self.base, self.log = base, log
        begin = time.perf_counter()
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log or subprocess.DEVNULL, env=env)
        is_ready(self)
        self.started_s = time.perf_counter() - begin

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(20)


def runnel(model, threads, log_level="warn", log=None, engine="llama", data=None):
    data = data or tempfile.mkdtemp(prefix="runnel-bench-")
    port = free_port()
    command = [BUILD / "runnel", "--no-open", "--data", data, "--models", data, "--port", str(port), "--model", str(model),
               "--threads", str(threads), "--log", log_level, "--engine", engine]

    def is_ready(server):
        line = server.process.stdout.readline().decode()
        if not line.startswith("ready "):
            raise SystemExit(f"runnel did not start: {line!r}")

    return Server(command, f"http://127.0.0.1:{port}", is_ready, log)


def llama_server(program, model, threads):
    port = free_port()
    command = [program, "-m", str(model), "-t", str(threads), "-np", "4", "-c", "32768", "--port", str(port), "--host", "127.0.0.1"]
    env = dict(os.environ, LD_LIBRARY_PATH=str(pathlib.Path(program).parent))

    def is_ready(server):
        for _ in range(600):
            try:
                urllib.request.urlopen(server.base + "/health", timeout=1).read()
                return
            except OSError:
                time.sleep(0.1)
        raise SystemExit("llama-server did not start")

    return Server(command, f"http://127.0.0.1:{port}", is_ready, env=env)
