"""A model that fits, one that nearly does, and one that cannot (docs/engine-protocol.md, [E34])."""

import re
import subprocess
from pathlib import Path

import pytest
from engine_driver import generate, model_path

pytestmark = pytest.mark.real

MB = 1_000_000


def leave(engine, n_bytes):
    """From now on the engine may map so much more."""
    status = Path(f"/proc/{engine.process.pid}/status").read_text()
    used = int(re.search(r"VmSize:\s+(\d+) kB", status).group(1)) * 1024
    subprocess.run(["prlimit", f"--pid={engine.process.pid}", f"--as={used + n_bytes}"], check=True)


def load(engine, **options):
    engine.send({"op": "load", "model": str(model_path()), "options": {"threads": 1, **options}})
    return engine.until(lambda event: event is None or event["ev"] in ("ready", "failed"))


def test_what_was_chosen_is_said(llama):
    """[E34]"""
    memory = load(llama, context_size=2048)["memory"]
    assert memory["kv_type"] == "f16" and memory["flash_attention"] == "on" and memory["gpu_layers"] == 0
    assert 40 * MB < memory["kv_bytes"] < 60 * MB and memory["available_bytes"] > 100 * MB


def test_a_model_that_cannot_fit_is_refused_before_it_is_loaded(llama):
    """[E34]: with what it needs and what there is; the weights are not touched."""
    leave(llama, 380 * MB)
    failed = load(llama)
    assert failed["ev"] == "failed" and failed["error"]["code"] == "no_memory"
    text = failed["error"]["text"]
    assert re.search(r"context of \d+ tokens needs 0\.\d\d GB of memory, and 0\.\d\d GB can be had: choose", text)
    assert not [event for event in llama.events if event["ev"] == "load" and event["progress"] > 0]
    assert llama.wait_exit() == 0


def test_a_model_that_is_larger_than_the_memory_is_refused_at_once(llama):
    """[E34]"""
    leave(llama, 120 * MB)
    assert load(llama)["error"]["code"] == "no_memory"
    assert llama.wait_exit() == 0


def test_a_context_that_is_asked_for_is_not_made_smaller(llama):
    """[E34]"""
    leave(llama, 560 * MB)
    error = load(llama, context_size=8192, kv_type="f16")["error"]
    assert error["code"] == "no_memory" and "8192 tokens needs 0.38 GB" in error["text"]


def test_with_little_memory_the_cache_is_smaller(llama):
    """[E34]: 8 bits first, then fewer tokens."""
    leave(llama, 630 * MB)
    ready = load(llama)
    assert ready["ev"] == "ready" and ready["memory"]["kv_type"] == "q8_0"
    assert ready["model"]["context_size"] == 8192
    llama.send(generate("g", "Say hello.", max_tokens=4))
    assert llama.end_of("g")["reason"] in ("stop", "length")


def test_with_very_little_memory_the_context_is_smaller(llama):
    """[E34]"""
    leave(llama, 535 * MB)
    ready = load(llama)
    assert ready["ev"] == "ready" and ready["model"]["context_size"] in (2048, 4096)
    llama.send(generate("g", "Say hello.", max_tokens=4))
    assert llama.end_of("g")["reason"] in ("stop", "length")


def test_wishes_that_exclude_each_other_are_refused(llama):
    """[E34]"""
    error = load(llama, kv_type="q8_0", flash_attention="off")["error"]
    assert error["code"] == "bad_request" and "flash attention" in error["text"]
