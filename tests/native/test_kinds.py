"""[N18] Thoughts and calls of tools: events of their own, exact on every way, and no part of the content."""

import json
import os
import signal

import pytest

from harness.clients import Chat, Native, Watch
from harness.streams import live, pages

TOKENS = [
    {"reasoning": "Let me"},
    {"reasoning": " think äh"},
    {"reasoning": ".", "text": "The"},
    " river",
    {"hex": "f09f"},
    {"hex": "8c8a"},
    {"tool": {"index": 0, "id": "call_1", "name": "get_weather"}},
    {"tool": {"index": 0, "arguments": '{"city": '}},
    {"tool": {"index": 0, "arguments": '"Bern"}'}},
    {"tool": {"index": 1, "id": "call_2", "name": "get_time", "arguments": "{}"}},
    " end",
]
KINDS = ["reasoning"] * 3 + ["token"] * 4 + ["tool"] * 4 + ["token"]
CONTENT = "The river🌊 end"
REASONING = "Let me think äh."
CALLS = [
    {"id": "call_1", "name": "get_weather", "arguments": '{"city": "Bern"}'},
    {"id": "call_2", "name": "get_time", "arguments": "{}"},
]
N_EVENTS = len(KINDS) + 2


def said(frames):
    """What frames of a generation, or several, say: thoughts, content, calls; their numbers are dense."""
    reasoning, content, calls, seq = "", "", [], {}
    for frame in frames:
        if frame["type"] not in ("start", "tokens", "reasoning", "tool", "end") or "generation" not in frame:
            continue
        generation, n = frame["generation"], frame.get("n", 1)
        assert frame["seq"] == seq.get(generation, frame["seq"] - 1) + 1, frame
        seq[generation] = frame["seq"] + n - 1
        if frame["type"] == "reasoning":
            reasoning += frame["text"]
        elif frame["type"] == "tokens":
            content += frame["text"]
        elif frame["type"] == "tool":
            piece = frame["call"]
            if piece["index"] == len(calls):
                calls.append({"id": piece["id"], "name": piece["name"], "arguments": ""})
            calls[piece["index"]]["arguments"] += piece.get("arguments", "")
    return reasoning, content, calls


@pytest.fixture
def tale(script):
    return script(tokens=TOKENS)


@pytest.fixture
def told(serve, tale):
    server = serve(tale)
    with Native(server) as client:
        ack = client.begin("Tell me")
        client.until("end")
        yield server, client, ack


def check_message(message):
    assert message["content"] == CONTENT
    assert message["generation"]["reasoning"] == REASONING and message["generation"]["tool_calls"] == CALLS


def test_n18_they_are_frames_of_their_own_and_the_content_is_the_tokens(told):
    server, client, ack = told
    assert said(client.frames) == (REASONING, CONTENT, CALLS)
    end = client.frames[-1]
    assert end["seq"] == N_EVENTS and end["usage"]["completion_tokens"] == len(TOKENS)
    check_message(server.answer_of(ack["conversation"]))
    server.restart()
    check_message(server.answer_of(ack["conversation"]))


def test_n18_a_cursor_anywhere_goes_on_exactly_from_memory_and_from_the_disk(told):
    server, client, ack = told
    whole = said(client.frames)
    first = client.frames
    for round in range(2):
        for after in range(1, N_EVENTS):
            with Native(server) as other:
                other.watch(ack["conversation"], {"generation": ack["generation"], "epoch": other.epoch, "after_seq": after})
                other.until("end")
                assert other.of_type("resumed")
                cut = [frame for frame in first if frame.get("generation") == ack["generation"] and last_of(frame) <= after]
                if sum(frame.get("n", 1) for frame in cut if frame["type"] in ("start", "tokens", "reasoning", "tool")) == after:
                    assert said(cut + other.frames) == whole
                else:
                    assert said(other.frames)[1] and CONTENT.endswith(said(other.frames)[1])
        server.restart()


def last_of(frame):
    return frame.get("seq", 0) + frame.get("n", 1) - 1


def test_w27_the_events_have_their_kinds_in_pages_and_streams(told):
    server, _, ack = told
    events = server.get(f"/api/generations/{ack['generation']}/events").json()["events"]
    assert [event["type"] for event in events] == ["start", *KINDS, "end"]
    assert [event["seq"] for event in events] == list(range(1, N_EVENTS + 1))
    assert "".join(event["text"] for event in events if event["type"] == "reasoning") == REASONING
    assert "".join(event["text"] for event in events if event["type"] == "token") == CONTENT
    assert [event["call"] for event in events if event["type"] == "tool"][0] == {"index": 0, "id": "call_1", "name": "get_weather"}
    assert live(server, ack["generation"]) == events
    server.restart()
    assert pages(server, ack["generation"], limit=3) == events


def test_w12_w13_older_protocols_count_them_and_say_nothing(told):
    server, _, ack = told
    with Chat(server) as chat:
        chat.send(message="Again", conversation_id=ack["conversation"])
        done = chat.until("done")
        tokens = chat.of_type("token")
        assert [token["token"] for token in tokens] == ["", "", "", "The", " river", "", "🌊", "", "", "", "", " end"]
        used = [token["tokens_used"] for token in tokens]
        assert used[-1] - used[0] == len(TOKENS) - 1 and used == sorted(used)
        assert done["reason"] == "stop"
    with Watch(server, ack["conversation"]) as watch:
        assert CONTENT in watch.until("update")["content"] and "Let me" not in watch.frames[-1]["content"]
    answer = server.post("/api/chat", {"message": "And again", "conversation_id": ack["conversation"]}).json()
    assert answer["message"]["content"] == CONTENT
    found = server.get("/api/conversations?q=think").json()["conversations"]
    assert found == [], "thoughts are not searched"


@pytest.mark.parametrize("seq", [2, 4, 5, 8, 9, 10, 12])
@pytest.mark.parametrize("victim", ["engine", "server"])
def test_n18_a_crash_in_a_thought_or_a_call_loses_and_repeats_nothing(serve, script, victim, seq):
    tale = script(tokens=TOKENS)
    n_tokens = {2: 1, 4: 3, 5: 3, 8: 6, 9: 7, 10: 8, 12: 10}[seq]
    tale.gate(n_tokens + 1)
    server = serve(tale)
    server.expects_crash = True
    with Native(server) as client:
        ack = client.begin("Tell me")
        while max(last_of(frame) for frame in client.frames) < seq - (seq == 4):
            client.recv()
        if victim == "engine":
            os.kill(server.engine_pid(), signal.SIGKILL)
            tale.open_all()
            client.until("end", reason="stop")
            assert said(client.frames) == (REASONING, CONTENT, CALLS)
            assert len(client.of_type("start")) == 2
    if victim == "server":
        server.kill()
        tale.open_all()
        server.start()
        with Native(server) as client:
            client.watch(ack["conversation"], {"generation": ack["generation"], "epoch": client.epoch, "after_seq": 0})
            client.until("end", reason="stop")
            assert said(client.frames) == (REASONING, CONTENT, CALLS)
    check_message(server.answer_of(ack["conversation"]))
    server.restart()
    check_message(server.answer_of(ack["conversation"]))
    assert json.dumps(server.answer_of(ack["conversation"])).count("call_2") == 1
