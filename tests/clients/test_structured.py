"""[O8] [O10] [W76] [W81] [W85] what the official clients make of calls and of answers in a form: their own helpers, with a type instead of a schema."""

import json

import anthropic
import ollama
import openai
import pytest
from pydantic import BaseModel

from harness.script import ARGUMENTS, KINDS, WEATHER

ASKED = [{"role": "user", "content": "How is it in Bern?"}]
TOOL = {"type": "function", "function": {"name": "get_weather", "parameters": WEATHER}}
OTHER = {"type": "function", "function": {"name": "get_time", "parameters": WEATHER}}
NAMED = {"type": "function", "function": {"name": "get_weather"}}
TWO_CALLS = [
    {"tool": {"index": 0, "id": "call_1", "name": "get_weather"}},
    {"tool": {"index": 0, "arguments": ARGUMENTS}},
    {"tool": {"index": 1, "id": "call_2", "name": "get_time"}},
    {"tool": {"index": 1, "arguments": ARGUMENTS}},
]


class Weather(BaseModel):
    """Of a city."""

    city: str
    degrees: float | None
    days: list[str]


WHOLE = {"city": "Bern", "degrees": 17.5, "days": ["Monday"]}


@pytest.fixture(scope="module")
def server(server_of):
    said = json.dumps(WHOLE)
    return server_of(
        {
            "form": {"tokens": [said[i : i + 5] for i in range(0, len(said), 5)]},
            "kinds": {"tokens": KINDS},
            "two": {"tokens": TWO_CALLS},
        }
    )


@pytest.fixture
def client(server, client_of):
    return client_of(server)


def test_o10_a_completion_is_parsed_into_a_type(client):
    answer = client.chat.completions.parse(model="form", messages=ASKED, response_format=Weather)
    assert answer.choices[0].message.parsed == Weather(**WHOLE)
    with client.chat.completions.stream(model="form", messages=ASKED, response_format=Weather) as stream:
        kinds = {event.type for event in stream}
        assert stream.get_final_completion().choices[0].message.parsed == Weather(**WHOLE)
    assert {"content.delta", "content.done", "chunk"} <= kinds


def test_o10_what_is_cut_is_told_as_what_it_is(client):
    with pytest.raises(openai.LengthFinishReasonError):
        client.chat.completions.parse(model="form", messages=ASKED, response_format=Weather, max_tokens=2)


def test_w76_a_response_is_parsed_into_a_type(client):
    assert client.responses.parse(model="form", input=ASKED, text_format=Weather).output_parsed == Weather(**WHOLE)
    with client.responses.stream(model="form", input="How is it?", text_format=Weather) as stream:
        for _ in stream:
            pass
        assert stream.get_final_response().output_parsed == Weather(**WHOLE)


def test_w81_a_message_is_parsed_into_a_type(server):
    client = anthropic.Anthropic(base_url=server.url, api_key="none", max_retries=0)
    answer = client.messages.parse(model="form", messages=ASKED, max_tokens=90, output_format=Weather)
    assert answer.parsed_output == Weather(**WHOLE)


def test_w85_a_schema_or_any_json(server):
    client = ollama.Client(server.ollama_url)
    answer = client.chat("form", ASKED, format=Weather.model_json_schema())
    assert Weather.model_validate_json(answer.message.content) == Weather(**WHOLE)
    assert json.loads(client.generate("form", "How is it?", format="json").response) == WHOLE


def test_o8_the_arguments_of_a_call_are_parsed_into_a_type(client):
    class GetWeather(BaseModel):
        city: str

    tool = openai.pydantic_function_tool(GetWeather, name="get_weather")
    with client.chat.completions.stream(model="kinds", messages=ASKED, tools=[tool]) as stream:
        (done,) = [event for event in stream if event.type == "tool_calls.function.arguments.done"]
        choice = stream.get_final_completion().choices[0]
    assert done.parsed_arguments == GetWeather(city="Bern") and done.name == "get_weather"
    assert choice.finish_reason == "tool_calls" and choice.message.content == "I askä"
    whole = client.chat.completions.parse(model="kinds", messages=ASKED, tools=[tool]).choices[0].message
    assert whole.tool_calls[0].function.parsed_arguments == GetWeather(city="Bern")


@pytest.mark.parametrize("choice", ["auto", "none", "required", NAMED], ids=str)
def test_o8_every_choice_of_tools_is_taken(client, choice):
    asked = {"messages": ASKED, "tools": [TOOL, OTHER], "tool_choice": choice, "parallel_tool_calls": False}
    answer = client.chat.completions.create(model="kinds", **asked).choices[0]
    assert [call.function.arguments for call in answer.message.tool_calls] == [ARGUMENTS]


def test_o8_calls_side_by_side_keep_their_places(client):
    asked = {"messages": ASKED, "tools": [TOOL, OTHER], "parallel_tool_calls": True}
    whole = client.chat.completions.create(model="two", **asked).choices[0].message
    assert whole.content is None
    assert [(call.id, call.function.name) for call in whole.tool_calls] == [("call_1", "get_weather"), ("call_2", "get_time")]
    with client.chat.completions.stream(model="two", **asked) as stream:
        places = [event.index for event in stream if event.type == "tool_calls.function.arguments.done"]
        final = stream.get_final_completion().choices[0].message
    assert places == [0, 1] and [call.function.arguments for call in final.tool_calls] == [ARGUMENTS] * 2


def test_w81_calls_side_by_side_are_blocks(server):
    client = anthropic.Anthropic(base_url=server.url, api_key="none", max_retries=0)
    tools = [{"name": name, "input_schema": WEATHER} for name in ("get_weather", "get_time")]
    for choice in ({"type": "auto"}, {"type": "any"}, {"type": "tool", "name": "get_time"}, {"type": "none"}):
        asked = {"messages": ASKED, "max_tokens": 90, "tools": tools, "tool_choice": choice}
        with client.messages.stream(model="two", **asked) as stream:
            answer = stream.get_final_message()
        assert [(block.id, block.name, block.input) for block in answer.content] == [
            ("call_1", "get_weather", {"city": "Bern"}),
            ("call_2", "get_time", {"city": "Bern"}),
        ]
        assert answer.stop_reason == "tool_use"


def test_w85_thoughts_are_beside_the_text(server):
    client = ollama.Client(server.ollama_url)
    answer = client.generate("kinds", "How is it?", think=True)
    assert answer.thinking == "Hm, Bern." and answer.response == "I askä"
    parts = [part.message for part in client.chat("kinds", ASKED, think="high", stream=True)]
    assert "".join(part.thinking or "" for part in parts) == "Hm, Bern." and "".join(part.content for part in parts) == "I askä"
