"""Starting what is measured: Runnel, a llama-server to compare with, and libllama alone."""
import json
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import urllib.request

ROOT = pathlib.Path(__file__).resolve().parent.parent
BUILD = pathlib.Path(os.environ.get("RUNNEL_BUILD", ROOT / "build" / "release"))
CONTEXT_TOKENS = 32768


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def rss_mb(pid):
    for line in pathlib.Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS"):
            return int(line.split()[1]) / 1024
    return float("nan")


def read_threads(pid, name):
    """That file of each thread of a process."""
    for path in pathlib.Path(f"/proc/{pid}/task").glob(f"*/{name}"):
        try:
            yield path.read_text()
        except OSError:
            pass  # a thread that has just ended


def cpu_s(pid):
    """Processor time of all threads of a process."""
    return sum(int(text.split()[0]) for text in read_threads(pid, "schedstat")) / 1e9


def is_running(pid):
    """Does a thread of it compute, or wait for a core?"""
    return any(text.rpartition(")")[2].split()[0] == "R" for text in read_threads(pid, "stat"))


class Server:
    """A process that answers on `base`; `started_s` is how long it took until it listened. `folder` is its own, and goes with it."""

    def __init__(self, command, base, is_ready, log=None, env=None, folder=None):
        self.base, self.folder = base, folder
        self.begin_s = time.perf_counter()
        self.process = subprocess.Popen(list(map(str, command)), stdout=subprocess.PIPE, stderr=log or subprocess.DEVNULL, env=env)
        try:
            is_ready(self)
        except BaseException:
            self.stop()
            raise
        self.started_s = time.perf_counter() - self.begin_s

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.process.stdout.close()
        if self.folder:
            shutil.rmtree(self.folder, ignore_errors=True)

    def engines(self):
        """The processes that compute: children, or the server itself."""
        out = subprocess.run(["pgrep", "-P", str(self.process.pid)], capture_output=True, text=True).stdout.split()
        return [int(pid) for pid in out] or [self.process.pid]


def runnel(model, threads=0, log_level="warn", log=None, engine="llama", data=None, context=CONTEXT_TOKENS, options=()):
    """threads 0: Runnel chooses. Without `data` it gets a folder for the time being. `options` are those of the command line."""
    folder = None if data else tempfile.mkdtemp(prefix="runnel-bench-")
    data = data or folder
    port = free_port()
    command = [BUILD / "runnel", "--no-open", "--data", data, "--models", data, "--port", port, "--model", model,
               "--threads", threads, "--log", log_level, "--engine", engine, "--context", context, *options]

    def is_ready(server):
        line = server.process.stdout.readline().decode()
        if not line.startswith("ready "):
            raise SystemExit(f"runnel did not start: {line!r}")

    return Server(command, f"http://127.0.0.1:{port}", is_ready, log, folder=folder)


def llama_server(program, model, threads):
    port = free_port()
    command = [program, "-m", model, "-t", threads, "-np", "4", "-c", CONTEXT_TOKENS, "--port", port, "--host", "127.0.0.1"]
    libraries = pathlib.Path(program).resolve().parent
    env = dict(os.environ, LD_LIBRARY_PATH=str(libraries))

    def is_ready(server):
        for _ in range(1500):
            if server.process.poll() is not None:
                raise SystemExit(f"{program} ended with code {server.process.returncode}: start it by hand to see why")
            try:
                urllib.request.urlopen(server.base + "/health", timeout=1).read()
                return
            except OSError:
                time.sleep(0.02)
        raise SystemExit(f"{program} did not answer on {server.base}/health within 30 s")

    return Server(command, f"http://127.0.0.1:{port}", is_ready, env=env)


def raw(model, n_tokens, threads, n_sequences=1, depth=0, cache="shared"):
    """What libllama alone says: tokens_per_second and prompt_tokens."""
    command = [BUILD / "runnel-bench-raw", model, n_tokens, threads, n_sequences, depth, cache]
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"{' '.join(map(str, command))} ended with code {done.returncode}: {done.stderr.strip()}")
    return json.loads(done.stdout)


def raw_speed(*arguments, **more):
    return raw(*arguments, **more)["tokens_per_second"]
