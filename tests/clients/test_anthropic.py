"""[W81] to [W83] /v1/messages, with Anthropic's own client."""

import asyncio

import anthropic
import pytest

from harness.script import WEATHER

TOOL = {"name": "get_weather", "input_schema": WEATHER}
HELLO = [{"role": "user", "content": "Hi there"}]


@pytest.fixture
def ask_of():
    def make(server, kind=anthropic.Anthropic):
        return kind(base_url=server.url, api_key="none", max_retries=0)

    return make


def test_w81_a_text(plain, ask_of):
    answer = ask_of(plain).messages.create(model="default", max_tokens=50, messages=HELLO, system=[{"type": "text", "text": "Be short."}])
    assert answer.content[0].text == " one two three" and answer.stop_reason == "end_turn" and answer.stop_sequence is None
    assert (answer.usage.input_tokens, answer.usage.output_tokens) == (5, 3) and answer.type == "message"


def test_w81_thoughts_text_and_a_call(server, ask_of):
    answer = ask_of(server).messages.create(
        model="default", max_tokens=50, messages=HELLO, tools=[TOOL], thinking={"type": "enabled", "budget_tokens": 1024}
    )
    thought, text, call = answer.content
    assert thought.thinking == "Hm, Bern." and text.text == "I askä"
    assert (call.id, call.name, call.input) == ("call_1", "get_weather", {"city": "Bern"}) and answer.stop_reason == "tool_use"


def test_w82_the_events_in_order(server, ask_of):
    with ask_of(server).messages.stream(model="default", max_tokens=50, messages=HELLO, tools=[TOOL]) as stream:
        events = [event for event in stream if event.type not in ("text", "thinking", "input_json", "signature")]
        final = stream.get_final_message()
    kinds = [event.type for event in events if event.type != "content_block_delta"]
    assert kinds == ["message_start"] + ["content_block_start", "content_block_stop"] * 3 + ["message_delta", "message_stop"]
    assert [event.index for event in events if event.type == "content_block_start"] == [0, 1, 2]
    assert [block.type for block in final.content] == ["thinking", "text", "tool_use"]
    assert final.content[2].input == {"city": "Bern"} and final.usage.output_tokens == 8 and final.usage.input_tokens == 5


def test_w82_a_stream_as_it_is_on_the_wire(plain):
    body = {"model": "default", "max_tokens": 2, "messages": HELLO, "stream": True}
    answer = plain.post("/v1/messages?beta=true", body)
    lines = [line for line in answer.text.split("\n") if line.startswith("event: ")]
    assert lines[:3] == ["event: message_start", "event: ping", "event: content_block_start"]
    assert lines[-3:] == ["event: content_block_stop", "event: message_delta", "event: message_stop"]
    assert '"stop_reason":"max_tokens"' in answer.text and "[DONE]" not in answer.text


def test_w81_which_stop_sequence_it_was(plain, ask_of):
    answer = ask_of(plain).messages.create(model="default", max_tokens=50, messages=HELLO, stop_sequences=["xyz", " thr"])
    assert answer.content[0].text == " one two" and (answer.stop_reason, answer.stop_sequence) == ("stop_sequence", " thr")


def test_w81_results_of_tools_reach_the_prompt(serve, script, ask_of):
    server = serve(script(echo=True))
    messages = [
        {"role": "user", "content": "How is it?"},
        {"role": "assistant", "content": [{"type": "text", "text": "Let me see"}, {"type": "tool_use", "id": "c1", "name": "get_weather", "input": {"city": "Bern"}}]},
        {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "c1", "content": [{"type": "text", "text": "rain in Bern"}]}]},
    ]
    answer = ask_of(server).messages.create(model="default", max_tokens=50, messages=messages)
    assert answer.content[0].text == "rain in Bern" and answer.usage.input_tokens == 3 + 3 + 3


def test_w83_tokens_are_counted_as_the_usage_says(serve, script, ask_of):
    client = ask_of(serve(script(echo=True)))
    asked = {"model": "default", "messages": HELLO, "system": "One two three"}
    assert client.messages.count_tokens(**asked).input_tokens == client.messages.create(max_tokens=5, **asked).usage.input_tokens == 5


def test_w81_async(plain, ask_of):
    async def ask():
        async with ask_of(plain, anthropic.AsyncAnthropic) as client:
            async with client.messages.stream(model="default", max_tokens=9, messages=HELLO) as stream:
                return [text async for text in stream.text_stream]

    assert asyncio.run(ask()) == [" one", " two", " three"]


def test_w81_models_are_listed_as_anthropic_does(plain, ask_of):
    (model,) = ask_of(plain).models.list().data
    assert model.type == "model" and model.display_name == model.id and model.created_at.year > 2000


WRONG = [
    {"max_tokens": None},
    {"max_tokens": 0},
    {"messages": []},
    {"messages": [{"role": "system", "content": "x"}]},
    {"messages": [{"role": "user", "content": [{"type": "image", "source": {}}]}]},
    {"messages": "x"},
    {"tools": [{"type": "bash_20250124", "name": "bash"}]},
    {"temperature": 7},
    {"stop_sequences": [""]},
    {"tool_choice": {"type": "tool", "name": "none"}, "tools": [TOOL]},
    {"system": [{"type": "image"}]},
]


def test_w81_wrong_requests_are_400_in_anthropics_form(plain):
    for fields in WRONG:
        answer = plain.post("/v1/messages", {"model": "default", "max_tokens": 5, "messages": HELLO, **fields})
        assert answer.status_code == 400, (fields, answer.text)
        error = answer.json()
        assert error["type"] == "error" and error["error"]["type"] == "invalid_request_error" and error["error"]["message"]


def test_w81_other_errors_have_its_form_too(plain, ask_of):
    with pytest.raises(anthropic.NotFoundError) as caught:
        ask_of(plain).messages.create(model="claude-none", max_tokens=5, messages=HELLO)
    assert caught.value.body["error"]["type"] == "not_found_error"
    answer = plain.post("/v1/messages", content=b"{", headers={"Content-Type": "application/json"})
    assert answer.status_code == 400 and answer.json()["type"] == "error"
    assert plain.get("/v1/messages").json()["error"]["type"] == "invalid_request_error"
