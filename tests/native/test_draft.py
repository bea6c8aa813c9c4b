"""[N16] What is typed is given to the engine before it is sent. The fake engine says in its log what it was given."""

import re
import time

import pytest

from harness.clients import Native
from harness.wait import wait_until


def lines(server, pattern):
    return re.findall(pattern, server.stderr())


GIVEN = r"fake_draft id=(\w+) key=(\S*) messages=(\d+) words=(\d+)"
ENDED = r"fake_draft id=(\w+) reason=(\w+)"


@pytest.fixture
def typing(serve, script):
    """A server whose model is loaded and holds drafts; a conversation in it with one answer."""
    server = serve(script(tokens=["Yes", " it", " is"], hold_drafts=True))
    with Native(server) as client:
        ack = client.begin("Is it?")
        client.until("end")
        yield server, client, ack["conversation"]


def test_a_draft_is_the_conversation_and_what_is_typed(typing):
    server, client, name = typing
    client.send(type="draft", conversation=name, text="And this one too?")
    [(_, key, n_messages, n_words)] = server.wait_log(GIVEN)
    assert key == name and n_messages == "3" and n_words == str(2 + 3 + 4)


def test_a_new_conversation_has_a_draft_too(typing):
    server, client, _ = typing
    server.post("/api/config", {"system_prompt": "You are brief."})
    client.send(type="draft", text="Hello you")
    [(_, key, n_messages, n_words)] = server.wait_log(GIVEN)
    assert key.startswith("draft-") and n_messages == "2" and n_words == "5"


def test_a_newer_draft_takes_the_place_of_the_older(typing):
    """A quick typist costs the engine five a second at most, and the last one is given."""
    server, client, name = typing
    words = "one two three four five six seven eight nine ten".split()
    for n in range(1, len(words) + 1):
        client.send(type="draft", conversation=name, text=" ".join(words[:n]))
    wait_until(lambda: [line[3] for line in lines(server, GIVEN)][-1:] == ["15"])
    given = lines(server, GIVEN)
    assert len(given) <= 4
    ended = server.wait_log(ENDED, len(given) - 1)
    assert {reason for _, reason in ended} <= {"cancelled"} and {id for id, _ in ended} == {id for id, *_ in given[:-1]}


def test_sending_ends_the_draft_and_finds_it_in_the_cache(typing):
    server, client, name = typing
    client.send(type="draft", conversation=name, text="And this one too?")
    server.wait_log(GIVEN)
    client.begin("And this one too?", conversation=name)
    end = client.until("end")
    server.wait_log(ENDED)
    assert end["usage"]["cached_tokens"] == end["usage"]["prompt_tokens"] - 1
    assert len(lines(server, GIVEN)) == 1


def test_nobody_sees_a_draft(typing):
    server, client, name = typing
    with Native(server) as other:
        other.watch(name)
        other.until("snapshot")
        before = len(other.frames)
        client.send(type="draft", conversation=name, text="And this one too?")
        server.wait_log(GIVEN)
        [row] = server.get("/api/conversations").json()["conversations"]
        assert row["running"] is False
        assert len(server.conversation(name)["messages"]) == 2
        other.send(type="ping")
        other.until("ping")
        assert {frame["type"] for frame in other.frames[before:]} <= {"ping", "conversation"}
    assert server.status()["state"] == "ready"


def test_a_socket_that_goes_takes_its_draft_along(typing):
    server, _, name = typing
    with Native(server) as other:
        other.send(type="draft", conversation=name, text="And this one too?")
        server.wait_log(GIVEN)
    assert server.wait_log(ENDED)[0][1] == "cancelled"


def test_a_text_that_is_taken_back_ends_the_draft(typing):
    server, client, name = typing
    client.send(type="draft", conversation=name, text="And this one too?")
    server.wait_log(GIVEN)
    client.send(type="draft", conversation=name, text="")
    assert server.wait_log(ENDED)[0][1] == "cancelled"


def test_what_is_typed_during_an_answer_waits_for_its_end(serve, script):
    tale = script(tokens=["a", "b", "c"], hold_drafts=True).gate(2)
    server = serve(tale)
    with Native(server) as client:
        ack = client.begin("Go")
        client.until_seq(2)
        client.send(type="draft", conversation=ack["conversation"], text="The next one")
        client.send(type="ping")
        client.until("ping")
        time.sleep(0.5)
        assert lines(server, GIVEN) == []
        tale.open(2)
        client.until("end")
        [(_, _, n_messages, _)] = server.wait_log(GIVEN)
        assert n_messages == "3"


def test_the_setting_turns_it_off(typing):
    server, client, name = typing
    assert server.post("/api/config", {"draft_prefill": "off"}).json()["draft_prefill"] == "off"
    client.send(type="draft", conversation=name, text="And this one too?")
    client.send(type="ping")
    client.until("ping")
    time.sleep(0.5)
    assert lines(server, GIVEN) == []


def test_a_draft_loads_no_model_and_needs_a_conversation_that_exists(serve, script):
    server = serve(script(tokens=["a"]))
    with Native(server) as client:
        client.send(type="draft", text="Hello")
        client.send(type="draft", conversation="chat_2020-01-01-00-00-00-000.txt", text="Hello")
        client.send(type="draft", conversation="no id", text="Hello")
        assert client.until("error")["code"] == "bad_request"
        assert server.status()["state"] == "none"
        client.begin("Go")
        client.until("end")
        client.send(type="draft", conversation="chat_2020-01-01-00-00-00-000.txt", text="Hello")
        client.send(type="ping")
        client.until("ping")
        time.sleep(0.3)
    assert lines(server, GIVEN) == []
