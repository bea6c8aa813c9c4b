"""[W76] to [W79] /v1/responses, with OpenAI's own client: its accumulators are strict about what comes when."""

import asyncio

import openai
import pytest

from harness.script import ARGUMENTS, WEATHER
from harness.wait import wait_until

TOOL = {"type": "function", "name": "get_weather", "parameters": WEATHER, "strict": False}


def test_w76_a_text(plain, client_of):
    answer = client_of(plain).responses.create(model="default", input="Hi", instructions="Be short.")
    assert answer.output_text == " one two three" and answer.status == "completed" and answer.id.startswith("resp_")
    assert (answer.usage.input_tokens, answer.usage.output_tokens, answer.usage.total_tokens) == (5, 3, 8)
    assert answer.instructions == "Be short." and answer.tools == [] and answer.error is None


def test_w76_thoughts_text_and_a_call(server, client_of):
    answer = client_of(server).responses.create(model="default", input="Hi", tools=[TOOL])
    thought, message, call = answer.output
    assert thought.type == "reasoning" and thought.content[0].text == "Hm, Bern."
    assert message.content[0].text == "I askä" and message.role == "assistant"
    assert (call.call_id, call.name, call.arguments, call.status) == ("call_1", "get_weather", ARGUMENTS, "completed")
    assert answer.usage.output_tokens_details.reasoning_tokens == 2


def test_w77_the_events_are_numbered_and_add_up(server, client_of):
    events = []
    with client_of(server).responses.stream(model="default", input="Hi", tools=[TOOL]) as stream:
        events.extend(stream)
        final = stream.get_final_response()
    types = [event.type for event in events]
    assert [event.sequence_number for event in events] == list(range(len(events)))
    assert types[:2] == ["response.created", "response.in_progress"] and types[-1] == "response.completed"
    assert final.output_text == "I askä" and final.output[2].arguments == ARGUMENTS
    assert events[0].response.output == [] and events[0].response.status == "in_progress"
    for item in range(3):
        about = [event for event in events if getattr(event, "output_index", None) == item]
        assert about[0].type == "response.output_item.added" and about[-1].type == "response.output_item.done"
    assert [event.delta for event in events if event.type == "response.output_text.delta"] == ["I", " ask", "ä"]


def test_w77_the_limit_makes_it_incomplete(plain, client_of):
    answer = client_of(plain).responses.create(model="default", input="Hi", max_output_tokens=2)
    assert answer.status == "incomplete" and answer.incomplete_details.reason == "max_output_tokens"
    *_, last = client_of(plain).responses.create(model="default", input="Hi", max_output_tokens=2, stream=True)
    assert last.type == "response.incomplete" and last.response.output_text == " one two"


def test_w76_a_stored_response_is_a_conversation_that_goes_on(serve, script, client_of):
    server = serve(script(echo=True))
    client = client_of(server)
    first = client.responses.create(model="default", input="My name is Ann.")
    second = client.responses.create(model="default", input="And what am I called?", previous_response_id=first.id)
    assert second.conversation.id == first.conversation.id and second.previous_response_id == first.id
    messages = server.get(f"/api/conversation/{first.conversation.id}").json()["messages"]
    assert [message["content"] for message in messages] == ["My name is Ann."] * 2 + ["And what am I called?"] * 2
    # The words of both questions and of the first answer.
    assert second.usage.input_tokens == 4 + 4 + 5
    branch = client.responses.create(model="default", input="Another way.", previous_response_id=first.id)
    assert branch.usage.input_tokens == 4 + 4 + 2


def test_w76_the_answers_of_tools_reach_the_prompt(serve, script, client_of):
    server = serve(script(echo=True))
    client = client_of(server)
    call = {"type": "function_call", "call_id": "c1", "name": "get_weather", "arguments": ARGUMENTS}
    output = {"type": "function_call_output", "call_id": "c1", "output": "rain in Bern"}
    question = {"role": "user", "content": [{"type": "input_text", "text": "How is it?"}]}
    answer = client.responses.create(model="default", input=[question, call, output])
    assert answer.output_text == "rain in Bern"
    items = client.responses.input_items.list(answer.id).data
    assert [item.type for item in items] == ["function_call_output", "function_call", "message"]


def test_w76_what_is_not_stored_is_forgotten(plain, client_of):
    client = client_of(plain)
    answer = client.responses.create(model="default", input="Hi", store=False)
    assert answer.conversation is None and plain.get("/api/conversations").json()["conversations"] == []
    with pytest.raises(openai.NotFoundError):
        client.responses.retrieve(answer.id)
    with pytest.raises(openai.BadRequestError) as caught:
        client.responses.create(model="default", input="Hi", previous_response_id=answer.id)
    assert caught.value.code == "previous_response_not_found"


def test_w78_a_stream_is_taken_up_where_it_broke_off(slow, client_of):
    client = client_of(slow)
    with client.responses.create(model="default", input="Hi", background=True, stream=True) as stream:
        seen = [event for event, _ in zip(stream, range(20))]
    response = seen[0].response.id
    rest = []
    with client.responses.retrieve(response, stream=True, starting_after=seen[-1].sequence_number) as stream:
        for event in stream:
            rest.append(event)
            if len(rest) == 20:
                client.responses.cancel(response)
    numbers = [event.sequence_number for event in seen + rest]
    assert numbers == list(range(len(numbers)))
    assert rest[-1].response.status == "cancelled"
    assert client.responses.retrieve(response).status == "cancelled"


def test_w78_in_the_background_and_after_a_restart(serve, script, client_of):
    said = script(tokens=[" one", " two"], prompt_tokens=5)
    server = serve(said)
    client = client_of(server)
    begun = client.responses.create(model="default", input="Hi", background=True, metadata={"a": "b"})
    assert begun.status == "queued" and begun.output == []
    wait_until(lambda: client.responses.retrieve(begun.id).status == "completed")
    server.stop()
    server.start()
    again = client_of(server).responses.retrieve(begun.id)
    assert again.output_text == " one two" and again.metadata == {"a": "b"} and again.usage.output_tokens == 2


def test_w76_in_the_background_nobody_needs_to_watch(serve, script, client_of):
    """Also where other answers stop with their last watcher [W30]."""
    said = script(tokens=[" one", " two"], prompt_tokens=5).gate(2)
    server = serve(said)
    server.post("/api/config", {"detach_seconds": 0})
    client = client_of(server)
    begun = client.responses.create(model="default", input="Hi", background=True)
    with client.responses.retrieve(begun.id, stream=True) as seen:
        next(event for event in seen if event.type == "response.output_text.delta")
    with client.responses.create(model="default", input="Hi", stream=True) as alone:
        next(event for event in alone if event.type == "response.output_text.delta")
    assert client.responses.retrieve(begun.id).status == "in_progress"
    said.open_all()
    wait_until(lambda: client.responses.retrieve(begun.id).status != "in_progress")
    assert client.responses.retrieve(begun.id).output_text == " one two"
    wait_until(lambda: [row["running"] for row in server.get("/api/conversations").json()["conversations"]] == [False, False])


def test_w79_it_is_deleted(plain, client_of):
    client = client_of(plain)
    answer = client.responses.create(model="default", input="Hi")
    client.responses.delete(answer.id)
    assert plain.get("/api/conversations").json()["conversations"] == []
    with pytest.raises(openai.NotFoundError):
        client.responses.retrieve(answer.id)


def test_w76_async(plain, client_of):
    async def ask():
        async with client_of(plain, openai.AsyncOpenAI) as client:
            stream = await client.responses.create(model="default", input="Hi", stream=True)
            return [event async for event in stream]

    assert asyncio.run(ask())[-1].response.output_text == " one two three"


WRONG = [
    ({"input": []}, "input"),
    ({"input": [{"role": "user", "content": [{"type": "input_image", "image_url": "x"}]}]}, "input[0]"),
    ({"input": [{"type": "web_search_call", "id": "x"}]}, "input[0]"),
    ({"tools": [{"type": "web_search"}]}, "tools"),
    ({"temperature": 9}, "temperature"),
    ({"text": {"format": {"type": "xml"}}}, "text.format"),
    ({"max_output_tokens": 0}, "max_output_tokens"),
    ({"background": True, "store": False}, "background"),
    ({"prompt": {"id": "x"}}, "prompt"),
]


def test_w76_what_cannot_be_had_is_a_400_that_names_it(plain, client_of):
    for fields, param in WRONG:
        with pytest.raises(openai.BadRequestError) as caught:
            client_of(plain).responses.create(**{"model": "default", "input": "Hi", **fields})
        assert caught.value.param == param and caught.value.body["message"], fields
