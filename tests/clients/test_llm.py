"""A real program of a terminal, `llm`, as docs/clients.md has its commands: words come when they are said, conversations go on, and a stopped one frees the engine."""

import os
import pathlib
import signal
import subprocess
import sys

import pytest

from harness.wait import wait_until

WORDS = [" one", " two", " three"]
OWN_MODEL = """
- model_id: runnel
  model_name: gated
  api_base: "{url}/v1"
  supports_schema: true
"""


@pytest.fixture(scope="module")
def server(server_of):
    server = server_of(
        {
            "gated": {"tokens": WORDS, "answers": [{"when": "again", "tokens": [" four"]}, {"when": "a dog", "tokens": ['{"name":', ' "Luna",', ' "age": 10}']}]},
            "slow": {"tokens": [" word"], "count": 100000, "token_ms": 50},
        }
    )
    for kind in ("chat", "responses", "own", "ollama"):
        server.scripts["gated"].gate_all(when=f"by {kind}.")
    return server


@pytest.fixture
def llm(server, tmp_path):
    """Starts the program, whose files are in a folder of this test."""
    (tmp_path / "extra-openai-models.yaml").write_text(OWN_MODEL.format(url=server.url))
    env = {**os.environ, "LLM_USER_PATH": str(tmp_path), "OPENAI_API_KEY": "none", "OLLAMA_HOST": server.ollama_url, "PYTHONUNBUFFERED": "1"}
    started = []

    def start(*arguments):
        command = [pathlib.Path(sys.executable).parent / "llm", *arguments]
        started.append(subprocess.Popen(command, env=env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE))
        return started[-1]

    yield start
    for program in started:
        program.kill()
        program.communicate()


def whole(program):
    out, error = program.communicate(timeout=60)
    assert program.returncode == 0, error.decode()
    return out.decode()


def endpoint(server):
    return ["openai", "endpoint", f"{server.url}/v1"]


def test_llm_lists_the_models(server, llm):
    assert {"gated", "slow"} <= set(whole(llm(*endpoint(server), "--models")).split())


@pytest.mark.parametrize(
    "kind, more",
    [
        ("chat", ["openai", "endpoint", "URL", "-m", "gated"]),
        ("responses", ["openai", "endpoint", "URL", "-m", "gated", "--responses"]),
        ("own", ["-m", "runnel"]),
        ("ollama", ["-m", "ollama/gated"]),
    ],
)
def test_llm_prints_a_word_before_the_next_one_is_made(server, llm, kind, more):
    url = f"{server.url}/v1"
    program = llm(*[url if word == "URL" else word for word in more], f"Say it by {kind}.")
    gated = server.scripts["gated"]
    for number, word in enumerate(WORDS, 1):
        gated.open(number, when=f"by {kind}.")
        assert program.stdout.read(len(word)).decode() == word
    gated.open(len(WORDS) + 1, when=f"by {kind}.")
    assert whole(program).strip() == ""


def test_llm_goes_on_with_a_conversation(llm):
    assert whole(llm("-m", "runnel", "Say it.")).strip() == "one two three"
    assert whole(llm("-c", "And again?")).strip() == "four"
    logs = whole(llm("logs", "-n", "1", "--usage"))
    assert "And again?" in logs and "four" in logs


def test_llm_gets_an_answer_of_its_schema(server, llm):
    assert whole(llm(*endpoint(server), "-m", "gated", "--schema", "name, age int", "Invent a dog.")).strip() == '{"name": "Luna", "age": 10}'


def test_llm_says_what_is_wrong(server, llm):
    program = llm(*endpoint(server), "-m", "nobody", "Hello")
    _, error = program.communicate(timeout=60)
    assert program.returncode != 0 and "nobody" in error.decode()


def test_llm_that_is_stopped_frees_the_engine(server, llm):
    program = llm(*endpoint(server), "-m", "slow", "Go on.")
    assert program.stdout.read(5) == b" word"
    assert server.n_running() == 1
    program.send_signal(signal.SIGINT)
    wait_until(lambda: server.n_running() == 0)
