"""The real model, as clients of the wire see it."""

import json
import os
import signal
from pathlib import Path

import openai
import pytest

from harness.clients import Chat, Native
from harness.oracle import Mirror, check_stored, check_w12, follow

pytestmark = [pytest.mark.real, pytest.mark.timeout(300)]

QUESTION = "Write three sentences about a river."
LONG = "Why is the sky blue?"


def set_greedy(server, **more):
    answer = server.post("/api/config", {"sampler_type": "Greedy", "temperature": 0, "max_tokens": 60, **more})
    assert answer.status_code == 200, answer.text


def set_long(server, max_tokens):
    """A penalty below 1 rewards what was said before: the answer to LONG repeats itself, and ends only where it is cut."""
    set_greedy(server, repeat_penalty=0.5, max_tokens=max_tokens)


def test_w12_one_message_per_token_equal_to_the_stored_text_and_to_post_api_chat(real):
    set_greedy(real)
    with Chat(real) as client:
        client.ask(QUESTION)
        tokens, done = client.answer()
    text = check_w12(tokens, done)
    stored = real.answer_of(done["conversation_id"])
    assert stored["content"] == text
    assert len(tokens) == stored["generation"]["usage"]["completion_tokens"] >= 20
    whole = real.post("/api/chat", {"message": QUESTION}, timeout=200).json()
    assert whole["message"]["content"] == text
    assert whole["tokens_used"] == tokens[-1]["tokens_used"]


def test_p2_a_watcher_that_joins_in_the_middle_ends_with_the_same_bytes(real):
    set_greedy(real)
    with Native(real) as first, Native(real) as second:
        ack = first.begin(QUESTION)
        first.until_seq(10)
        second.watch(ack["conversation"])
        one = follow(first, Mirror(ack["conversation"]))
        other = follow(second, Mirror(ack["conversation"]))
        assert one.text == other.text and one.end == other.end
        check_stored(real, other)
        phases = {frame["phase"] for frame in first.of_type("phase")}
        assert {"loading", "prefill"} <= phases


def test_the_next_turn_computes_only_what_is_new(real):
    set_greedy(real, max_tokens=16)
    with Native(real) as client:
        ack = client.begin(QUESTION + " Think of stones, wind, light and rain." * 10)
        first = client.until("end")
        client.begin("And the sea?", conversation=ack["conversation"])
        second = client.until("end")
    cached = second["usage"]["cached_tokens"]
    assert cached >= first["usage"]["prompt_tokens"], "the first prompt was computed again"
    assert second["usage"]["prompt_tokens"] - cached < 40


def test_several_conversations_at_once_say_what_each_says_alone(real):
    set_greedy(real, max_tokens=24)
    questions = [f"Name {n} animals." for n in ("two", "three", "four")]
    with Native(real) as client:
        acks = [client.begin(question) for question in questions]
        mirrors = {ack["conversation"]: Mirror(ack["conversation"]) for ack in acks}
        for frame in client.frames:
            for mirror in mirrors.values():
                mirror.feed(frame)
        while not all(mirror.last_generation and mirror.end for mirror in mirrors.values()):
            frame = client.recv(120)
            for mirror in mirrors.values():
                mirror.feed(frame)
    for mirror in mirrors.values():
        assert mirror.end in ("stop", "length") and mirror.text
        check_stored(real, mirror)


def test_p1_p5_a_killed_engine_ends_its_generation_the_answer_goes_on_and_the_next_message_works(real):
    set_long(real, max_tokens=300)
    with Native(real) as client:
        ack = client.begin(LONG)
        client.until_seq(5)
        os.kill(real.engine_pid(), signal.SIGSEGV)
        end = client.until("end")
        assert end["reason"] == "interrupted" and "signal 11" in end["error"]["text"]
        end = client.until("end", generation=end["continued_by"], seconds=120)
        assert end["reason"] in ("stop", "length")
        again = client.begin("And again?", conversation=ack["conversation"])
        end = client.until("end", generation=again["generation"], seconds=120)
        assert end["reason"] in ("stop", "length")


def test_e51_the_engine_is_shut_in(real):
    set_greedy(real, max_tokens=4)
    with Native(real) as client:
        client.begin("Say hello.")
        assert client.until("end", seconds=120)["reason"] in ("stop", "length")
    lines = Path(f"/proc/{real.engine_pid()}/status").read_text().splitlines()
    assert "NoNewPrivs:\t1" in lines and "Seccomp:\t2" in lines


def test_p9_stop_during_decode_keeps_what_was_said(real):
    set_long(real, max_tokens=4000)
    with Native(real) as client:
        ack = client.begin(LONG)
        client.until_seq(8)
        client.send(type="stop", generation=ack["generation"])
        mirror = follow(client, Mirror(ack["conversation"]))
        assert mirror.end == "cancelled" and mirror.text
        check_stored(real, mirror)


def test_p9_stop_during_a_long_prompt(real):
    with Native(real) as client:
        ack = client.begin("Summarise this. " + "A stone lies in the river and the water goes around it. " * 450)
        client.until("phase", phase="prefill")
        client.send(type="stop", generation=ack["generation"])
        end = client.until("end")
        assert end["reason"] == "cancelled" and end["seq"] == 2


def test_a_prompt_that_does_not_fit_is_refused_with_a_sentence(real):
    set_greedy(real, context_size=256)
    with Native(real) as client:
        client.begin("river " * 600)
        end = client.until("end")
    assert end["reason"] == "error" and end["error"]["code"] == "context_full"


def test_o2_the_official_client_streams_and_does_not(real):
    client = openai.OpenAI(base_url=real.url + "/v1", api_key="none", max_retries=0, timeout=200)
    ask = {"model": "default", "messages": [{"role": "user", "content": QUESTION}], "temperature": 0, "max_tokens": 32}
    whole = client.chat.completions.create(**ask)
    chunks = list(client.chat.completions.create(**ask, stream=True, stream_options={"include_usage": True}))
    text = "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)
    assert text == whole.choices[0].message.content
    assert chunks[-1].usage.completion_tokens == whole.usage.completion_tokens == 32
    assert whole.choices[0].finish_reason == "length"


def test_o2_a_stop_string_ends_the_answer_and_never_leaks(real):
    client = openai.OpenAI(base_url=real.url + "/v1", api_key="none", max_retries=0, timeout=200)
    ask = {"model": "default", "messages": [{"role": "user", "content": QUESTION}], "temperature": 0, "max_tokens": 60}
    text = client.chat.completions.create(**ask).choices[0].message.content
    stop = text[12:18]
    pieces = [
        chunk.choices[0].delta.content or ""
        for chunk in client.chat.completions.create(**ask, stop=[stop], stream=True)
    ]
    assert "".join(pieces) == text[: text.index(stop)]


def test_o8_o10_a_call_and_a_schema_with_a_model_that_knows_neither(real):
    client = openai.OpenAI(base_url=real.url + "/v1", api_key="none", max_retries=0, timeout=200)
    ask = {"model": "default", "messages": [{"role": "user", "content": "What is the weather in Rome?"}], "temperature": 0}
    city = {"type": "object", "properties": {"city": {"type": "string", "maxLength": 20}}, "required": ["city"]}
    tools = [{"type": "function", "function": {"name": "get_weather", "parameters": city}}]
    chosen = {"type": "function", "function": {"name": "get_weather"}}
    calls = {"tools": tools, "tool_choice": chosen, "parallel_tool_calls": False, "max_completion_tokens": 80}
    (choice,) = client.chat.completions.create(**ask, **calls).choices
    (call,) = choice.message.tool_calls
    assert call.function.name == "get_weather" and isinstance(json.loads(call.function.arguments)["city"], str)
    assert choice.finish_reason == "tool_calls" and choice.message.content is None
    pieces = [chunk.choices[0].delta.tool_calls for chunk in client.chat.completions.create(**ask, **calls, stream=True)]
    assert "".join(piece[0].function.arguments for piece in pieces if piece) == call.function.arguments
    answered = [*ask["messages"], choice.message, {"role": "tool", "tool_call_id": call.id, "content": "Sunny."}]
    form = {"type": "json_schema", "json_schema": {"name": "city", "schema": city}}
    (choice,) = client.chat.completions.create(
        **{**ask, "messages": answered}, response_format=form, max_completion_tokens=60, logprobs=True, top_logprobs=2).choices
    assert isinstance(json.loads(choice.message.content)["city"], str) and choice.finish_reason == "stop"
    assert "".join(one.token for one in choice.logprobs.content) == choice.message.content
    with pytest.raises(openai.BadRequestError) as error:
        client.chat.completions.create(
            **ask, response_format={"type": "json_schema", "json_schema": {"name": "x", "schema": {"type": "nonsense"}}})
    assert error.value.param == "response_format"


def test_o2_the_same_seed_says_the_same(real):
    client = openai.OpenAI(base_url=real.url + "/v1", api_key="none", max_retries=0, timeout=200)
    ask = {"model": "default", "messages": [{"role": "user", "content": QUESTION}], "temperature": 1, "max_tokens": 24}
    texts = [client.chat.completions.create(**ask, seed=seed).choices[0].message.content for seed in (7, 7, 8)]
    assert texts[0] == texts[1] != texts[2]


@pytest.mark.parametrize("damage", ["missing", "empty", "not gguf", "truncated"])
def test_a_file_that_is_no_model_is_said_so_and_the_server_goes_on(real, model, damage):
    path = real.models / "broken.gguf"
    if damage != "missing":
        content = {"empty": b"", "not gguf": b"hello " * 1000, "truncated": model.read_bytes()[:200_000]}[damage]
        path.write_bytes(content)
    answer = real.post("/api/model/load", {"model_path": str(path)}, timeout=100)
    assert answer.status_code >= 400
    assert "broken.gguf" in json.dumps(answer.json())
    assert real.is_serving()
    set_greedy(real, max_tokens=4)
    answer = real.post("/api/chat", {"message": "Hi"}, timeout=200)
    assert answer.status_code == 200, answer.text


def test_w23_model_info_reads_the_metadata_without_loading(real):
    info = real.get("/api/model/info", params={"model_path": str(next(real.models.glob("*.gguf")))}).json()
    assert info["architecture"] == "llama" and info["context_length"] == 8192 and info["file_type"]
    assert real.status()["state"] == "none"
