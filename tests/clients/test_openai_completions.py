"""[W73] POST /v1/completions, with OpenAI's own client."""

import openai
import pytest


def test_w73_a_text_goes_on(plain, client_of):
    answer = client_of(plain).completions.create(model="default", prompt="Once", max_tokens=2)
    assert answer.object == "text_completion" and answer.id.startswith("cmpl-")
    assert answer.choices[0].text == " one two" and answer.choices[0].finish_reason == "length"
    assert (answer.usage.prompt_tokens, answer.usage.completion_tokens, answer.usage.total_tokens) == (5, 2, 7)


def test_w73_the_default_limit_is_16_tokens(slow, client_of):
    assert client_of(slow).completions.create(model="default", prompt="Once").usage.completion_tokens == 16


def test_w73_a_stream_says_the_same(plain, client_of):
    chunks = list(
        client_of(plain).completions.create(
            model="default", prompt=["Once"], max_tokens=9, stream=True, stream_options={"include_usage": True}
        )
    )
    *said, last = chunks
    assert "".join(chunk.choices[0].text for chunk in said) == " one two three"
    assert said[-1].choices[0].finish_reason == "stop" and last.choices == [] and last.usage.completion_tokens == 3


def test_w73_echo_and_probabilities(plain, client_of):
    client = client_of(plain)
    assert client.completions.create(model="default", prompt="Once", echo=True).choices[0].text == "Once one two three"
    logprobs = client.completions.create(model="default", prompt="Once", logprobs=1).choices[0].logprobs
    assert logprobs.tokens == [" one", " two", " three"] and logprobs.text_offset == [0, 4, 8]
    assert logprobs.token_logprobs == [-0.5] * 3 and len(logprobs.top_logprobs) == 3


WRONG = [
    ({"n": 2}, "n"),
    ({"best_of": 2}, "best_of"),
    ({"suffix": "end"}, "suffix"),
    ({"prompt": ["a", "b"]}, "prompt"),
    ({"prompt": [[1], [2]]}, "prompt"),
    ({"prompt": ""}, "prompt"),
    ({"logprobs": 9}, "logprobs"),
    ({"echo": True, "logprobs": 1}, "echo"),
]


def test_w73_what_cannot_be_had_is_a_400_that_names_it(plain, client_of):
    for fields, param in WRONG:
        with pytest.raises(openai.BadRequestError) as caught:
            client_of(plain).completions.create(**{"model": "default", "prompt": "Once", **fields})
        assert caught.value.param == param and caught.value.body["message"], fields


def test_o1_o3_an_unknown_model_is_a_404(plain, client_of):
    client = client_of(plain)
    assert client.models.retrieve(client.models.list().data[0].id).object == "model"
    with pytest.raises(openai.NotFoundError):
        client.models.retrieve("none")
    with pytest.raises(openai.NotFoundError) as caught:
        client.completions.create(model="none", prompt="Once", stream=True)
    assert caught.value.code == "model_not_found"
