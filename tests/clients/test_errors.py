"""[O3] [W81] [W85] what goes wrong is the exception that the official client has for it, with its words: clients decide by the type whether to try again."""

import anthropic
import ollama
import openai
import pytest

from harness.keys import add_key

HELLO = [{"role": "user", "content": "Hi"}]
TOKEN = "a token of a person"


@pytest.fixture(scope="module")
def server(server_of):
    broken = {"code": "model_corrupt", "text": "it is cut short"}
    return server_of({"plain": {"tokens": ["a"], "context_size": 64}, "broken": {"tokens": ["a"], "load_error": broken}}, env={"RUNNEL_TOKEN": TOKEN})


@pytest.fixture(scope="module")
def keys(server):
    return {"chat": TOKEN, "wrong": "x" * 40, "read": add_key(server, "read", "--scope", "read")}


def by_openai(server, key):
    client = openai.OpenAI(base_url=f"{server.url}/v1", api_key=key, max_retries=0)
    return openai, lambda model="plain", **fields: client.chat.completions.create(model=model, **{"messages": HELLO, **fields})


def by_responses(server, key):
    client = openai.OpenAI(base_url=f"{server.url}/v1", api_key=key, max_retries=0)

    def ask(model="plain", messages=HELLO, **fields):
        return client.responses.create(model=model, input=messages, **fields)

    return openai, ask


def by_anthropic(server, key):
    client = anthropic.Anthropic(base_url=server.url, api_key=key, max_retries=0)
    return anthropic, lambda model="plain", **fields: client.messages.create(model=model, **{"max_tokens": 5, "messages": HELLO, **fields})


LIBRARIES = pytest.mark.parametrize("by", [by_openai, by_responses, by_anthropic])


@LIBRARIES
def test_a_wrong_value_a_name_that_is_not_there_and_a_prompt_that_does_not_fit(server, keys, by):
    library, ask = by(server, keys["chat"])
    for stream in (False, True):
        with pytest.raises(library.BadRequestError, match="temperature"):
            ask(stream=stream, extra_body={"temperature": 7})
        with pytest.raises(library.NotFoundError, match="none"):
            ask("none", stream=stream)
        with pytest.raises(library.BadRequestError, match="context"):
            ask(stream=stream, messages=[{"role": "user", "content": "word " * 200}])


@LIBRARIES
def test_keys_that_are_wrong_may_too_little_or_too_much(server, keys, by):
    library, ask = by(server, keys["wrong"])
    with pytest.raises(library.AuthenticationError):
        ask()
    library, ask = by(server, keys["read"])
    with pytest.raises(library.PermissionDeniedError):
        ask()
    key = add_key(server, f"slow{by.__name__}", "--rate", "1/h")
    library, ask = by(server, key)
    ask()
    with pytest.raises(library.RateLimitError) as caught:
        ask()
    assert int(caught.value.response.headers["Retry-After"]) > 0


@LIBRARIES
def test_a_model_that_cannot_be_loaded_is_the_servers_affair(server, keys, by):
    library, ask = by(server, keys["chat"])
    with pytest.raises(library.InternalServerError, match="cut short"):
        ask("broken")


def test_w85_ollamas_client_has_the_status_and_the_words(server, keys):
    headers = lambda key: {"Authorization": f"Bearer {keys[key]}"}  # noqa: E731
    client = ollama.Client(server.ollama_url, headers=headers("chat"))
    cases = [
        (400, "temperature", lambda: client.chat("plain", HELLO, options={"temperature": 7})),
        (404, "none", lambda: client.chat("none", HELLO)),
        (500, "cut short", lambda: client.chat("broken", HELLO)),
        (401, "key", lambda: ollama.Client(server.ollama_url, headers=headers("wrong")).chat("plain", HELLO)),
        (403, "key", lambda: ollama.Client(server.ollama_url, headers=headers("read")).chat("plain", HELLO)),
    ]
    for status, words, ask in cases:
        with pytest.raises(ollama.ResponseError, match=words) as caught:
            ask()
        assert caught.value.status_code == status
