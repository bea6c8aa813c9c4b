"""The real model behind the compatible APIs: its template knows no tools."""

import enum
import json

import anthropic
import openai
import pydantic
import pytest

pytestmark = [pytest.mark.real, pytest.mark.timeout(300)]

SCHEMA = {"type": "object", "properties": {"city": {"type": "string", "maxLength": 20}}, "required": ["city"], "additionalProperties": False}
TOOL = {"type": "function", "function": {"name": "get_weather", "description": "The weather of a city.", "parameters": SCHEMA}}
OTHER = {"type": "function", "function": {"name": "get_time", "parameters": SCHEMA}}
QUESTION = [{"role": "user", "content": "Tell me a story about the sea."}]


@pytest.mark.parametrize("choice, name", [("required", None), ({"type": "function", "function": {"name": "get_weather"}}, "get_weather")])
def test_o8_a_call_is_forced_from_the_first_token(real, choice, name):
    client = openai.OpenAI(base_url=f"{real.url}/v1", api_key="none", max_retries=0)
    asked = {"model": "default", "messages": QUESTION, "tools": [OTHER, TOOL], "tool_choice": choice, "temperature": 0, "max_tokens": 120}
    whole = client.chat.completions.create(**asked).choices[0]
    assert whole.finish_reason == "tool_calls" and whole.message.content is None
    call = whole.message.tool_calls[0].function
    assert call.name == (name or call.name) and call.name in ("get_weather", "get_time")
    assert set(json.loads(call.arguments)) == {"city"}
    with client.chat.completions.stream(**asked) as stream:
        for _ in stream:
            pass
        said = stream.get_final_completion().choices[0].message
    assert said.content is None or said.content == ""
    assert said.tool_calls[0].function.arguments == call.arguments


class Mood(enum.Enum):
    GLAD = "glad"
    SAD = "sad"


class Pet(pydantic.BaseModel):
    kind: str = pydantic.Field(max_length=12)


class Person(pydantic.BaseModel):
    """References, null, an enumeration, bounds: what schemas of types are made of."""

    name: str = pydantic.Field(max_length=20)
    age: int = pydantic.Field(ge=0, le=150)
    mood: Mood
    pet: Pet | None


def test_o8_o10_a_type_is_filled_in_and_no_tool_is_called_where_none_is_wanted(real):
    client = openai.OpenAI(base_url=f"{real.url}/v1", api_key="none", max_retries=0)
    asked = {"model": "default", "messages": QUESTION, "temperature": 0, "max_completion_tokens": 120}
    person = client.chat.completions.parse(response_format=Person, **asked).choices[0].message.parsed
    assert len(person.name) <= 20 and 0 <= person.age <= 150
    said = client.chat.completions.create(tools=[TOOL], tool_choice="none", **asked).choices[0].message
    assert said.content and said.tool_calls is None


def test_w76_w83_responses_and_messages_agree_about_the_prompt(real):
    client = openai.OpenAI(base_url=f"{real.url}/v1", api_key="none", max_retries=0)
    other = anthropic.Anthropic(base_url=real.url, api_key="none", max_retries=0)
    response = client.responses.create(model="default", input=QUESTION, temperature=0, max_output_tokens=12)
    message = other.messages.create(model="default", messages=QUESTION, max_tokens=12, extra_body={"temperature": 0})
    assert response.output_text == message.content[0].text and message.stop_reason == "max_tokens"
    counted = other.messages.count_tokens(model="default", messages=QUESTION).input_tokens
    assert counted == response.usage.input_tokens == message.usage.input_tokens


def test_w90_w73_w105_the_prompt_as_text_or_tokens_gives_the_same_answer(real):
    client = openai.OpenAI(base_url=f"{real.url}/v1", api_key="none", max_retries=0)
    asked = {"model": "default", "temperature": 0, "max_tokens": 12}
    prompt = real.post("/apply-template", {"messages": QUESTION}, timeout=60).json()["prompt"]
    raw = client.completions.create(prompt=prompt, **asked)
    chat = client.chat.completions.create(messages=QUESTION, **asked)
    assert raw.choices[0].text == chat.choices[0].message.content
    assert raw.usage.prompt_tokens == chat.usage.prompt_tokens
    tokens = real.post("/tokenize", {"content": prompt}).json()["tokens"]
    assert len(tokens) == raw.usage.prompt_tokens
    assert real.post("/detokenize", {"tokens": tokens}).json()["content"] == prompt
    by_tokens = real.post("/completion", {"prompt": tokens, "n_predict": 12, "temperature": 0}, timeout=60).json()
    assert by_tokens["content"] == raw.choices[0].text and by_tokens["prompt"] == prompt
    assert by_tokens["tokens_evaluated"] == len(tokens) and by_tokens["stop_type"] == "limit"
    refused = real.post("/infill", {"input_prefix": "a", "input_suffix": "b"})
    assert refused.status_code == 501 and refused.json()["error"]["type"] == "not_supported_error"
    assert real.post("/detokenize", {"tokens": [10**6]}).status_code == 400


def test_o13_an_answer_that_was_begun_is_gone_on_with(real):
    """As a completion of the same prompt: nothing stands between the beginning and what is new."""
    begun = [*QUESTION, {"role": "assistant", "content": "Once upon a time, a crab"}]
    prompt = real.post("/apply-template", {"messages": begun}, timeout=60).json()["prompt"]
    assert prompt.endswith("assistant\nOnce upon a time, a crab")
    client = openai.OpenAI(base_url=f"{real.url}/v1", api_key="none", max_retries=0)
    how = {"model": "default", "temperature": 0, "max_tokens": 24}
    answer = client.chat.completions.create(messages=begun, stop=["crab"], **how)
    assert answer.choices[0].finish_reason != "stop" or answer.usage.completion_tokens > 1
    going_on = client.completions.create(prompt=prompt, stop=["crab"], **how)
    assert answer.choices[0].message.content.strip() == going_on.choices[0].text.strip() != ""
    assert answer.usage.prompt_tokens == going_on.usage.prompt_tokens
