"""[W113] [W114] each row of the server's own list (`runnel fields`), sent: what is done looks at its value, what is ignored is told, what is refused is named."""

import json

import httpx
import pytest

from harness.command import run

HELLO = [{"role": "user", "content": "Hi"}]
# A request that is good, and a value that is good for nothing.
BODIES = {
    "POST /v1/chat/completions": {"messages": HELLO},
    "POST /v1/completions": {"prompt": "Hi"},
    "POST /completion": {"prompt": "Hi"},
    "POST /infill": {"input_prefix": "a", "input_suffix": "b"},
    "POST /v1/responses": {"input": "Hi", "store": False},
    "POST /v1/messages": {"messages": HELLO, "max_tokens": 5, "thinking": {"type": "disabled"}},
    "POST /api/chat": {"model": "default", "messages": HELLO, "stream": False},
    "POST /api/generate": {"model": "default", "prompt": "Hi", "stream": False},
    "POST /v1/embeddings": {"input": "Hi"},
    "POST /api/embed": {"model": "default", "input": "Hi"},
    "POST /api/embeddings": {"model": "default", "prompt": "Hi"},
    "POST /api/pull": {"model": "default", "stream": False},
}
WRONG = [[0]]
# Where that is good for something.
WRONGS = {**{(f"POST {path}", "prompt"): [[-1]] for path in ("/v1/completions", "/completion")}, ("POST /v1/embeddings", "input"): [[-1]], ("POST /api/embed", "input"): [[-1]]}
FIELDS = [(request["request"], field) for request in json.loads(run("fields").stdout) for field in request["fields"]]


@pytest.fixture(scope="module")
def ask(server_of):
    """Asks on the port where all of them are."""
    server = server_of({"plain": {"tokens": [" one", " two"]}})

    def post(request, *names, value=WRONG):
        body = dict(BODIES[request])
        for name in names:
            outer, _, inner = name.partition(".")
            body[outer] = {**body.get(outer, {}), inner: value} if inner else value
        return client.post(request.removeprefix("POST "), json=body)

    with httpx.Client(base_url=server.ollama_url, timeout=60, trust_env=False) as client:
        yield post


def error_of(answer):
    error = answer.json()["error"]
    return error if isinstance(error, str) else f"{error['message']} {error.get('param')}"


@pytest.mark.parametrize(("request_", "field"), FIELDS, ids=lambda part: part["name"] if isinstance(part, dict) else part[5:])
def test_w113_every_field_is_treated_as_it_is_listed(ask, request_, field):
    answer = ask(request_, field["name"], value=WRONGS.get((request_, field["name"]), WRONG))
    if field["use"] == "ignored":
        assert answer.status_code == 200, answer.text
        assert answer.headers["X-Runnel-Ignored"] == field["name"]
    else:
        assert answer.status_code == 400, answer.text
        assert field["name"].rpartition(".")[2].partition("_to")[0] in error_of(answer)


def test_w113_what_says_nothing_counts_as_absent(ask):
    for request, field in FIELDS:
        if field["use"] == "refused":
            for nothing in (None, False, "", []):
                answer = ask(request, field["name"], value=nothing)
                assert answer.status_code == 200, (request, field, nothing, answer.text)
        elif field["only"]:
            assert ask(request, field["name"], value=json.loads(field["only"])).status_code == 200, field


def test_w114_names_that_nobody_knows_are_told(ask):
    request = "POST /v1/chat/completions"
    assert "X-Runnel-Ignored" not in ask(request).headers
    assert ask(request, "tempratur", "user").headers["X-Runnel-Ignored"] == "tempratur, user"
    assert ask("POST /api/chat", "options.mirostat").headers["X-Runnel-Ignored"] == "options.mirostat"
    # What a header cannot say is left out; so is what is more than twenty.
    assert "X-Runnel-Ignored" not in ask(request, "a\r\nX-Evil: 1", "ä", "", "n" * 64).headers
    many = ask(request, *(f"field{number}" for number in range(30))).headers["X-Runnel-Ignored"]
    assert many == ", ".join(f"field{number}" for number in range(20))


def test_w114_a_stream_tells_it_too(ask):
    answer = ask("POST /v1/messages", "stream", "metadata", value=True)
    assert answer.headers["Content-Type"].startswith("text/event-stream") and answer.headers["X-Runnel-Ignored"] == "metadata"
