#!/usr/bin/env python3
"""Measures the list, opening and the search with many messages stored, over HTTP on one connection.

usage: store_scale.py [--sizes N,N,…] [--rounds N] [--seed N]

For each size a data folder is filled (ten messages in a conversation, words by their usual frequency), the server is started on it with
the fake engine, and each row is asked for --rounds times, every time for something else. `cold` is the first answer after a start.
Goals at 100,000 messages, p95: list 10 ms, open 20 ms, search 50 ms. Exit code 1 when one is missed.
"""
import argparse
import contextlib
import http.client
import itertools
import json
import pathlib
import random
import sqlite3
import sys
import tempfile
import time
import urllib.parse
import uuid

import servers

N_WORDS = 30_000
PER_CONVERSATION = 10
BEGIN_MS = 1_700_000_000_000
GOALS_MS = {"list": 10, "open": 20, "search": 50}


class Words:
    """Words of made-up syllables; the n-th is used 1/n as often as the first."""

    def __init__(self, chance):
        self.chance = chance
        syllables = [a + b for a in "bcdfglmnprstvz" for b in ("a", "e", "i", "o", "u", "an", "er", "in")]
        made = {}
        while len(made) < N_WORDS:
            made["".join(chance.choices(syllables, k=chance.choice([1, 2, 2, 3, 3, 4])))] = None
        self.all = list(made)
        self.weights = list(itertools.accumulate(1 / (rank + 2) for rank in range(N_WORDS)))

    def text(self, n):
        return " ".join(self.chance.choices(self.all, cum_weights=self.weights, k=n))

    def ranked(self, low, high):
        return self.chance.choice(self.all[low:high])


def varint(value):
    out = bytearray()
    while value >= 0x80:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes(out + bytes([value]))


def fill(path, words, n_messages):
    """As the server would have stored it. Returns the conversations' names, the oldest first."""
    names = []
    with contextlib.closing(sqlite3.connect(path)) as database:
        database.execute("PRAGMA synchronous = OFF")
        key = generation = 0
        for conversation in range(1, n_messages // PER_CONVERSATION + 1):
            at_ms = BEGIN_MS + conversation * 60_000
            stamp = time.strftime("%Y-%m-%d-%H-%M-%S", time.gmtime(at_ms // 1000)) + f"-{at_ms % 1000:03}"
            names.append(f"chat_{stamp}.txt")
            title = words.text(5)
            database.execute("INSERT INTO conversation (key, name, title, created_ms, updated_ms) VALUES (?, ?, ?, ?, ?)",
                             (conversation, names[-1], title, at_ms, at_ms))
            database.execute("INSERT INTO title_words (rowid, title) VALUES (?, ?)", (conversation, title))
            for number in range(PER_CONVERSATION):
                key += 1
                is_answer = number % 2 == 1
                text = words.text(words.chance.randrange(80, 240) if is_answer else words.chance.randrange(5, 40))
                database.execute(
                    "INSERT INTO message (key, id, conversation_key, parent_key, role, content, created_ms) VALUES (?, ?, ?, ?, ?, ?, ?)",
                    (key, uuid.uuid4().hex, conversation, key - 1 if number else None, 1 + is_answer, text, at_ms + number))
                database.execute("INSERT INTO message_words (rowid, content) VALUES (?, ?)", (key, text))
                if is_answer:
                    generation += 1
                    pieces = [len(piece) for piece in text.replace(" ", "\0 ").split("\0")]
                    database.execute(
                        "INSERT INTO generation (key, id, conversation_key, message_key, last_seq, ended, reason, text_sizes, tokens) "
                        "VALUES (?, ?, ?, ?, ?, 1, 'stop', ?, ?)",
                        (generation, uuid.uuid4().hex, conversation, key, len(pieces) + 2, b"".join(map(varint, pieces)),
                         b"".join(varint(words.chance.randrange(1, 50_000)) for _ in pieces)))
            if conversation % 500 == 0:
                database.commit()
        database.commit()
    return names


class Client:
    def __init__(self, base):
        url = urllib.parse.urlparse(base)
        self.connection = http.client.HTTPConnection(url.hostname, url.port, timeout=60)

    def ask(self, path, body=None):
        """How long it took, in ms, and the answer."""
        begin = time.perf_counter()
        self.connection.request("POST" if body else "GET", path, json.dumps(body) if body else None, {"Content-Type": "application/json"})
        answer = self.connection.getresponse()
        content = answer.read()
        took_ms = (time.perf_counter() - begin) * 1e3
        if answer.status != 200:
            raise SystemExit(f"{path}: {answer.status} {content[:300]!r}")
        return took_ms, json.loads(content)


def search(text):
    return "/api/conversations?q=" + urllib.parse.quote(text)


def rows(words, names):
    """What is asked for: name, what makes the next path."""
    opened = itertools.cycle(reversed(names))
    return {
        "list newest 200": lambda: "/api/conversations?limit=200",
        "open newest": lambda: "/api/conversation/" + next(opened),
        "open any": lambda: "/api/conversation/" + words.chance.choice(names),
        "search rare word": lambda: search(words.ranked(5_000, 20_000)),
        "search word": lambda: search(words.ranked(100, 1_000)),
        "search common word": lambda: search(words.ranked(0, 10)),
        "search two words": lambda: search(words.ranked(10, 300) + " " + words.ranked(10, 300)),
        "search two letters": lambda: search(words.ranked(0, 2_000)[:2]),
        "search three letters": lambda: search(words.ranked(0, 2_000)[:3]),
        "search one letter": lambda: search(words.ranked(0, 2_000)[:1]),
    }


def percentile(values, p):
    return sorted(values)[min(len(values) - 1, int(len(values) * p / 100))]


def send(client, words):
    return client.ask("/api/chat", {"message": words.text(20)})[0]


def measure(folder, words, names, a):
    script = folder / "models" / "fake.json"
    script.parent.mkdir()
    script.write_text(json.dumps({"tokens": [" " + words.text(1) for _ in range(40)], "token_ms": 0}))
    server = servers.runnel(script, 1, engine="fake", data=folder / "data")
    print(f"   start {server.started_s * 1e3:.0f} ms, file {(folder / 'data' / 'runnel.db').stat().st_size / 1e6:.1f} MB")
    is_missed = False
    try:
        client = Client(server.base)
        for name, path in rows(words, names).items():
            cold_ms, first = client.ask(path())
            times, found = [], [len(first.get("conversations", []))]
            for _ in range(a.rounds):
                took_ms, answer = client.ask(path())
                times.append(took_ms)
                found.append(len(answer.get("conversations", [])))
            goal = GOALS_MS[name.split()[0]]
            misses = len(names) * PER_CONVERSATION >= 100_000 and percentile(times, 95) > goal
            is_missed |= misses
            print(f"   {name:22} p50 {percentile(times, 50):7.2f} ms   p95 {percentile(times, 95):7.2f} ms   max {max(times):7.2f} ms"
                  f"   cold {cold_ms:7.2f} ms   found {sum(found) / len(found):5.0f}{f'   MISSES {goal} ms' if misses else ''}")
        times = [send(client, words) for _ in range(min(a.rounds, 100))]
        print(f"   {'send, 40 tokens, end':22} p50 {percentile(times, 50):7.2f} ms   p95 {percentile(times, 95):7.2f} ms")
        print(f"   resident memory {servers.rss_mb(server.process.pid):.1f} MB")
    finally:
        server.stop()
    return is_missed


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", default="1000,10000,100000")
    parser.add_argument("--rounds", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    a = parser.parse_args()
    is_missed = False
    for size in map(int, a.sizes.split(",")):
        words = Words(random.Random(a.seed))
        with tempfile.TemporaryDirectory(prefix="runnel-bench-") as name:
            folder = pathlib.Path(name)
            (folder / "data").mkdir()
            servers.runnel("fake:", 1, engine="fake", data=folder / "data").stop()
            print(f"{size} messages in {size // PER_CONVERSATION} conversations")
            names = fill(folder / "data" / "runnel.db", words, size)
            is_missed |= measure(folder, words, names, a)
    sys.exit(is_missed)


if __name__ == "__main__":
    main()
