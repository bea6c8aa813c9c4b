"""What every streaming door has in common, seen through the official client of each: pieces come when they are said, whole characters, exact counts, and an
end with the client. [O4] [O5] [O12] [W77] [W82] [W85]"""

import anthropic
import ollama
import openai
import pytest

from harness.wait import wait_until

WORDS = [" one", " two", " three"]
# Each token is one byte: an astronaut of three code points, Han, a letter with a stroke.
TEXT = "👩‍🚀 漢字 ø!"


def of_chat(server, model, question, counts):
    client = openai.OpenAI(base_url=f"{server.url}/v1", api_key="none", max_retries=0)
    asked = {"messages": [{"role": "user", "content": question}], "stream_options": {"include_usage": True}}
    with client.chat.completions.create(model=model, stream=True, **asked) as stream:
        for chunk in stream:
            if chunk.usage:
                counts += [chunk.usage.prompt_tokens, chunk.usage.completion_tokens]
            elif chunk.choices[0].delta.content:
                yield chunk.choices[0].delta.content


def of_completions(server, model, question, counts):
    client = openai.OpenAI(base_url=f"{server.url}/v1", api_key="none", max_retries=0)
    asked = {"prompt": question, "max_tokens": 90000, "stream_options": {"include_usage": True}}
    with client.completions.create(model=model, stream=True, **asked) as stream:
        for chunk in stream:
            if chunk.usage:
                counts += [chunk.usage.prompt_tokens, chunk.usage.completion_tokens]
            elif chunk.choices[0].text:
                yield chunk.choices[0].text


def of_responses(server, model, question, counts):
    client = openai.OpenAI(base_url=f"{server.url}/v1", api_key="none", max_retries=0)
    with client.responses.create(model=model, input=question, stream=True, store=False) as stream:
        for event in stream:
            if event.type == "response.output_text.delta":
                yield event.delta
            elif event.type == "response.completed":
                counts += [event.response.usage.input_tokens, event.response.usage.output_tokens]


def of_messages(server, model, question, counts):
    client = anthropic.Anthropic(base_url=server.url, api_key="none", max_retries=0)
    asked = {"messages": [{"role": "user", "content": question}], "max_tokens": 90000}
    with client.messages.stream(model=model, **asked) as stream:
        yield from stream.text_stream
        usage = stream.get_final_message().usage
        counts += [usage.input_tokens, usage.output_tokens]


def of_ollama(server, model, question, counts):
    for part in ollama.Client(server.ollama_url).chat(model, [{"role": "user", "content": question}], stream=True):
        if part.done:
            counts += [part.prompt_eval_count, part.eval_count]
        else:
            yield part.message.content


DOORS = {"chat": of_chat, "completions": of_completions, "responses": of_responses, "messages": of_messages, "ollama": of_ollama}


@pytest.fixture(scope="module")
def server(server_of):
    server = server_of(
        {
            "gated": {"tokens": WORDS},
            "bytes": {"tokens": [{"hex": f"{byte:02x}"} for byte in TEXT.encode()], "prompt_tokens": 7},
            "slow": {"tokens": [" word"], "count": 100000, "token_ms": 50},
        }
    )
    for name in DOORS:
        server.scripts["gated"].gate_all(when=f"by {name}.")
    return server


@pytest.mark.parametrize("name", DOORS)
def test_a_token_is_there_before_the_next_one_is_made(server, name):
    gated, counts = server.scripts["gated"], []
    pieces = DOORS[name](server, "gated", f"Say it by {name}.", counts)
    for number, word in enumerate(WORDS, 1):
        gated.open(number, when=f"by {name}.")
        assert next(pieces) == word
    assert counts == []
    gated.open(len(WORDS) + 1, when=f"by {name}.")
    assert list(pieces) == [] and counts == [4, 3]


@pytest.mark.parametrize("name", DOORS)
def test_o12_characters_are_whole_and_every_token_is_counted(server, name):
    counts = []
    pieces = list(DOORS[name](server, "bytes", "Hi", counts))
    assert pieces == list(TEXT) and counts == [7, len(TEXT.encode())]


@pytest.mark.parametrize("name", DOORS)
def test_o5_who_goes_away_in_the_middle_frees_the_engine(server, name):
    pieces = DOORS[name](server, "slow", "Hi", [])
    assert next(pieces) == " word"
    assert server.n_running() == 1
    pieces.close()
    wait_until(lambda: server.n_running() == 0)
