"""[O13] an answer that the caller has begun: a last message of the assistant is gone on with, through each client."""

import anthropic
import ollama
import pytest

QUESTION = {"role": "user", "content": "one two"}
BEGUN = {"role": "assistant", "content": "alpha beta gamma"}
SAID = [" delta", " epsilon"]


@pytest.fixture(scope="module")
def server(server_of):
    """Says SAID where the question is the last message, and something else where it is not; counts the words of the prompt."""
    return server_of({"m": {"tokens": ["answered"], "answers": [{"when": "one two", "tokens": SAID}]}})


def test_o13_openai(server, client_of):
    client = client_of(server)
    answer = client.chat.completions.create(model="m", messages=[QUESTION, BEGUN], stop=["gamma"])
    assert answer.choices[0].message.content == "".join(SAID)
    assert answer.usage.prompt_tokens == 5
    parts = [{"type": "text", "text": "alpha beta"}, {"type": "text", "text": " gamma"}]
    stream = client.chat.completions.create(model="m", messages=[QUESTION, {**BEGUN, "content": parts}], stream=True)
    assert "".join(chunk.choices[0].delta.content or "" for chunk in stream) == "".join(SAID)


def test_o13_anthropic(server):
    client = anthropic.Anthropic(base_url=server.url, api_key="none", max_retries=0)
    answer = client.messages.create(model="m", max_tokens=9, messages=[QUESTION, BEGUN])
    assert answer.content[0].text == "".join(SAID)
    counted = client.messages.count_tokens(model="m", messages=[QUESTION, BEGUN])
    assert counted.input_tokens == answer.usage.input_tokens == 5


def test_o13_ollama(server):
    answer = ollama.Client(host=server.ollama_url).chat(model="m", messages=[QUESTION, BEGUN])
    assert answer.message.content == "".join(SAID)
    assert answer.prompt_eval_count == 5


@pytest.mark.parametrize(
    "last",
    [
        {"role": "assistant", "content": ""},
        {"role": "assistant", "content": None, "tool_calls": [{"id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}}]},
    ],
)
def test_o13_what_has_no_text_is_answered(server, client_of, last):
    answer = client_of(server).chat.completions.create(model="m", messages=[QUESTION, last])
    assert answer.choices[0].message.content == "answered"


def test_o13_what_is_kept_is_answered(server, client_of):
    answer = client_of(server).chat.completions.create(model="m", messages=[QUESTION, BEGUN], store=True)
    assert answer.choices[0].message.content == "answered"


def test_e56_the_template_ends_with_it(server):
    answer = server.post("/apply-template", {"messages": [QUESTION, BEGUN]})
    assert answer.json()["prompt"] == "user: one two\nalpha beta gamma"
