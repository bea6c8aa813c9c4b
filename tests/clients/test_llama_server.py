"""[W90] [W91] [W105] to [W111] llama-server's own interface, and what its clients add to OpenAI's."""

import json

import httpx
import pytest

from harness.wait import wait_until

HELLO = [{"role": "system", "content": "Be short"}, {"role": "user", "content": "Hi there"}]
TIMINGS = {
    "cache_n",
    "prompt_n",
    "prompt_ms",
    "prompt_per_token_ms",
    "prompt_per_second",
    "predicted_n",
    "predicted_ms",
    "predicted_per_token_ms",
    "predicted_per_second",
}


def events(server, path, body, headers=None):
    """The objects of a stream; "[DONE]" as it is."""
    answer = server.post(path, body, headers=headers)
    assert answer.status_code == 200, answer.text
    lines = [line[6:] for line in answer.text.split("\n") if line.startswith("data: ")]
    return [line if line == "[DONE]" else json.loads(line) for line in lines]


def test_w90_tokens_and_back(plain):
    tokens = plain.post("/tokenize", {"content": "Hi there", "add_special": True}).json()["tokens"]
    assert len(tokens) == 2 and all(isinstance(token, int) for token in tokens)
    assert plain.post("/detokenize", {"tokens": [0, 2]}).json() == {"content": " one three"}
    assert plain.post("/tokenize", {"content": ""}).json() == {"tokens": []}
    pieces = plain.post("/tokenize", {"content": "Hi thäre", "with_pieces": True}).json()["tokens"]
    assert [piece["piece"] for piece in pieces] == ["Hi", " thäre"] and all(piece["id"] > 0 for piece in pieces)


def test_w90_the_prompt_of_messages(plain):
    assert plain.post("/apply-template", {"messages": HELLO}).json() == {"prompt": "system: Be short\nuser: Hi there\n"}


WRONG = [
    ("/tokenize", {}),
    ("/tokenize", {"content": 5}),
    ("/tokenize", {"content": "a", "with_pieces": 1}),
    ("/detokenize", {"tokens": "a"}),
    ("/detokenize", {"tokens": [-1]}),
    ("/detokenize", {"tokens": ["a"]}),
    ("/apply-template", {"messages": []}),
    ("/completion", {}),
    ("/completion", {"prompt": ""}),
    ("/completion", {"prompt": []}),
    ("/completion", {"prompt": ["a", "b"]}),
    ("/completion", {"prompt": [[1], [2]]}),
    ("/completion", {"prompt": [1, -2]}),
    ("/completion", {"prompt": {"prompt_string": "a", "multimodal_data": ["x"]}}),
    ("/completion", {"prompt": "a", "n_predict": "x"}),
    ("/completion", {"prompt": "a", "n_probs": 21}),
    ("/completion", {"prompt": "a", "stop": [1]}),
    ("/completion", {"prompt": "a", "grammar": 1}),
    ("/completion", {"prompt": "a", "grammar": "root ::= \"a\"", "json_schema": {}}),
    ("/completion", {"prompt": "a", "logit_bias": [[1]]}),
    ("/completion", {"prompt": "a", "logit_bias": [["x", "y"]]}),
    ("/completion", {"prompt": "a", "response_fields": [1]}),
    ("/completion", {"prompt": "a", "post_sampling_probs": True}),
    ("/completion", {"prompt": "a", "n_cmpl": 2}),
    ("/completion", {"prompt": "a", "lora": [{"id": 0, "scale": 1}]}),
    ("/completion", {"prompt": "a", "t_max_predict_ms": 100}),
    ("/infill", {"input_suffix": "b"}),
    ("/infill", {"input_prefix": "a"}),
    ("/infill", {"input_prefix": "a", "input_suffix": "b", "prompt": 1}),
    ("/infill", {"input_prefix": "a", "input_suffix": "b", "input_extra": {}}),
    ("/infill", {"input_prefix": "a", "input_suffix": "b", "input_extra": [{"filename": "ok"}]}),
    ("/infill", {"input_prefix": "a", "input_suffix": "b", "input_extra": [{"filename": 5, "text": "a"}]}),
]


def test_w90_w105_w106_wrong_questions_are_400_in_the_form_of_llama_server(plain):
    for path, body in WRONG:
        answer = plain.post(path, body)
        assert answer.status_code == 400, (path, body, answer.text)
        error = answer.json()["error"]
        assert error["code"] == 400 and error["message"] and error["type"] == "invalid_request_error", (path, body, error)


def test_w90_an_unknown_model_is_a_404_and_a_bad_one_an_error(serve, script):
    server = serve(script(tokens=["a"], load_error={"code": "model_corrupt", "text": "it is cut short"}))
    for path, body in (("/tokenize", {"content": "a"}), ("/completion", {"prompt": "a"})):
        unknown = server.post(path, {**body, "model": "none"})
        assert unknown.status_code == 404 and unknown.json()["error"]["type"] == "not_found_error"
        answer = server.post(path, body)
        assert answer.status_code == 500 and "cut short" in answer.json()["error"]["message"]


def test_w91_how_the_server_is(plain):
    assert plain.get("/slots").json() == [] and plain.get("/props").json()["total_slots"] == 0
    plain.post("/tokenize", {"content": "a"})
    props = plain.get("/props").json()
    assert props["default_generation_settings"]["n_ctx"] == 8192 and props["total_slots"] == 8
    assert props["default_generation_settings"]["params"]["temperature"] == 0.7 and props["model_alias"] == "fake"
    assert [slot["is_processing"] for slot in plain.get("/slots").json()] == [False] * 8
    assert plain.get("/v1/health").json()["status"] == "ok" and plain.get("/lora-adapters").json() == []
    assert plain.get("/models").json() == plain.get("/v1/models").json()
    assert plain.get("/models").json()["data"][0]["meta"]["n_ctx"] == 8192
    for path in ("/props", "/lora-adapters"):
        answer = plain.post(path, {})
        assert answer.status_code == 501 and answer.json()["error"]["type"] == "not_supported_error"


def test_w105_a_prompt_goes_on(plain):
    answer = plain.post("/completion", {"prompt": "Once", "n_predict": 2, "return_tokens": True, "temperature": 0, "cache_prompt": True, "id_slot": -1, "samplers": ["top_k"], "dry_multiplier": 0}).json()
    assert answer["content"] == " one two" and answer["tokens"] == [0, 1]
    assert answer["stop"] is True and answer["stop_type"] == "limit" and answer["stopping_word"] == ""
    assert (answer["tokens_evaluated"], answer["tokens_predicted"], answer["truncated"]) == (5, 2, False)
    assert answer["prompt"] == "Once" and answer["model"] == "fake" and answer["has_new_line"] is False
    assert set(answer["timings"]) == TIMINGS and answer["timings"]["prompt_n"] == 5 and answer["timings"]["predicted_n"] == 2
    assert answer["generation_settings"]["n_predict"] == 2 and answer["generation_settings"]["temperature"] == 0
    assert "completion_probabilities" not in answer
    other = plain.post("/completions", {"prompt": "Once"}).json()
    assert other["content"] == " one two three" and other["stop_type"] == "eos" and other["tokens"] == []
    word = plain.post("/completion", {"prompt": "Once", "stop": [" three"]}).json()
    assert (word["content"], word["stop_type"], word["stopping_word"]) == (" one two", "word", " three")
    none = plain.post("/completion", {"prompt": "Once", "n_predict": 0}).json()
    assert (none["content"], none["stop_type"], none["tokens_evaluated"], none["tokens_predicted"]) == ("", "limit", 5, 0)


def test_w105_a_stream_says_the_same(plain):
    *said, last = events(plain, "/completion", {"prompt": "Once", "stream": True, "timings_per_token": True, "n_probs": 2})
    assert [chunk["content"] for chunk in said] == [" one", " two", " three"]
    assert [chunk["tokens"] for chunk in said] == [[0], [1], [2]] and not any(chunk["stop"] for chunk in said)
    assert [chunk["tokens_predicted"] for chunk in said] == [1, 2, 3] and said[0]["tokens_evaluated"] == 5
    assert all(set(chunk["timings"]) == TIMINGS for chunk in said)
    (known,) = said[1]["completion_probabilities"]
    assert (known["id"], known["token"], known["logprob"]) == (1, " two", -0.5)
    assert [other["id"] for other in known["top_logprobs"]] == [1, 2]
    assert last["stop"] and last["content"] == "" and last["tokens_predicted"] == 3 and last["stop_type"] == "eos"
    whole = plain.post("/completion", {"prompt": "Once", "n_probs": 1}).json()
    assert [one["id"] for one in whole["completion_probabilities"]] == [0, 1, 2]


def test_w105_prompts_of_tokens_and_only_some_fields(serve, script):
    server = serve(script(echo=True))
    answer = server.post("/completion", {"prompt": [1, 22, "three four"], "response_fields": ["content", "generation_settings/n_predict", "none"]})
    assert answer.json() == {"content": "1 22 three four", "generation_settings/n_predict": -1}
    assert server.post("/completion", {"prompt": [1, 22]}).json()["prompt"] == "1 22"
    assert server.post("/completion", {"prompt": {"prompt_string": "a b"}}).json()["content"] == "a b"
    assert server.post("/completion", {"prompt": [["a b"]]}).json()["content"] == "a b"
    assert server.post("/v1/completions", {"prompt": [7, 8]}).json()["choices"][0]["text"] == "7 8"


def test_w105_a_prompt_that_does_not_fit_is_said_as_llama_server_does(serve, script):
    server = serve(script(tokens=["a"], prompt_tokens=300, context_size=256))
    for body in ({"prompt": "x"}, {"prompt": "x", "stream": True}):
        error = server.post("/completion", body).json()["error"]
        assert error["code"] == 400 and error["type"] == "exceed_context_size_error", error


def test_w106_a_gap_is_filled(serve, script):
    server = serve(script(echo=True))
    answer = server.post("/infill", {"input_prefix": "int main() {", "input_suffix": "}", "prompt": "return", "input_extra": [{"filename": "a.h", "text": "int a;"}], "n_predict": 3}).json()
    assert answer["content"] == "int main() {" and answer["stop_type"] == "limit"


@pytest.mark.parametrize("path", ["/v1/chat/completions", "/chat/completions", "/v1/completions"])
def test_w107_times_and_progress_in_the_interface_of_openai(serve, script, path):
    server = serve(script(tokens=[" one", " two"], prompt_tokens=5, prefill_chunk=2))
    body = {"messages": HELLO, "prompt": "Once", "timings_per_token": True, "return_progress": True}
    whole = server.post(path, body).json()
    assert set(whole["timings"]) == TIMINGS and (whole["timings"]["prompt_n"], whole["timings"]["predicted_n"]) == (5, 2)
    *chunks, done = events(server, path, {**body, "stream": True})
    assert done == "[DONE]" and set(chunks[-1]["timings"]) == TIMINGS and chunks[-1]["choices"][0]["finish_reason"] == "stop"
    progress = [chunk["prompt_progress"] for chunk in chunks if "prompt_progress" in chunk]
    assert progress[0]["processed"] == progress[0]["cache"] == 0 and progress[-1]["processed"] == progress[-1]["total"] == 5
    assert [one["processed"] for one in progress] == sorted({one["processed"] for one in progress})
    timed = [chunk["timings"]["predicted_n"] for chunk in chunks if "timings" in chunk]
    assert timed == [1, 2, 2]
    *_, usage, _ = events(server, path, {"messages": HELLO, "prompt": "Once", "stream": True, "stream_options": {"include_usage": True}})
    assert usage["choices"] == [] and usage["timings"]["predicted_n"] == 2 == usage["usage"]["completion_tokens"]


def test_w107_progress_of_a_completion(serve, script):
    server = serve(script(tokens=["a"], prompt_tokens=5))
    first, *_, last = events(server, "/completion", {"prompt": "Once", "stream": True, "return_progress": True})
    assert first["prompt_progress"] == {"total": 5, "cache": 0, "processed": 0, "time_ms": first["prompt_progress"]["time_ms"]}
    assert last["stop"]


def test_w108_what_clients_of_llama_server_add(plain):
    body = {"messages": HELLO, "n_predict": 1, "repeat_penalty": 1.1, "mirostat": 2, "grammar": "", "chat_template_kwargs": {"enable_thinking": False}, "logit_bias": [[5, False], ["x", -1.5]], "cache_prompt": True}
    answer = plain.post("/v1/chat/completions", body).json()
    assert answer["choices"][0]["message"]["content"] == " one"
    for wrong in ({"repeat_penalty": "x"}, {"mirostat": 3}, {"grammar": 5}, {"json_schema": []}, {"chat_template_kwargs": 1}, {"return_progress": 1}):
        (name,) = wrong
        error = plain.post("/v1/chat/completions", {"messages": HELLO, **wrong}).json()["error"]
        assert error["param"] == name, error


def test_w105_a_call_ends_with_its_client(slow):
    """[O5]"""
    with httpx.stream("POST", f"{slow.url}/completion", json={"prompt": "Once", "stream": True}, trust_env=False) as answer:
        next(answer.iter_lines())
    wait_until(lambda: slow.get("/api/model/status").json()["models"][0]["running"] == 0)
    with pytest.raises(httpx.TimeoutException):
        slow.post("/completion", {"prompt": "Once"}, timeout=0.5)
    wait_until(lambda: slow.get("/api/model/status").json()["models"][0]["running"] == 0)
