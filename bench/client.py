"""Streamed chat completions as their clients see them, over plain sockets and in one thread, so that the clients cost little."""
import json
import re
import selectors
import socket
import time
import urllib.parse
import urllib.request

TOKEN = re.compile(rb'"(?:content|token)":"(?!")')
USAGE = re.compile(rb'"(completion_tokens|prompt_tokens)":(\d+)')


def post(base, path, body):
    """The answer to a request, whose status is 200."""
    return urllib.request.urlopen(urllib.request.Request(base + path, json.dumps(body).encode(), {"Content-Type": "application/json"}, method="POST"))


class Request:
    """One request whose answer is streamed, until its connection is closed."""

    def __init__(self, base, path, body):
        url = urllib.parse.urlparse(base)
        data = json.dumps(body).encode()
        self.at_s = []  # arrival of each token
        self.status = 0
        self.usage = {}
        self.is_open = True
        self.pending, self.lines = b"", []
        self.start_s = time.perf_counter()
        self.socket = socket.create_connection((url.hostname, url.port))
        self.socket.sendall((f"POST {path} HTTP/1.1\r\nHost: {url.hostname}:{url.port}\r\nContent-Type: application/json\r\n"
                             f"Content-Length: {len(data)}\r\nConnection: close\r\n\r\n").encode() + data)

    def take(self):
        try:
            data = self.socket.recv(1 << 16)
        except OSError as error:
            raise SystemExit(f"the connection broke off: {error}") from None
        now_s = time.perf_counter()
        if not data:
            self.close()
        elif not self.status:
            self.status = int(data.split(b" ", 2)[1])
        whole, newline, self.pending = (self.pending + data).rpartition(b"\n")
        self.lines.append(whole)
        self.at_s += [now_s] * len(TOKEN.findall(whole))
        self.usage.update((name.decode(), int(number)) for name, number in USAGE.findall(whole))

    def close(self):
        self.is_open = False
        self.socket.close()

    @property
    def n_tokens(self):
        return self.usage.get("completion_tokens", len(self.at_s))

    @property
    def first_ms(self):
        return (self.at_s[0] - self.start_s) * 1e3

    @property
    def tokens_per_second(self):
        took_s = self.at_s[-1] - self.at_s[0]
        return (self.n_tokens - 1) / took_s if took_s > 0 else 0.0

    def longest_gap_ms(self, from_s, to_s):
        times = [at for at in self.at_s if from_s - 1 <= at <= to_s + 1]
        return max((b - a for a, b in zip(times, times[1:]) if b >= from_s and a <= to_s), default=0) * 1e3


class Answer(Request):
    """A chat completion; `messages` may be one text."""

    def __init__(self, base, messages, n_tokens):
        messages = [{"role": "user", "content": messages}] if isinstance(messages, str) else messages
        super().__init__(base, "/v1/chat/completions", {"model": "default", "messages": messages, "stream": True, "max_tokens": n_tokens,
                                                       "temperature": 0, "ignore_eos": True, "stream_options": {"include_usage": True}})

    @property
    def text(self):
        events = [json.loads(line[6:]) for line in b"\n".join(self.lines).split(b"\n") if line.startswith(b"data: {")]
        return "".join(choice["delta"].get("content") or "" for event in events for choice in event["choices"])


def read(answers, until=lambda: False, timeout_s=300):
    """Reads all of them until they are closed, or `until` is true. Whoever was closed has said something."""
    deadline = time.perf_counter() + timeout_s
    with selectors.DefaultSelector() as selector:
        for answer in answers:
            if answer.is_open:
                selector.register(answer.socket, selectors.EVENT_READ, answer)
        while selector.get_map() and not until():
            if time.perf_counter() > deadline:
                raise SystemExit(f"no end within {timeout_s} s")
            for key, _ in selector.select(0.05):
                key.data.take()
                if not key.data.is_open:
                    selector.unregister(key.fileobj)
    for answer in answers:
        if answer.status not in (0, 200) or (not answer.is_open and not answer.at_s):
            raise SystemExit(f"a request was answered with status {answer.status} and {len(answer.at_s)} tokens: {answer.pending[-400:]!r}")


def complete(base, text, n_tokens):
    answer = Answer(base, text, n_tokens)
    read([answer])
    if answer.n_tokens < n_tokens * 0.9:
        raise SystemExit(f"{base}: status {answer.status}, {answer.n_tokens} tokens of {n_tokens}")
    return answer


def speed_of(answers):
    """Tokens per second of all together, from the first token of the last to begin until the first end: while all go on."""
    begin_s, end_s = max(answer.at_s[0] for answer in answers), min(answer.at_s[-1] for answer in answers)
    per_event = sum(answer.n_tokens for answer in answers) / sum(len(answer.at_s) for answer in answers)
    n = sum(begin_s < at <= end_s for answer in answers for at in answer.at_s)
    return n * per_event / (end_s - begin_s) if end_s > begin_s else 0.0
