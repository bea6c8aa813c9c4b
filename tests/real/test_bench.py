"""The benchmark (bench/): its smoke run gives every row, and wrong usage says what to do."""

import json
import math
import os
import subprocess
import sys

import pytest
from harness.server import ROOT

pytestmark = [pytest.mark.real, pytest.mark.timeout(600)]

# A row of each scenario that compares, or that the rest hangs on.
ROWS = {
    "solo": ["raw", "runnel", "runnel ttft ms", "runnel / raw", "no guesses / raw"],
    "streams": ["1: runnel / 1: raw", "3: raw, a cache for each", "3: runnel / 3: raw", "3: runnel worst ttft ms"],
    "mixed": ["runnel longest gap ms", "runnel ttft ms"],
    "turns": ["1st turn: runnel ttft ms", "after a restart: runnel ttft ms"],
    "cancel": ["decode: runnel ms until idle", "prefill: runnel ms until idle"],
    "busy": ["quiet: raw, 1 threads", "busy: runnel / busy: best of raw", "quiet again: runnel"],
    "two": ["runnel alone", "runnel both"],
    "delay": ["saturated: to committed p50", "one core free: to sent p99"],
    "start": ["runnel: listening ms", "runnel: first token ms", "runnel: server MB", "runnel: engine MB"],
    "speculation": ["quote: auto / quote: off", "prose: always / prose: off"],
    "watchers": ["3: p99 ms", "3, one more stalled: tokens/s", "kB of each who waits"],
    "depth": ["0: runnel ms / 0: raw ms", "200: runnel ms"],
}


def bench(*arguments):
    command = [sys.executable, ROOT / "bench" / "bench.py", *arguments]
    return subprocess.run(list(map(str, command)), capture_output=True, text=True)


def test_every_scenario_gives_its_rows(model, tmp_path):
    saved = tmp_path / "saved.json"
    done = bench("--quick", "--model", model, "--save", saved)
    assert done.returncode == 0, done.stderr
    results = json.loads(done.stdout.splitlines()[-1])
    assert {name: [row for row in rows if row not in results[name]] for name, rows in ROWS.items()} == {name: [] for name in ROWS}
    assert set(results) == set(ROWS)
    for name, rows in results.items():
        assert rows == json.loads(saved.read_text())[model.name][name]["rows"]
        for row, figures in rows.items():
            assert len(figures) == 3 and all(math.isfinite(figure) and figure >= 0 for figure in figures), (name, row)
            assert f"  {row} " in done.stdout


def test_results_of_other_runs_are_kept(model, tmp_path):
    saved = tmp_path / "saved.json"
    saved.write_text(json.dumps({"other.gguf": {"solo": {"rows": {}}}, model.name: {"depth": {"rows": {}}}}))
    assert bench("start", "--quick", "--model", model, "--save", saved).returncode == 0
    kept = json.loads(saved.read_text())
    assert set(kept) == {"other.gguf", model.name} and set(kept[model.name]) == {"depth", "start"}


@pytest.mark.parametrize(
    "arguments, wanted",
    [
        (["fast"], "fast: no such scenario; there are solo"),
        (["--model", "nowhere.gguf"], "no model at nowhere.gguf"),
        (["--model", "{model}", "--peer", "nowhere"], "--peer nowhere is no program"),
        (["--model", "{model}", "--rounds", "0"], "--rounds is at least 1"),
        (["--model", "{model}", "--save", "/nowhere/rows.json"], "nothing can be written there"),
        (["--model", "{readme}", "--quick", "solo"], "failed to load model"),
        (["--model", "{readme}", "--quick", "solo", "--q4_0"], "could not be written in Q4_0"),
    ],
)
def test_wrong_usage_says_what_to_do(model, arguments, wanted):
    names = {"model": model, "readme": ROOT / "README.md"}
    done = bench(*(argument.format(**names) for argument in arguments))
    assert done.returncode != 0
    assert wanted in done.stderr and "Traceback" not in done.stderr
