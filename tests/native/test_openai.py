"""[O2] [O8] to [O12] tools, formats, thoughts and probabilities over POST /v1/chat/completions, on the scripted engine."""

import json

import pytest

from harness.script import ARGUMENTS, KINDS, WEATHER

CALL = {"id": "call_1", "type": "function", "function": {"name": "get_weather", "arguments": ARGUMENTS}}
TOOL = {"type": "function", "function": {"name": "get_weather", "parameters": WEATHER}}


@pytest.fixture
def server(serve, script):
    return serve(script(tokens=KINDS, prompt_tokens=5))


def ask(server, **fields):
    return server.post("/v1/chat/completions", {"messages": [{"role": "user", "content": "Hi"}], **fields})


def chunks(server, **fields):
    lines = [line[6:] for line in ask(server, stream=True, **fields).text.split("\n") if line.startswith("data: ")]
    assert lines[-1] == "[DONE]"
    return [json.loads(line) for line in lines[:-1]]


def test_o8_o9_an_answer_in_one_piece(server):
    answer = ask(server, tools=[TOOL]).json()
    (choice,) = answer["choices"]
    assert choice["message"]["content"] == "I askä" and choice["message"]["reasoning_content"] == "Hm, Bern."
    assert choice["message"]["tool_calls"] == [CALL] and choice["finish_reason"] == "tool_calls"
    assert answer["usage"]["completion_tokens"] == len(KINDS) and answer["usage"]["prompt_tokens"] == 5


def test_o8_o9_a_stream_says_the_same_in_pieces(server):
    received = chunks(server, tools=[TOOL], stream_options={"include_usage": True})
    *rest, last = received
    assert last["choices"] == [] and last["usage"]["completion_tokens"] == len(KINDS)
    deltas = [chunk["choices"][0]["delta"] for chunk in rest]
    assert "".join(delta.get("content") or "" for delta in deltas) == "I askä"
    assert "".join(delta.get("reasoning_content") or "" for delta in deltas) == "Hm, Bern."
    pieces = [call for delta in deltas for call in delta.get("tool_calls", [])]
    assert pieces[0] == {"index": 0, "id": "call_1", "type": "function", "function": {"name": "get_weather", "arguments": ""}}
    assert all(set(piece) == {"index", "function"} for piece in pieces[1:])
    assert "".join(piece["function"]["arguments"] for piece in pieces) == CALL["function"]["arguments"]
    assert rest[-1]["choices"][0]["finish_reason"] == "tool_calls" and deltas[-1] == {}


def test_o8_only_calls_is_no_content(serve, script):
    server = serve(script(tokens=KINDS[5:]))
    (choice,) = ask(server, tools=[TOOL]).json()["choices"]
    assert choice["message"]["content"] is None and choice["message"]["tool_calls"] == [CALL]


def test_o10_probabilities_of_the_content(server):
    answer = ask(server, logprobs=True, top_logprobs=2)
    assert answer.status_code == 200, answer.text
    (choice,) = answer.json()["choices"]
    content = choice["logprobs"]["content"]
    assert [one["token"] for one in content] == [" ask", "\ufffd", "\ufffd"]
    assert [one["bytes"] for one in content] == [list(b" ask"), [0xC3], [0xA4]]
    assert all(one["logprob"] == -0.5 and len(one["top_logprobs"]) == 2 for one in content)
    streamed = [one for chunk in chunks(server, logprobs=True) for one in (chunk["choices"][0]["logprobs"] or {}).get("content", [])]
    assert [one["token"] for one in streamed] == [" ask", "\ufffd", "\ufffd"] and streamed[0]["top_logprobs"] == []
    assert ask(server).json()["choices"][0]["logprobs"] is None


def test_o12_a_limit_cuts_inside_a_character_and_is_exact(server):
    answer = ask(server, max_completion_tokens=4).json()
    assert answer["choices"][0]["message"]["content"] == "I ask\ufffd" and answer["choices"][0]["finish_reason"] == "length"
    assert answer["usage"]["completion_tokens"] == 4


def test_o12_what_a_stop_string_holds_back_is_not_lost(serve, script):
    server = serve(script(tokens=["one", " tw", "o thr", "ee"]))
    assert ask(server, stop="two four", max_tokens=3).json()["choices"][0]["message"]["content"] == "one two thr"
    assert ask(server, stop=" two th").json()["choices"][0]["message"]["content"] == "one"


HISTORY = [
    {"role": "user", "content": "Weather?"},
    {"role": "assistant", "content": None, "tool_calls": [CALL]},
    {"role": "tool", "tool_call_id": "call_1", "content": [{"type": "text", "text": "17 degrees"}]},
]


def test_o8_calls_and_answers_of_tools_in_the_history(server):
    answer = ask(server, messages=HISTORY, tools=[TOOL], tool_choice="none")
    assert answer.status_code == 200, answer.text


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"tools": {}}, "tools"),
        ({"tools": [{"type": "custom"}]}, "tools"),
        ({"tools": [{"type": "function", "function": {"name": "a b"}}]}, "tools"),
        ({"tool_choice": "required"}, "tool_choice"),
        ({"tools": [TOOL], "tool_choice": "sometimes"}, "tool_choice"),
        ({"tools": [TOOL], "tool_choice": {"type": "function"}}, "tool_choice"),
        ({"tools": [TOOL], "tool_choice": {"type": "function", "function": {"name": "other"}}}, "tools"),
        ({"tools": [TOOL], "parallel_tool_calls": "yes"}, "parallel_tool_calls"),
        ({"response_format": {"type": "xml"}}, "response_format"),
        ({"response_format": {"type": "json_schema"}}, "response_format"),
        ({"response_format": {"type": "json_schema", "json_schema": {"schema": 3}}}, "response_format"),
        ({"frequency_penalty": 3}, "frequency_penalty"),
        ({"presence_penalty": "much"}, "presence_penalty"),
        ({"logit_bias": 5}, "logit_bias"),
        ({"logprobs": 3}, "logprobs"),
        ({"top_logprobs": 3}, "top_logprobs"),
        ({"logprobs": True, "top_logprobs": 21}, "top_logprobs"),
        ({"functions": [{}]}, "functions"),
        ({"function_call": "auto"}, "function_call"),
        ({"modalities": ["audio"]}, "modalities"),
        ({"audio": {}}, "audio"),
        ({"messages": [{"role": "assistant", "tool_calls": [{"id": "x"}]}]}, "messages[0].tool_calls"),
        ({"messages": [{"role": "assistant", "tool_calls": [{**CALL, "function": {"name": "f", "arguments": "{"}}]}]}, "messages[0].tool_calls"),
    ],
)
def test_o3_what_cannot_be_had_is_refused_in_the_shape_of_openai(server, fields, param):
    for stream in (False, True):
        answer = ask(server, stream=stream, **fields)
        assert answer.status_code == 400, answer.text
        error = answer.json()["error"]
        assert error["type"] == "invalid_request_error" and error["param"] == param and len(error["message"]) > 10


@pytest.mark.parametrize("token", [2, 3, 6, 7, 8])
def test_o7_thoughts_and_calls_go_on_over_a_crash_of_the_engine(serve, script, tmp_path, token):
    server = serve(script(tokens=KINDS, prompt_tokens=5).at(token, "crash", once=str(tmp_path / "once")))
    server.expects_crash = True
    answer = ask(server, tools=[TOOL]).json()
    message = answer["choices"][0]["message"]
    assert (message["content"], message["reasoning_content"], message["tool_calls"]) == ("I askä", "Hm, Bern.", [CALL])
    assert answer["usage"]["completion_tokens"] == len(KINDS) and answer["usage"]["prompt_tokens"] == 5
