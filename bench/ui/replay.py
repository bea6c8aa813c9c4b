#!/usr/bin/env python3
"""Replays one long answer into a long conversation in Chromium, and measures what the reader sees.

usage: replay.py [end|up|peer]... [--tokens N] [--rate N] [--messages N] [--peer-page FOLDER] [--check]

  end    Runnel, the reader at the end of the conversation
  up     Runnel, the reader has scrolled up through the whole conversation while the answer grows below, and stays at its begin
  peer   llama-server's own page (--peer-page: its built files) with the same conversation and answer, served by peer.py

Both pages get their tokens from a script, at the same rate; the text is Markdown of every kind. Measured in the page: the time between two
frames, the work in each (from its begin to after its paint), long tasks (over 50 ms), the delay from a token's reception to its paint, and by
the browser the script heap after a collection. Long tasks are counted twice: by the clock, where a busy machine adds to them, and by the
processor time of the page's thread. --check: exit code 1 when a goal is missed.

It needs a release build, Chromium and the packages of tests/ (set-up brings them): .deps/venv/bin/python bench/ui/replay.py
"""
import argparse
import collections
import json
import math
import pathlib
import random
import re
import shutil
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))

import servers  # noqa: E402
import store_scale  # noqa: E402
from peer import Peer  # noqa: E402
from playwright.sync_api import sync_playwright  # noqa: E402

ARGUMENTS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--no-first-run"]
SECONDS_MORE = 60
# One frame at 60 Hz, with the granularity of the clock.
GOALS = {"frame_ms_p95": 16.9, "long_tasks_cpu": 0, "delay_ms_p95": 21.7}
LONG_MS = 50

OBSERVE = (HERE / "observe.js").read_text()


class Markdown:
    """Text of every kind that a model writes. Each word has its number, by which it is found again on the page."""

    def __init__(self, seed=1):
        self.chance = random.Random(seed)
        self.number = 0

    def words(self, n):
        first = self.number
        self.number += n
        return [f" w{first + i}" for i in range(n)]

    def paragraph(self, n):
        words = self.words(n)
        for place in range(7, n, 19):
            words[place] = f" **{words[place].strip()}**"
        for place in range(11, n, 23):
            words[place] = f" `{words[place].strip()}`"
        return words + ["\n\n"]

    def code(self, n_lines):
        lines = ["```python\n"]
        for _ in range(n_lines):
            lines += ["    value", " =", *self.words(3), "\n"]
        return lines + ["```\n\n"]

    def items(self, n, number):
        found = []
        for place in range(n):
            found += [f"{place + 1}." if number else "-", *self.words(14), "\n"]
        return found + ["\n"]

    def table(self, n):
        found = ["| a ", "| b ", "| c |\n", "|---|---|---|\n"]
        for _ in range(n):
            found += ["|", *self.words(2), " |", *self.words(2), " |", *self.words(2), " |\n"]
        return found + ["\n"]

    def part(self):
        """A handful of blocks, about 400 tokens."""
        return [
            "## ", *self.words(4), "\n\n", *self.paragraph(60), *self.items(6, False), *self.paragraph(40), *self.code(18),
            *self.paragraph(30), *self.table(8), *self.items(5, True)]

    def tokens(self, n):
        found = []
        while len(found) < n:
            found += self.part()
        return found[:n]

    @staticmethod
    def last_word(tokens):
        return int(re.findall(r"w(\d+)", "".join(tokens))[-1])

    def text(self, n):
        """For store_scale.fill: a message of n words or so."""
        return "".join(self.part() if n >= 80 else self.paragraph(n)).strip()


def percentile(values, p):
    return sorted(values)[min(len(values) - 1, int(len(values) * p / 100))] if values else float("nan")


class Browser:
    def __init__(self, playwright):
        program = shutil.which("chromium") or shutil.which("chromium-browser")
        self.chromium = playwright.chromium.launch(executable_path=program, args=ARGUMENTS)

    def page(self, **words):
        context = self.chromium.new_context(viewport={"width": 1280, "height": 800}, service_workers="block")
        page = context.new_page()
        page.set_default_timeout(120_000)
        page.add_init_script(OBSERVE.replace("SELECTOR", json.dumps(words["answer"])))
        self.cdp = context.new_cdp_session(page)
        return page

    def trace(self):
        """Every task of every thread, with its processor time, from now on."""
        self.events, self.is_traced = [], False
        self.whole = self.chromium.new_browser_cdp_session()
        self.whole.on("Tracing.dataCollected", lambda event: self.events.extend(event["value"]))
        self.whole.on("Tracing.tracingComplete", lambda _: setattr(self, "is_traced", True))
        self.whole.send("Tracing.start", {"traceConfig": {"includedCategories": ["toplevel"]}, "transferMode": "ReportEvents"})

    def tasks_cpu_ms(self, page):
        """The processor time of each task of the page's own thread, which is the busiest of its kind."""
        self.whole.send("Tracing.end")
        while not self.is_traced:
            page.wait_for_timeout(50)
        threads = {(e["pid"], e["tid"]) for e in self.events if e["name"] == "thread_name" and e["args"]["name"] == "CrRendererMain"}
        tasks = collections.defaultdict(list)
        for event in self.events:
            if event["name"].endswith("RunTask") and "tdur" in event and (event["pid"], event["tid"]) in threads:
                tasks[event["pid"], event["tid"]].append(event["tdur"] / 1000)
        return max(tasks.values(), key=sum, default=[])

    def heap_mb(self):
        self.cdp.send("HeapProfiler.collectGarbage")
        return self.cdp.send("Runtime.getHeapUsage")["usedSize"] / 1e6


def watch(browser, page, last_word, a):
    """From the question on until the last word is painted; None: until the answer has ended, wherever it is."""
    before_mb = browser.heap_mb()
    browser.trace()
    page.evaluate("bench.start()")
    yield
    is_done = "n => bench.painted >= n" if last_word else "() => document.querySelector('[data-testid=send]') !== null"
    page.wait_for_function(is_done, arg=last_word, timeout=(a.tokens / a.rate + SECONDS_MORE) * 1000)
    page.wait_for_timeout(1000)
    seen = page.evaluate("bench.stop()")
    cpu_ms = browser.tasks_cpu_ms(page)
    at_end_mb = browser.heap_mb()
    page.wait_for_timeout(10_000)
    result = {name: [round(percentile(seen[name], p), 1) for p in (50, 95, 99)] + [round(max(seen[name], default=math.nan), 1)]
              for name in ("frame_ms", "work_ms", "delay_ms")}
    yield {**result, "frames": len(seen["frame_ms"]), "seconds": round(seen["seconds"], 1), "long_tasks": [round(t) for t in seen["long_ms"]],
           "long_tasks_cpu": [round(t) for t in cpu_ms if t > LONG_MS], "cpu_per_s_ms": round(sum(cpu_ms) / seen["seconds"], 1),
           "heap_mb": {"before": round(before_mb, 1), "at the end": round(at_end_mb, 1), "10 s later": round(browser.heap_mb(), 1)},
           "elements": page.evaluate("document.querySelectorAll('*').length")}


def runnel(playwright, folder, a, is_up):
    markdown = Markdown()
    (folder / "data").mkdir(parents=True)
    servers.runnel("fake:", 1, engine="fake", data=folder / "data").stop()
    store_scale.PER_CONVERSATION = a.messages
    names = store_scale.fill(folder / "data" / "runnel.db", markdown, a.messages)
    markdown.number = 1_000_000
    tokens = markdown.tokens(a.tokens)
    script = folder / "models" / "fake.json"
    script.parent.mkdir()
    script.write_text(json.dumps({"tokens": tokens, "token_ms": 1000 // a.rate, "context_size": 1_000_000}))
    server = servers.runnel(script, 1, engine="fake", data=folder / "data")
    browser = Browser(playwright)
    try:
        store_scale.Client(server.base).ask("/api/config", {"max_tokens": a.tokens + 10})
        page = browser.page(answer=".message-assistant:last-of-type .prose")
        page.goto(f"{server.base}/c/{names[0]}")
        page.get_by_test_id("message-assistant").last.wait_for()
        page.get_by_test_id("composer").fill("And now?")
        steps = watch(browser, page, None if is_up else markdown.last_word(tokens), a)
        if not is_up:
            next(steps)
        page.get_by_test_id("send").click()
        if is_up:
            page.evaluate("bench.scrollUp('.scroller', '.older-mark')")
            next(steps)
        return next(steps)
    finally:
        browser.chromium.close()
        server.stop()


def peer(playwright, a):
    markdown = Markdown()
    history = [{"role": ("user", "assistant")[number % 2], "content": markdown.text(150 if number % 2 else 20)} for number in range(a.messages)]
    markdown.number = 1_000_000
    tokens = markdown.tokens(a.tokens)
    served = Peer(a.peer_page, tokens, a.rate)
    browser = Browser(playwright)
    try:
        page = browser.page(answer=served.ANSWER)
        served.open_conversation(page, history)
        steps = watch(browser, page, markdown.last_word(tokens), a)
        next(steps)
        served.ask(page, "And now?")
        return next(steps)
    finally:
        browser.chromium.close()
        served.stop()


def show(name, result):
    print(f"\n{name}: {result['frames']} frames in {result['seconds']} s, {result['elements']} elements")
    for row, title in (("frame_ms", "between frames"), ("work_ms", "work in a frame"), ("delay_ms", "token to pixel")):
        p50, p95, p99, most = result[row]
        print(f"   {title:16} p50 {p50:7.1f} ms   p95 {p95:7.1f} ms   p99 {p99:7.1f} ms   max {most:7.1f} ms")
    for row, title in (("long_tasks", "long tasks"), ("long_tasks_cpu", "by its own time")):
        long = result[row]
        print(f"   {title:16} {len(long)}{f', the longest {max(long)} ms' if long else ''}")
    print(f"   {'processor':16} {result['cpu_per_s_ms']} ms of each second")
    print(f"   {'script heap':16} " + ", ".join(f"{when} {mb} MB" for when, mb in result["heap_mb"].items()), flush=True)


def missed(result):
    values = {"frame_ms_p95": result["frame_ms"][1], "long_tasks_cpu": len(result["long_tasks_cpu"]), "delay_ms_p95": result["delay_ms"][1]}
    return [f"{name} {values[name]}, goal {goal}" for name, goal in GOALS.items() if values[name] > goal]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", nargs="*", choices=["end", "up", "peer", []], default=["end", "up"])
    parser.add_argument("--tokens", type=int, default=10_000)
    parser.add_argument("--rate", type=int, default=200)
    parser.add_argument("--messages", type=int, default=1000)
    parser.add_argument("--peer-page", type=pathlib.Path)
    parser.add_argument("--check", action="store_true")
    a = parser.parse_args()
    if "peer" in a.what and not a.peer_page:
        parser.error("peer needs --peer-page: the folder of llama-server's built page")
    results, misses = {}, []
    with tempfile.TemporaryDirectory(prefix="runnel-bench-") as name, sync_playwright() as playwright:
        for what in a.what:
            folder = pathlib.Path(name) / what
            results[what] = peer(playwright, a) if what == "peer" else runnel(playwright, folder, a, what == "up")
            show(what, results[what])
            if what != "peer":
                misses += [f"{what}: {miss}" for miss in missed(results[what])]
    print("\n" + json.dumps(results))
    print("\n".join(f"missed: {miss}" for miss in misses))
    sys.exit(1 if a.check and misses else 0)


if __name__ == "__main__":
    main()
