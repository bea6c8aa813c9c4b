"""The scenarios of bench.py. Each measures raw libllama, Runnel and the peer in turn, round after round, because the machine's speed
drifts: only the ratios of a round count."""
import contextlib
import pathlib
import re
import statistics
import subprocess
import tempfile
import time

import client
import servers
from rows import Rows
from texts import STORY, TEXTS, long_text
from turns import turns
from watchers import watchers


def sides(a):
    """(name, a function that starts it) of what is served."""
    yield "runnel", lambda: servers.runnel(a.model, a.threads)
    if a.peer:
        yield "peer", lambda: servers.llama_server(a.peer, a.model, a.peer_threads)


@contextlib.contextmanager
def started(start):
    with start() as server:
        client.complete(server.base, "Hi", 4)  # loads the model
        yield server


def raw_depth(a, text):
    """How many tokens more a prompt has at a server, whose template says more, than the one of raw libllama: every step walks over them."""
    alone = servers.raw(a.model, 8, a.peer_threads)["prompt_tokens"]
    with started(lambda: servers.runnel(a.model, a.threads)) as server:
        return max(0, client.complete(server.base, text, 8).usage["prompt_tokens"] - alone)


def solo(a):
    """Tokens per second of one stream at the client, and the time to its first token."""
    rows, depth = Rows(), raw_depth(a, STORY)
    for _ in range(a.rounds):
        rows.add(raw=servers.raw_speed(a.model, a.tokens, a.peer_threads, depth=depth))
        for name, start in [*sides(a), ("no guesses", lambda: servers.runnel(a.model, a.threads, options=("--speculation", "off")))]:
            with started(start) as server:
                before_s = servers.cpu_s(server.process.pid)
                answer = client.complete(server.base, STORY, a.tokens)
                rows.add(**{name: answer.tokens_per_second, f"{name} ttft ms": answer.first_ms})
                if name == "runnel":
                    rows.add(**{"server us per token": (servers.cpu_s(server.process.pid) - before_s) * 1e6 / answer.n_tokens})
                rows.ratio(name, "raw")
        rows.ratio("runnel", "peer")
    return rows


def streams(a):
    """Tokens per second of n streams together, while all of them go on. `still`: streams that said nothing while the first was answered."""
    rows, depth = Rows(), raw_depth(a, f"{STORY} Begin with 0.")
    for _ in range(a.rounds):
        for n in a.streams:
            raw, separate = f"{n}: raw", f"{n}: raw, a cache for each"
            rows.add(**{raw: servers.raw_speed(a.model, a.tokens, a.peer_threads, n, depth)})
            if n > 1:
                rows.add(**{separate: servers.raw_speed(a.model, a.tokens, a.peer_threads, n, depth, "separate")})
        for name, start in sides(a):
            with started(start) as server:
                for n in a.streams:
                    answers = [client.Answer(server.base, f"{STORY} Begin with {number}.", a.tokens) for number in range(n)]
                    client.read(answers)
                    first_end_s = min(answer.at_s[-1] for answer in answers)
                    still = sum(answer.at_s[0] > first_end_s for answer in answers)
                    speed = client.speed_of([answer for answer in answers if answer.at_s[0] <= first_end_s])
                    rows.add(**{f"{n}: {name}": speed, f"{n}: {name} still": still,
                                f"{n}: {name} worst ttft ms": max(answer.first_ms for answer in answers)})
                    rows.ratio(f"{n}: {name}", f"{n}: raw")
    return rows


def mixed_once(server, n_prompt, n_tokens):
    """Three streams go on when a long prompt arrives."""
    running = [client.Answer(server.base, f"{STORY} Begin with {number}.", 4 * n_tokens) for number in range(3)]
    client.read(running, lambda: all(len(answer.at_s) >= 16 for answer in running))
    late = client.Answer(server.base, long_text(n_prompt, f"Read this at {time.time()}."), 2)
    client.read([*running, late], lambda: not late.is_open)
    done_s = late.at_s[0]
    gap_ms = max(answer.longest_gap_ms(late.start_s, done_s) for answer in running)
    n = sum(late.start_s < at <= done_s for answer in running for at in answer.at_s)
    for answer in running:
        answer.close()
    return {"longest gap ms": gap_ms, "ttft ms": late.first_ms, "tokens/s of each stream meanwhile": n / 3 / (done_s - late.start_s),
            "prompt tokens": late.usage.get("prompt_tokens", 0)}


def mixed(a):
    """Three streams decode when a prompt of some 1,534 tokens arrives."""
    rows = Rows()
    for _ in range(a.rounds):
        for name, start in sides(a):
            with started(start) as server:
                figures = mixed_once(server, a.prompt, a.tokens)
                rows.add(**{f"{name} {row}": figure for row, figure in figures.items()})
        rows.ratio("runnel ttft ms", "peer ttft ms")
    return rows


def wait_idle(pids, limit_s=60):
    """Seconds until these processes do nothing any more: for 50 ms no thread of them computes or waits for a core."""
    begin_s = idle_since_s = time.perf_counter()
    last_s = sum(map(servers.cpu_s, pids))
    while time.perf_counter() - begin_s < limit_s:
        time.sleep(0.004)
        now_s = sum(map(servers.cpu_s, pids))
        if now_s - last_s > 0.0008 or any(map(servers.is_running, pids)):
            idle_since_s = time.perf_counter()
        elif time.perf_counter() - idle_since_s > 0.05:
            return idle_since_s - begin_s
        last_s = now_s
    return limit_s


def leave_while_decoding(server, n_tokens):
    answer = client.Answer(server.base, STORY, 2000)
    client.read([answer], lambda: len(answer.at_s) >= n_tokens)
    answer.close()


def leave_while_reading(server, a, number):
    """In the middle of a long prompt: true. A machine that has read it by then has no figure."""
    answer = client.Answer(server.base, long_text(a.long_prompt, f"Read this, {number}."), 16)
    client.read([answer], lambda: time.perf_counter() - answer.start_s > 0.7 + 0.11 * number)
    answer.close()
    return not answer.at_s


def cancel(a):
    """The client leaves: how long until the engine is idle. While decoding, and in the middle of a long prompt."""
    rows = Rows()
    for name, start in sides(a):
        with started(start) as server:
            pids = server.engines()
            for number in range(a.rounds):
                leave_while_decoding(server, 10 + number)
                rows.add(**{f"decode: {name} ms until idle": wait_idle(pids) * 1e3})
                if leave_while_reading(server, a, number):
                    rows.add(**{f"prefill: {name} ms until idle": wait_idle(pids) * 1e3})
    return rows


@contextlib.contextmanager
def busy_core():
    """Another program that takes what it gets of one core."""
    program = subprocess.Popen(["sh", "-c", "while :; do :; done"])
    try:
        yield
    finally:
        program.kill()
        program.wait()


def rate_for(server, a, seconds):
    """Tokens/s of short answers, one after the other; the first may still be of what was before."""
    end_s, speeds = time.perf_counter() + seconds, []
    while len(speeds) < 2 or time.perf_counter() < end_s:
        speeds.append(client.complete(server.base, f"{STORY} Begin with {len(speeds)}.", a.tokens).tokens_per_second)
    return statistics.median(speeds[1:])


def busy_raw(a, rows):
    """The raw engine with one thread, all, and all but one: beside nothing, and beside another program."""
    counts = sorted({1, max(a.peer_threads - 1, 1), a.peer_threads})
    for threads in counts:
        rows.add(**{f"quiet: raw, {threads} threads": servers.raw_speed(a.model, a.tokens, threads)})
        with busy_core():
            rows.add(**{f"busy: raw, {threads} threads": servers.raw_speed(a.model, a.tokens, threads)})
    rows.add(**{"busy: best of raw": max(rows[f"busy: raw, {threads} threads"][-1] for threads in counts)})


def busy(a):
    """One answer at a time, while another program comes, keeps one core busy, and goes."""
    rows = Rows()
    for _ in range(a.rounds):
        busy_raw(a, rows)
        for name, start in sides(a):
            with started(start) as server:
                rows.add(**{f"quiet: {name}": rate_for(server, a, a.phase_s)})
                with busy_core():
                    rows.add(**{f"busy: {name}": rate_for(server, a, a.phase_s)})
                rows.add(**{f"quiet again: {name}": rate_for(server, a, a.phase_s)})
                rows.ratio(f"busy: {name}", "busy: best of raw")
    return rows


def two(a):
    """Two servers of the same kind on one machine, one stream each, against one alone."""
    rows = Rows()
    for _ in range(a.rounds):
        for name, start in sides(a):
            with started(start) as one, started(start) as other:
                alone = client.complete(one.base, STORY, a.tokens)
                answers = [client.Answer(server.base, STORY, 2 * a.tokens) for server in (one, other)]
                client.read(answers)
                rows.add(**{f"{name} alone": alone.tokens_per_second, f"{name} both": client.speed_of(answers)})
                rows.ratio(f"{name} both", f"{name} alone")
    return rows


TRACE = re.compile(r"\[(ENGINE|GENERATION|OPENAI)\] token #?(?:\d+ )?(sampled|committed|sent) .*?seq=(\d+).*?t_ns=(\d+)")


def read_trace(path):
    """{station: {seq: t_ns}} of the last generation in the log."""
    stations = {"sampled": {}, "committed": {}, "sent": {}}
    for line in pathlib.Path(path).read_text().splitlines():
        found = TRACE.search(line)
        if found:
            stations[found[2]][int(found[3])] = int(found[4])
    return stations


def percentile(values, p):
    return sorted(values)[min(len(values) - 1, int(round(p / 100 * (len(values) - 1))))]


def delay(a):
    """From the engine's sampling to the commit and to the socket, ms: with every core computing, and with one core free."""
    rows = Rows()
    for name, threads in (("saturated", a.peer_threads), ("one core free", max(1, a.peer_threads - 1))):
        for _ in range(a.rounds):
            with tempfile.NamedTemporaryFile(suffix=".log") as log:
                with started(lambda: servers.runnel(a.model, threads, "debug", log)) as server:
                    client.complete(server.base, STORY, a.tokens)
                at = read_trace(log.name)
            for station in ("committed", "sent"):
                took = [(at[station][seq] - at["sampled"][seq]) / 1e6 for seq in at[station] if seq in at["sampled"]]
                rows.add(**{f"{name}: to {station} p50": percentile(took, 50), f"{name}: to {station} p99": percentile(took, 99)})
    return rows


def start(a):
    """From nothing to the first token, and the memory that it takes."""
    rows = Rows()
    for _ in range(a.rounds):
        for name, begin in sides(a):
            with begin() as server:
                rows.add(**{f"{name}: listening ms": server.started_s * 1e3})
                answer = client.complete(server.base, STORY, 16)
                rows.add(**{f"{name}: first token ms": (answer.at_s[0] - server.begin_s) * 1e3,
                            f"{name}: server MB": servers.rss_mb(server.process.pid)})
                engines = server.engines()
                if engines != [server.process.pid]:
                    rows.add(**{f"{name}: engine MB": sum(map(servers.rss_mb, engines))})
    return rows


def depth(a):
    """Milliseconds per token of one stream, by the length of its conversation."""
    rows = Rows()
    n_tokens = min(a.tokens, 64)
    for tokens in a.depths:
        rows.add(**{f"{tokens}: raw ms": 1e3 / servers.raw_speed(a.model, n_tokens, a.peer_threads, depth=tokens)})
    for name, begin in sides(a):
        with started(begin) as server:
            for tokens in a.depths:
                answer = client.complete(server.base, long_text(max(tokens - 40, 0)), n_tokens)
                rows.add(**{f"{tokens}: {name} ms": 1e3 / answer.tokens_per_second})
                rows.ratio(f"{tokens}: {name} ms", f"{tokens}: raw ms")
    return rows


def speculation(a):
    """Answers that repeat what they were given, and one that does not: with guesses where they pay, with guesses everywhere, and without."""
    rows = Rows()
    for _ in range(a.rounds):
        for when in ("off", "auto", "always"):
            with started(lambda: servers.runnel(a.model, a.threads, options=("--speculation", when))) as server:
                for name, text in TEXTS.items():
                    rows.add(**{f"{name}: {when}": client.complete(server.base, text, a.tokens).tokens_per_second})
        for name in TEXTS:
            rows.ratio(f"{name}: auto", f"{name}: off")
            rows.ratio(f"{name}: always", f"{name}: off")
    return rows


ALL = {scenario.__name__: scenario for scenario in (solo, streams, mixed, turns, cancel, busy, two, delay, start, depth, speculation, watchers)}
