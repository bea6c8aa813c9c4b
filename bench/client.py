"""One streamed chat completion as its client sees it, over a plain socket so that the client costs little."""
import json
import socket
import time
import urllib.parse


class Answer:
    def __init__(self):
        self.start_s = time.perf_counter()
        self.at_s = []  # arrival of each token
        self.at_ns = []  # the same in CLOCK_MONOTONIC, to compare with the server's trace
        self.text = ""
        self.status = 0

    @property
    def first_ms(self):
        return (self.at_s[0] - self.start_s) * 1e3

    @property
    def tokens_per_second(self):
        return (len(self.at_s) - 1) / (self.at_s[-1] - self.at_s[0])


def complete(base, text, n_tokens):
    url = urllib.parse.urlparse(base)
    body = json.dumps({"model": "default", "messages": [{"role": "user", "content": text}], "stream": True,
                       "max_tokens": n_tokens, "temperature": 0, "ignore_eos": True}).encode()
    answer = Answer()
    with socket.create_connection((url.hostname, url.port)) as s:
        s.sendall((f"POST /v1/chat/completions HTTP/1.1\r\nHost: {url.hostname}:{url.port}\r\n"
                   f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n").encode() + body)
        stream = s.makefile("rb")
        answer.status = int(stream.readline().split()[1])
        for line in stream:
            if not line.startswith(b"data: {"):
                continue
            now_s, now_ns = time.perf_counter(), time.monotonic_ns()
            choices = json.loads(line[6:]).get("choices") or [{}]
            piece = choices[0].get("delta", {}).get("content")
            if piece:
                answer.at_s.append(now_s)
                answer.at_ns.append(now_ns)
                answer.text += piece
    return answer
