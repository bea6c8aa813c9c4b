"""[E51]: the engine shuts itself in, and answers as before."""

from pathlib import Path

import pytest
from engine_driver import Engine, generate, model_path
from tiny_gguf import tiny_model

pytestmark = pytest.mark.real


def status_of(engine, name):
    lines = Path(f"/proc/{engine.process.pid}/status").read_text().splitlines()
    return next(line.split()[1] for line in lines if line.startswith(name + ":"))


@pytest.fixture(autouse=True)
def sandbox_is_possible(require_llama):
    with Engine("llama", "--sandbox") as engine:
        engine.send({"op": "ping", "n": 1})
        engine.until_ev("pong")
        if "sandbox files=" not in engine.read_log():
            pytest.skip("a build with a sanitizer, or a kernel without the means")


def test_what_it_says_in_the_sandbox_is_what_it_says_outside():
    said = []
    for arguments in ([], ["--sandbox", "--read", str(model_path())]):
        with Engine("llama", *arguments) as engine:
            engine.load(model_path(), context_size=1024, slots=2)
            engine.send(generate("g", "Name three rivers.", max_tokens=12, sampling={"sampler_type": "Greedy"}))
            assert engine.end_of("g")["reason"] in ("stop", "length")
            said.append(engine.tokens("g"))
            if arguments:
                assert status_of(engine, "Seccomp") == "2" and status_of(engine, "NoNewPrivs") == "1"
    assert said[0] == said[1]


def test_a_model_that_it_was_not_given_is_out_of_reach(tmp_path):
    path = tmp_path / "other.gguf"
    path.write_bytes(tiny_model()[0])
    with Engine("llama", "--sandbox", "--read", str(model_path())) as engine:
        engine.send({"op": "inspect", "model": str(path)})
        failed = engine.until(lambda event: event["ev"] in ("failed", "inspect"))
        assert failed["ev"] == "failed" and failed["error"]["code"] == "model_not_found"
        assert "ermission denied" in failed["error"]["text"] and path.name in failed["error"]["text"]


def test_without_the_means_it_says_so_and_goes_on(tmp_path):
    """An older kernel, or a container that forbids it: here the folder that it may write to cannot be made."""
    with Engine("llama", "--sandbox", "--read", str(model_path()), "--write", str(tmp_path / "no" / "folder")) as engine:
        engine.send({"op": "inspect", "model": str(model_path())})
        assert engine.until_ev("inspect")
        log = engine.read_log()
        assert log.count("shuts the engine in only in part: files: No such file or directory; system calls: yes") == 1
        assert status_of(engine, "Seccomp") == "2"


def test_it_ends_by_itself_in_the_sandbox():
    with Engine("llama", "--sandbox", "--read", str(model_path())) as engine:
        engine.load(model_path(), context_size=256, slots=1)
        engine.send({"op": "unload"})
        assert engine.wait_exit() == 0
