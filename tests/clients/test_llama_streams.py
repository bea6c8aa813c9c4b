"""[W109] streams that a client of llama-server names, leaves, and takes up again at a byte."""

import re

import httpx
import pytest

from harness.wait import wait_until

NAME = "conv-1::org/model:Q8_0"
ASK = {"messages": [{"role": "user", "content": "Hi there"}], "stream": True, "return_progress": True, "timings_per_token": True}


def begin(server, name=NAME, **fields):
    """The bytes of a stream up to its first token; then the client leaves."""
    said = b""
    headers = {"X-Conversation-Id": name}
    with httpx.stream("POST", f"{server.url}/v1/chat/completions", json={**ASK, **fields}, headers=headers, trust_env=False, timeout=60) as answer:
        assert answer.status_code == 200
        for piece in answer.iter_raw():
            said += piece
            if b'"content":" one"' in said:
                return said
    return said


def but_for_times(said):
    """What differs from reader to reader has as many bytes for each."""
    return re.sub(rb'"timings":\{[^}]*\}', lambda found: re.sub(rb"[ 0-9.]", b"#", found[0]), said)


def resume(server, offset=0, name=NAME, **arguments):
    return server.http("GET", "/v1/stream", params={"conv_id": name, "from": str(offset)}, **arguments)


def lookup(server, *names):
    return server.post("/v1/streams/lookup", {"conversation_ids": list(names)}).json()


@pytest.fixture
def held(serve, script):
    said = script(tokens=[" one", " two", " three"], prompt_tokens=5, prefill_chunk=2).gate(2)
    return serve(said), said


def test_w109_who_comes_back_gets_the_bytes_behind_those_that_he_has(held):
    server, said = held
    first = begin(server)
    (found,) = lookup(server, "conv-1", "other")
    assert found["conversation_id"] == NAME and found["is_done"] is False and found["total_bytes"] >= len(first)
    said.open_all()
    rest = resume(server, len(first))
    assert rest.status_code == 200 and rest.headers["content-type"].startswith("text/event-stream")
    whole = resume(server).content
    assert but_for_times(whole).startswith(but_for_times(first)) and b"prompt_progress" in first and whole.endswith(b"data: [DONE]\n\n")
    for offset in (0, 1, len(first), len(first) + 7, len(whole) - 1, len(whole)):
        assert len(resume(server, offset).content) == len(whole) - offset
    assert but_for_times(rest.content) == but_for_times(whole)[len(first) :]
    assert lookup(server, NAME)[0]["is_done"] is True and lookup(server, "conv") == []
    (row,) = server.get("/api/conversations").json()["conversations"]
    assert [message["content"] for message in server.get(f"/api/conversation/{row['name']}").json()["messages"]] == ["Hi there", " one two three"]


def test_w109_the_next_of_that_name_takes_its_place_in_the_same_conversation(held):
    server, said = held
    begin(server)
    said.open_all()
    more = [*ASK["messages"], {"role": "assistant", "content": " one"}, {"role": "user", "content": "And now?"}]
    answer = server.post("/v1/chat/completions", {**ASK, "messages": more}, headers={"X-Conversation-Id": NAME})
    assert but_for_times(answer.content) == but_for_times(resume(server).content)
    (row,) = server.get("/api/conversations").json()["conversations"]
    said_there = [message["content"] for message in server.get(f"/api/conversation/{row['name']}").json()["messages"]]
    assert said_there[0::2] == ["Hi there", "And now?"] and said_there[-1] == " one two three"


def test_w109_delete_stops_it_and_is_idempotent(held):
    server, _ = held
    begin(server)
    for _ in range(2):
        assert server.http("DELETE", "/v1/stream", params={"conv_id": NAME}).status_code == 204
    assert resume(server).status_code == 404 and resume(server).json()["error"]["type"] == "not_found_error"
    assert lookup(server, NAME) == []
    wait_until(lambda: server.get("/api/model/status").json()["models"][0]["running"] == 0)
    assert server.http("DELETE", "/v1/stream", params={"conv_id": "never"}).status_code == 204


def test_w109_names_are_of_a_bounded_length_and_wrong_questions_are_400(plain):
    assert resume(plain, name="x" * 256).status_code == 404
    for arguments in ({}, {"params": {"conv_id": ""}}, {"params": {"conv_id": "x" * 257}}):
        assert plain.http("GET", "/v1/stream", **arguments).status_code == 400
    begin(plain)
    assert plain.http("GET", "/v1/stream", params={"conv_id": NAME, "from": "x"}).status_code == 400
    assert plain.post("/v1/streams/lookup", {}).status_code == 400
    assert plain.post("/v1/chat/completions", {**ASK, "stream": False}, headers={"X-Conversation-Id": "other"}).status_code == 200
    assert lookup(plain, "other") == [], "only a stream can be taken up"
