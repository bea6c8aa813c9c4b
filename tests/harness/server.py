"""One `runnel` process with a data folder of its own."""

import os
import re
import select
import signal
import subprocess
import time
from pathlib import Path

import httpx

from harness.wait import wait_until

ROOT = Path(__file__).resolve().parents[2]
START_S = 60
STOP_S = 5
SANITIZER = re.compile(r"(Address|Leak|Thread|UndefinedBehavior)Sanitizer|runtime error:|Assertion .* failed")


def build_folder():
    return Path(os.environ.get("RUNNEL_BUILD") or ROOT / "build" / "release")


def default_model():
    """Where the set-up puts the default model."""
    data = Path(os.environ.get("XDG_DATA_HOME") or Path(os.environ["HOME"]) / ".local/share")
    return Path(os.environ.get("RUNNEL_MODELS") or data / "runnel/models") / "SmolLM2-135M-Instruct-Q4_1.gguf"


class Server:
    """`flags` are added to the command line, `prefix` stands before it (prlimit, strace), `env` is added to the environment;
    `certificate`: it speaks TLS; `titles`: models make them; `expects_crash`: an engine is killed, and its sanitizer may say so."""

    def __init__(self, data, models, model=None, flags=(), log="info", engine="fake", prefix=(), env=None, certificate=None, titles=False):
        self.data = Path(data)
        self.models = Path(models)
        self.model = model
        self.flags = list(flags)
        self.log = log
        self.engine = engine
        self.prefix = list(prefix)
        self.env = dict(env or {})
        self.certificate = certificate
        self.titles = titles
        self.process = None
        self.port = None
        self.stderr_path = self.data.parent / f"{self.data.name}.stderr"
        self.expects_crash = False

    # ---- Life ----

    def command(self):
        command = [build_folder() / "runnel", "--data", self.data, "--models", self.models, "--engine", self.engine]
        command += ["--port", str(self.port or 0), "--no-open", "--log", self.log, *self.flags]
        if self.model:
            command += ["--model", self.model]
        if not self.titles:
            command += ["--no-titles"]
        if self.certificate:
            command += self.certificate.flags
        return [str(part) for part in self.prefix + command]

    def environment(self):
        """Nothing of the developer's own configuration reaches the server."""
        kept = {key: value for key, value in os.environ.items() if not key.startswith("RUNNEL_")}
        home = str(self.data.parent)
        return {**kept, "HOME": home, "XDG_CONFIG_HOME": home, "XDG_DATA_HOME": home, **self.env}

    def spawn(self):
        self.stderr_file = open(self.stderr_path, "ab")
        self.process = subprocess.Popen(
            self.command(), stdout=subprocess.PIPE, stderr=self.stderr_file, stdin=subprocess.DEVNULL, env=self.environment()
        )

    def start(self):
        self.spawn()
        line = self.read_line()
        found = re.fullmatch("ready " + self.scheme + r"://(?:127\.0\.0\.1|0\.0\.0\.0|\[::1?\]):(\d+)\n", line)
        assert found, f"no ready line but {line!r}\n{self.stderr()}"
        self.port = int(found.group(1))
        return self

    def read_line(self, seconds=START_S):
        line = b""
        until = time.monotonic() + seconds
        out = self.process.stdout
        while not line.endswith(b"\n"):
            assert select.select([out], [], [], max(0, until - time.monotonic()))[0], f"nothing said\n{self.stderr()}"
            byte = os.read(out.fileno(), 1)
            if not byte:
                break
            line += byte
        return line.decode()

    def stop(self):
        """Asks it to go, and holds it to the promise: exit code 0 within five seconds, nothing found by a sanitizer."""
        if self.process is None:
            return
        self.process.send_signal(signal.SIGTERM)
        try:
            code = self.process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            self.kill()
            raise AssertionError(f"still running {STOP_S} s after SIGTERM\n{self.stderr()[-4000:]}") from None
        self.forget()
        assert code == 0, f"exit code {code}\n{self.stderr()[-6000:]}"
        self.check_stderr()

    def kill(self):
        """kill -9: nothing is said and nothing is saved."""
        if self.process:
            self.process.kill()
            self.process.wait(STOP_S)
            self.forget()

    def forget(self):
        self.process.stdout.close()
        self.stderr_file.close()
        self.process = None

    def restart(self):
        """The same data folder and port again."""
        self.stop()
        return self.start()

    def wait_exit(self, seconds=30):
        code = self.process.wait(seconds)
        self.forget()
        return code

    def stderr(self):
        return self.stderr_path.read_text(errors="replace") if self.stderr_path.exists() else ""

    def wait_log(self, pattern, n=1):
        """What the pattern has found in the log, once it is there n times."""
        found = lambda: re.findall(pattern, self.stderr())  # noqa: E731
        wait_until(lambda: len(found()) >= n, why=lambda: f"{pattern} is not in\n{self.stderr()[-3000:]}")
        return found()

    def check_stderr(self):
        for line in self.stderr().splitlines():
            if SANITIZER.search(line) and not (self.expects_crash and "engine[" in line):
                raise AssertionError(f"a sanitizer or an assertion spoke:\n{self.stderr()[-8000:]}")

    # ---- What it says by HTTP ----

    @property
    def scheme(self):
        return "https" if self.certificate else "http"

    @property
    def url(self):
        return f"{self.scheme}://127.0.0.1:{self.port}"

    def context(self):
        """Of a client, for a socket or a library; None: without TLS."""
        return self.certificate.context() if self.certificate else None

    def http(self, method, path, timeout=60, **arguments):
        verify = self.context() or False
        return httpx.request(method, self.url + path, timeout=timeout, trust_env=False, verify=verify, **arguments)

    def get(self, path, **arguments):
        return self.http("GET", path, **arguments)

    def post(self, path, json=None, **arguments):
        return self.http("POST", path, json={} if json is None else json, **arguments)

    def status(self):
        return self.get("/api/model/status").json()

    def n_running(self):
        """Generations that engines have."""
        return sum(model["running"] for model in self.status()["models"])

    def conversation(self, name):
        answer = self.get(f"/api/conversation/{name}")
        assert answer.status_code == 200, answer.text
        return answer.json()

    def answer_of(self, name):
        """The last answer of a conversation, as it is stored."""
        return [message for message in self.conversation(name)["messages"] if message["role"] == "assistant"][-1]

    def is_serving(self):
        return self.process.poll() is None and self.get("/api/conversations").status_code == 200

    def engine_pid(self):
        """None: there is none just now (a signal to 0 would be one to the tests themselves)."""
        return self.status()["engine_pid"] or None

    # ---- What it costs (I8) ----

    def memory_kb(self, field="VmRSS"):
        """VmRSS: now; VmHWM: the most it ever had."""
        text = Path(f"/proc/{self.process.pid}/status").read_text()
        return int(re.search(rf"^{field}:\s+(\d+)", text, re.M).group(1))

    def n_descriptors(self):
        return len(os.listdir(f"/proc/{self.process.pid}/fd"))

    @property
    def is_sanitized(self):
        """Such a build is several times slower and keeps freed memory."""
        maps = Path(f"/proc/{self.process.pid}/maps").read_text()
        return re.search(r"lib(asan|tsan)|clang_rt", maps) is not None

    def cpu_s(self):
        """Processor time used so far."""
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
