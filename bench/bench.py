#!/usr/bin/env python3
"""Measures Runnel against the raw engine and llama-server, on one machine in one run.

usage: bench.py [solo|delay|footprint]... [--model GGUF] [--peer LLAMA_SERVER] [--tokens N] [--rounds N] [--threads N]

  solo       tokens/s of one stream at the client: raw libllama, Runnel and the peer in turn, round after round;
             the ratios of each round count, because the machine's speed drifts
  delay      sampled to socket: from the engine's sampling to the server's send and to the client's receive
  footprint  start to listening, resident memory of server and engine, first token from a cold start

Every figure is printed as min / median / max over the rounds, and once more as JSON on the last line.
"""
import argparse
import json
import os
import pathlib
import re
import statistics
import subprocess
import tempfile

import client
import servers

STORY = "Tell me a story about a river."


def default_model():
    data = os.environ.get("XDG_DATA_HOME") or os.path.join(os.environ["HOME"], ".local/share")
    return os.path.join(os.environ.get("RUNNEL_MODELS", os.path.join(data, "runnel/models")), "SmolLM2-135M-Instruct-Q4_1.gguf")


def spread(values):
    return {"min": round(min(values), 3), "median": round(statistics.median(values), 3), "max": round(max(values), 3)}


def percentile(values, p):
    return sorted(values)[min(len(values) - 1, int(round(p / 100 * (len(values) - 1))))]


def raw_speed(a):
    out = subprocess.run([servers.BUILD / "runnel-bench-raw", a.model, str(a.tokens), str(a.threads)], check=True, capture_output=True)
    return json.loads(out.stdout)["tokens_per_second"]


def served_speed(server, a):
    try:
        client.complete(server.base, "Hi", 4)  # loads the model
        answer = client.complete(server.base, STORY, a.tokens)
        if answer.status != 200 or len(answer.at_s) < a.tokens * 0.9:
            raise SystemExit(f"{server.base}: status {answer.status}, {len(answer.at_s)} tokens")
        return answer.tokens_per_second, answer.first_ms
    finally:
        server.stop()


def solo(a):
    rows = {"raw": [], "runnel": [], "runnel_ttft_ms": [], "runnel/raw": []}
    for _ in range(a.rounds):
        raw = raw_speed(a)
        speed, first_ms = served_speed(servers.runnel(a.model, a.threads), a)
        rows["raw"].append(raw)
        rows["runnel"].append(speed)
        rows["runnel_ttft_ms"].append(first_ms)
        rows["runnel/raw"].append(speed / raw)
        if a.peer:
            peer, first_ms = served_speed(servers.llama_server(a.peer, a.model, a.threads), a)
            for name, value in {"peer": peer, "peer_ttft_ms": first_ms, "peer/raw": peer / raw, "runnel/peer": speed / peer}.items():
                rows.setdefault(name, []).append(value)
    return {name: spread(values) for name, values in rows.items()}


TRACE = re.compile(r"\[(ENGINE|GENERATION|OPENAI)\] token #?(?:\d+ )?(sampled|committed|sent) .*?seq=(\d+).*?t_ns=(\d+)")


def read_trace(path):
    """{station: {seq: t_ns}} of the last generation in the log."""
    stations = {"sampled": {}, "committed": {}, "sent": {}}
    for line in pathlib.Path(path).read_text().splitlines():
        found = TRACE.search(line)
        if found:
            stations[found[2]][int(found[3])] = int(found[4])
    return stations


def delay_once(a):
    with tempfile.NamedTemporaryFile(suffix=".log") as log:
        server = servers.runnel(a.model, a.threads, "debug", log)
        client.complete(server.base, "Hi", 4)
        answer = client.complete(server.base, STORY, a.tokens)
        server.stop()
        at = read_trace(log.name)
    seqs = [seq for seq in at["sent"] if seq in at["sampled"]]
    out = {name: [(at[name][s] - at["sampled"][s]) / 1e6 for s in seqs if s in at[name]] for name in ("committed", "sent")}
    received = dict(zip(sorted(seqs)[-len(answer.at_ns):], answer.at_ns))
    out["received"] = [(received[s] - at["sampled"][s]) / 1e6 for s in received]
    return out


def delay(a):
    """With every core computing, and with one core free."""
    rows = {}
    cores = os.cpu_count() or 1
    for name, threads in (("saturated", cores), ("one_core_free", max(1, cores - 1))):
        a.threads = threads
        stations = delay_once(a)
        for station, values in stations.items():
            rows[f"{name}: sampled to {station}, ms"] = {
                "p50": round(percentile(values, 50), 3), "p99": round(percentile(values, 99), 3),
                "max": round(max(values), 3), "n": len(values)}
    return rows


def footprint(a):
    rows = {"start_to_listening_ms": [], "server_rss_mb": [], "server_rss_after_chat_mb": [], "engine_rss_mb": [],
            "cold_first_token_ms": []}
    for _ in range(a.rounds):
        server = servers.runnel(a.model, a.threads)
        rows["start_to_listening_ms"].append(server.started_s * 1e3)
        rows["server_rss_mb"].append(servers.rss_mb(server.process.pid))
        rows["cold_first_token_ms"].append(client.complete(server.base, STORY, 64).first_ms)
        rows["server_rss_after_chat_mb"].append(servers.rss_mb(server.process.pid))
        engine = subprocess.run(["pgrep", "-P", str(server.process.pid)], capture_output=True, text=True).stdout.split()
        rows["engine_rss_mb"].append(servers.rss_mb(engine[0]))
        server.stop()
    return {name: spread(values) for name, values in rows.items()}


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("scenarios", nargs="*", default=["solo", "delay", "footprint"])
    p.add_argument("--model", default=default_model())
    p.add_argument("--peer", help="a llama-server program")
    p.add_argument("--tokens", type=int, default=256)
    p.add_argument("--rounds", type=int, default=5)
    p.add_argument("--threads", type=int, default=os.cpu_count())
    a = p.parse_args()
    results = {}
    for name in a.scenarios or ["solo", "delay", "footprint"]:
        results[name] = {"solo": solo, "delay": delay, "footprint": footprint}[name](a)
        print(f"\n{name}")
        for row, figures in results[name].items():
            print(f"  {row:45s}", "  ".join(f"{k} {v}" for k, v in figures.items()))
    print(json.dumps(results))


if __name__ == "__main__":
    main()
