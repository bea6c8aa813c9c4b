"""runnel bench: figures of the machine, and what they mean."""

import json

import pytest

from harness.command import run


def bench(tale, *more):
    return run("bench", tale.path, "--engine", "fake", *more)


def test_the_figures_as_json(script):
    done = bench(script(name="model", token_ms=5, count=500, memory_mb=100, prefill_chunk=100, prefill_ms=100), "--json")
    assert done.returncode == 0, done
    figures = json.loads(done.stdout)
    assert figures["model"]["name"] == "model" and figures["model"]["path"].endswith("model.json")
    assert 20 < figures["one_stream"]["tokens_per_second"] < 201, "a token every 5 ms"
    several = figures["several_streams"]
    assert several["streams"] == 4 and several["tokens_per_second"] > 2 * figures["one_stream"]["tokens_per_second"]
    prompt = figures["prompt"]
    assert prompt["tokens"] > 400 and prompt["tokens_per_second"] < 1100, "100 tokens in 100 ms"
    assert prompt["first_token_s"] > 0.4 and figures["first_token_s"] > 0 and figures["load_s"] > 0
    assert 100 < figures["memory_mb"] < figures["available_mb"]
    assert figures["advice"][0].split(":")[0] in ("Fast", "Good enough")


def test_the_figures_for_people(script):
    script(name="other")
    tale = script(name="model", count=500, token_ms=1)
    done = run("bench", "model", "--models", tale.folder, "--engine", "fake")
    assert done.returncode == 0 and done.stderr == "", done
    lines = done.stdout.splitlines()
    assert lines[0] == str(tale.path)
    for word in ("one answer", "4 answers at once", "reading a prompt", "first token", "load", "memory"):
        assert any(line.startswith(word) for line in lines), word
    assert lines[-1].endswith(".")


@pytest.mark.parametrize(
    "fields, words",
    [
        ({"load_error": {"code": "no_memory", "text": "not enough memory for it"}}, "not enough memory for it"),
        ({"at": [{"token": 2, "do": "exit"}]}, "the engine stopped"),
        ({"at": [{"token": 2, "do": "error"}]}, "the script says"),
    ],
)
def test_without_figures_one_line_says_why(script, fields, words):
    tale = script(count=500)
    tale.path.write_text(json.dumps({**tale.fields, **fields}))
    done = bench(tale)
    lines = done.stderr.strip().splitlines()
    assert done.returncode == 2 and done.stdout == "", done
    assert lines[-1].startswith("runnel: ") and words in lines[-1], done


def test_a_model_that_is_not_there(tmp_path):
    done = run("bench", "nothing", "--models", tmp_path)
    assert done.returncode == 2 and 'no model "nothing"' in done.stderr and str(tmp_path) in done.stderr
    done = run("bench", "--models", tmp_path)
    assert done.returncode == 2 and "put a .gguf file into" in done.stderr
