"""Official clients against a server with the scripted engine."""

import openai
import pytest

WEATHER = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
# A thought, a text in which a character is cut, and a call.
TOKENS = [
    {"reasoning": "Hm,"},
    {"reasoning": " Bern.", "text": "I"},
    " ask",
    {"hex": "c3"},
    {"hex": "a4"},
    {"tool": {"index": 0, "id": "call_1", "name": "get_weather"}},
    {"tool": {"index": 0, "arguments": '{"city":'}},
    {"tool": {"index": 0, "arguments": ' "Bern"}'}},
]
ARGUMENTS = '{"city": "Bern"}'


@pytest.fixture
def server(serve, script):
    return serve(script(tokens=TOKENS, prompt_tokens=5))


@pytest.fixture
def plain(serve, script):
    """Says " one two three" and nothing else."""
    return serve(script(tokens=[" one", " two", " three"], prompt_tokens=5))


@pytest.fixture
def slow(serve, script):
    """Says words, for as long as anybody wants."""
    return serve(script(tokens=[" word"], count=100000, token_ms=5, prompt_tokens=5))


@pytest.fixture
def client_of():
    """Makes clients of OpenAI's library."""

    def make(server, kind=openai.OpenAI, **options):
        return kind(base_url=f"{server.url}/v1", api_key="none", max_retries=0, **options)

    return make
