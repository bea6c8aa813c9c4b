#!/usr/bin/env python3
"""Measures Runnel against the raw engine and llama-server, on one machine in one run.

usage: bench.py [SCENARIO]... [--model GGUF] [--q4_0] [--peer LLAMA_SERVER] [--rounds N] [--tokens N] [--threads N] [--save FILE] [--quick]
Without a scenario: all of them.

  solo      tokens/s of one stream at the client: raw libllama, Runnel and the peer in turn
  streams   tokens/s of 1, 2, 4, 8, 16 and 32 streams together
  mixed     three streams go on when a long prompt arrives: their longest gap, the prompt's time to the first token
  turns     time to the first token of the turns of a conversation, also after six others and after a restart
  cancel    the client leaves, while decoding and in the middle of a prompt of 6,000 tokens: time until the engine is idle
  busy      another program comes, keeps one core busy, and goes
  two       two servers on one machine, each with a stream
  delay     sampled to committed and to sent, inside Runnel
  start     from nothing to listening and to the first token; resident memory
  depth     milliseconds per token against the length of the conversation
  speculation  answers that quote, edit and repeat code, and prose: with guesses where they pay, everywhere, and without
  watchers  when each of 1, 10, 100 and 1,000 watchers has a token, also with one that never reads; memory of those who wait

Every figure is printed as min / median / max over the rounds; ratios are taken round by round. --q4_0 measures the model's weights in
Q4_0, which many processors compute faster. --save keeps the rows in a JSON file, beside those of other scenarios and models.
"""
import argparse
import json
import os
import pathlib
import platform
import statistics
import subprocess
import tempfile
import time

import scenarios
import servers

PROGRAMS = ("runnel", "runnel-engine-llama", "runnel-bench-raw", "runnel-bench-requantize")


def default_model():
    data = os.environ.get("XDG_DATA_HOME") or os.path.join(os.environ["HOME"], ".local/share")
    return os.path.join(os.environ.get("RUNNEL_MODELS", os.path.join(data, "runnel/models")), "SmolLM2-135M-Instruct-Q4_1.gguf")


def requantize(model, folder):
    out = pathlib.Path(folder) / (pathlib.Path(model).stem + "-as-Q4_0.gguf")
    if subprocess.run([servers.BUILD / "runnel-bench-requantize", model, out]).returncode:
        raise SystemExit(f"{model} could not be written in Q4_0: is it a GGUF file, and is there room for it in {folder}?")
    return str(out)


def spread(values):
    digits = 3 if max(map(abs, values)) < 10 else 1
    return [round(figure, digits) for figure in (min(values), statistics.median(values), max(values))]


def print_rows(name, rows):
    print(f"\n{name:46}{'min':>10}{'median':>10}{'max':>10}", flush=True)
    for row, figures in rows.items():
        print(f"  {row:44}" + "".join(f"{figure:>10g}" for figure in figures), flush=True)


def save(path, a, name, rows):
    """Keeps what other runs have put there."""
    path = pathlib.Path(path)
    kept = json.loads(path.read_text()) if path.is_file() else {}
    model = kept.setdefault(pathlib.Path(a.model).name, {})
    model[name] = {"date": time.strftime("%Y-%m-%d"), "cores": os.cpu_count(), "machine": platform.machine(), "rounds": a.rounds,
                   "tokens": a.tokens, "rows": rows}
    path.write_text(json.dumps(kept, indent=1) + "\n")


def parse(arguments=None):
    p = argparse.ArgumentParser(usage=argparse.SUPPRESS, description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("scenarios", nargs="*", metavar="SCENARIO")
    p.add_argument("--model", default=default_model())
    p.add_argument("--q4_0", action="store_true")
    p.add_argument("--peer", help="a llama-server program; without it Runnel and the raw engine are measured")
    p.add_argument("--tokens", type=int, default=256, help="of each answer, at least 8")
    p.add_argument("--rounds", type=int, default=5)
    p.add_argument("--threads", type=int, default=0, help="of Runnel (0: it chooses); without it the others get one for each core")
    p.add_argument("--save", metavar="FILE")
    p.add_argument("--quick", action="store_true", help="does everything once, with little and on one thread: to see that it works")
    a = p.parse_args(arguments)
    problem = find_problem(a)
    if problem:
        p.error(problem)
    a.prompt, a.long_prompt, a.phase_s = 1534, 6000, 6
    a.streams, a.depths = [1, 2, 4, 8, 16, 32], [0, 1000, 2000, 4000, 7500]
    a.watchers, a.idle = [1, 10, 100, 1000], 10000
    if a.quick:
        a.watchers, a.idle = [1, 3], 20
        a.rounds, a.tokens, a.threads, a.prompt, a.long_prompt, a.phase_s = 1, 8, 1, 200, 1500, 0.6
        a.streams, a.depths = [1, 3], [0, 200]
    a.peer_threads = a.threads or os.cpu_count()
    return a


def find_problem(a):
    """What is wrong with the arguments, and what to do; None: nothing."""
    unknown = [name for name in a.scenarios if name not in scenarios.ALL]
    missing = [name for name in PROGRAMS if not (servers.BUILD / name).is_file()]
    if unknown:
        return f"{', '.join(unknown)}: no such scenario; there are {', '.join(scenarios.ALL)}"
    if missing:
        return f"no {missing[0]} in {servers.BUILD}: build it (cmake --build --preset release), or say where it is with RUNNEL_BUILD"
    if not os.path.isfile(a.model):
        return f"no model at {a.model}: ./run fetches the default one, --model names another"
    if a.peer and not (os.path.isfile(a.peer) and os.access(a.peer, os.X_OK)):
        return f"--peer {a.peer} is no program"
    if a.rounds < 1 or a.tokens < 8 or not 0 <= a.threads <= 512:
        return "--rounds is at least 1, --tokens at least 8, --threads 0 to 512"
    if a.save and not os.access(pathlib.Path(a.save).absolute().parent, os.W_OK):
        return f"--save {a.save}: nothing can be written there"
    return None


def main(arguments=None):
    a = parse(arguments)
    results = {}
    with tempfile.TemporaryDirectory(prefix="runnel-bench-model-") as folder:
        a.model = requantize(a.model, folder) if a.q4_0 else a.model
        for name in a.scenarios or scenarios.ALL:
            results[name] = {row: spread(values) for row, values in scenarios.ALL[name](a).items()}
            print_rows(name, results[name])
            if a.save:
                save(a.save, a, name, results[name])
    print(json.dumps(results))


if __name__ == "__main__":
    main()
