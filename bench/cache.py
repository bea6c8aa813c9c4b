#!/usr/bin/env python3
"""Measures what the llama engine need not compute again: states from the disk, common beginnings, drafts.

usage: cache.py [load|turn|together|draft]... [--model GGUF] [--rounds N] [--threads N]

  load      a prompt of 200, 1,000 and 4,000 tokens in a new process: computed, and loaded from the disk where the engine takes that
  turn      the next turn of a conversation of 3,000 tokens after a restart: without and with the KV cache on disk
  together  8 conversations at once: with 2,000 tokens of their own each, and with 2,000 that they have in common
  draft     a prompt of 1,500 tokens: sent at once, and after the draft of it was computed; and a step of its answer, without guesses

Every figure is the time from the command to the first token (together: to the last end) at the engine's line, in ms, as min / median / max.
"""
import argparse
import os
import pathlib
import statistics
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "tests/engine"))
import engine_driver

SENTENCE = "The river runs from hill {} to the sea, past mill {}. "
TOKENS_OF_SENTENCE = 16


def text_of(n_tokens, salt):
    return f"Text {salt}. " + "".join(SENTENCE.format(i % 90 + 10, (i * 7 + salt) % 90 + 10) for i in range(n_tokens // TOKENS_OF_SENTENCE))


class Life:
    """One process of the engine."""

    def __init__(self, a, folder=None, **more):
        options = {"context_size": 8192 * 3, "threads": a.threads, **({"cache_dir": str(folder)} if folder else {}), **more}
        self.engine = engine_driver.Engine("llama", "--log", "warn")
        self.engine.load(a.model, **options)
        self.engine.send(engine_driver.generate("warm", "Hi", max_tokens=4))
        self.engine.end_of("warm")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.engine.send({"op": "unload"})
        self.engine.wait_exit()
        self.engine.__exit__()

    def first(self, id, messages, key="chat_a", n_tokens=1):
        """ms to the first token, the usage, and the answer's text."""
        command = engine_driver.generate(id, messages, cache_key=key, max_tokens=n_tokens, ignore_eos=True, sampling={"sampler_type": "Greedy"})
        began = time.monotonic()
        self.engine.send(command)
        self.engine.until(lambda event: event["ev"] == "step" and any(item["id"] == id for item in event["out"]))
        ms = (time.monotonic() - began) * 1000
        return ms, self.engine.end_of(id)["usage"], self.engine.text(id)


def show(name, values, note=""):
    figures = " / ".join(f"{value:.0f}" for value in (min(values), statistics.median(values), max(values)))
    print(f"{name:<44} {figures:>22} ms  {note}", flush=True)


def user(text):
    return [{"role": "user", "content": text}]


def load(a):
    for n_tokens in (200, 1000, 4000):
        computed, loaded, usage = [], [], None
        for salt in range(a.rounds):
            with tempfile.TemporaryDirectory() as folder:
                with Life(a, folder) as life:
                    computed.append(life.first("one", user(text_of(n_tokens, salt)))[0])
                with Life(a, folder) as life:
                    ms, usage, _ = life.first("one", user(text_of(n_tokens, salt)))
                    loaded.append(ms)
        show(f"load, {usage['prompt_tokens']} tokens: computed", computed)
        show(f"load, {usage['prompt_tokens']} tokens: in the next process", loaded, f"{usage['cached_tokens']} from the disk")


def turn(a):
    times = {False: [], True: []}
    for salt in range(a.rounds):
        with tempfile.TemporaryDirectory() as folder:
            for has_disk in (False, True):
                place = pathlib.Path(folder) / "kv" if has_disk else None
                messages = user(text_of(3000, salt))
                with Life(a, place) as life:
                    said = life.first("one", messages, n_tokens=32)[2]
                with Life(a, place) as life:
                    messages += [{"role": "assistant", "content": said}, {"role": "user", "content": "And what of the other river?"}]
                    ms, usage, _ = life.first("two", messages)
                times[has_disk].append(ms)
                print(f"  {usage}", file=sys.stderr)
    show("turn after a restart, nothing kept", times[False])
    show("turn after a restart, states on the disk", times[True])


def together(a):
    for name, is_common in (("8 conversations, 2,000 tokens each", False), ("8 conversations, 2,000 tokens in common", True)):
        times = []
        for salt in range(a.rounds):
            with Life(a) as life:
                systems = [text_of(2000, salt * 10 + (0 if is_common else i)) for i in range(8)]
                began = time.monotonic()
                life.engine.send(
                    *[
                        engine_driver.generate(
                            f"g{i}", [{"role": "system", "content": systems[i]}, *user(f"What about mill {i}?")], max_tokens=16, ignore_eos=True
                        )
                        for i in range(8)
                    ]
                )
                life.engine.end_of(*[f"g{i}" for i in range(8)])
                times.append((time.monotonic() - began) * 1000)
        show(name, times)


def draft(a):
    plain, drafted, steps = [], [], []
    for salt in range(a.rounds):
        with Life(a) as life:
            plain.append(life.first("plain", user(text_of(1500, salt)))[0])
        with Life(a, speculation="off") as life:
            life.engine.send({"op": "prefill", "id": "d", "cache_key": "chat_a", "messages": user(text_of(1500, salt))})
            life.engine.end_of("d")
            began = time.monotonic()
            drafted.append(life.first("sent", user(text_of(1500, salt)), n_tokens=33)[0])
            steps.append(((time.monotonic() - began) * 1000 - drafted[-1]) / 32)
    show("1,500 tokens sent at once", plain)
    show("1,500 tokens sent after their draft", drafted)
    show("a step of that answer", steps)


def main():
    scenarios = {"load": load, "turn": turn, "together": together, "draft": draft}
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("scenarios", nargs="*", metavar="scenario", choices=[*scenarios, []])
    parser.add_argument("--model", default=str(engine_driver.model_path()))
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    a = parser.parse_args()
    for name in a.scenarios or scenarios:
        scenarios[name](a)


if __name__ == "__main__":
    main()
