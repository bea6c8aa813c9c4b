"""[W16] POST /api/chat/cancel: by conversation, by generation, and, for front ends with one chat, by nothing at all."""

import threading

import httpx
import pytest

from harness.clients import Native


def cancel(server, **arguments):
    """As a front end does that sends no body."""
    return server.http("POST", "/api/chat/cancel", **arguments)


def test_no_body_ends_the_only_answer(serve, script):
    tale = script().gate(4)
    server = serve(tale)
    assert cancel(server).status_code == 400, "nothing runs"
    with Native(server) as client:
        ack = client.begin("Tell me")
        client.until_seq(4)
        answer = cancel(server)
        assert answer.status_code == 200
        assert answer.json() == {"success": True, "generation_id": ack["generation"], "reason": "cancelled", "seq": 5}
        assert client.until("end")["reason"] == "cancelled"
    assert cancel(server).status_code == 400


def test_no_body_is_refused_when_two_answers_are_written(serve, script):
    tale = script().gate(4)
    server = serve(tale)
    with Native(server) as client:
        acks = [client.begin(text) for text in ("One", "Two")]
        refused = cancel(server, json={})
        assert refused.status_code == 400 and "conversation_id" in refused.json()["error"]
        assert cancel(server, json={"conversation_id": acks[0]["conversation"]}).json()["reason"] == "cancelled"
        assert cancel(server).json()["generation_id"] == acks[1]["generation"]


def test_calls_of_the_compatible_api_do_not_count(serve, script):
    tale = script().gate(4)
    server = serve(tale)
    chunks, begun = [], threading.Event()

    def call():
        body = {"messages": [{"role": "user", "content": "Hi"}], "stream": True}
        with httpx.stream("POST", server.url + "/v1/chat/completions", json=body, timeout=30, trust_env=False) as answer:
            for line in answer.iter_lines():
                chunks.append(line)
                begun.set()

    thread = threading.Thread(target=call)
    thread.start()
    assert begun.wait(30)
    assert cancel(server).status_code == 400
    with Native(server) as client:
        client.begin("Tell me")
        client.until_seq(4)
        assert cancel(server).json()["reason"] == "cancelled"
    tale.open_all()
    thread.join(30)
    assert chunks[-2] == "data: [DONE]", "it was not touched"


def test_a_waiting_answer_is_cancelled_by_its_generation(serve, script):
    """The one that runs goes on; the end of the other comes in its turn to watchers, and at once to whoever cancels."""
    tale = script().gate(4)
    server = serve(tale)
    server.post("/api/config", {"when_busy": "queue"})
    with Native(server) as client:
        first = client.begin("One")
        client.until_seq(4)
        second = client.begin("Two", first["conversation"])
        answer = cancel(server, json={"generation_id": second["generation"]}).json()
        assert answer == {"success": True, "generation_id": second["generation"], "reason": "cancelled", "seq": 2}
        assert cancel(server, json={"generation_id": second["generation"]}).json() == answer
        tale.open_all()
        assert client.until("end")["reason"] == "stop"
        assert client.until("end")["generation"] == second["generation"]


@pytest.fixture
def queueing(serve, script):
    """An answer that stands at its fourth token, and two that wait behind it."""
    tale = script().gate(4)
    server = serve(tale)
    server.post("/api/config", {"when_busy": "queue"})
    with Native(server) as client:
        acks = [client.begin("One")]
        client.until_seq(4)
        acks += [client.begin(text, acks[0]["conversation"]) for text in ("Two", "Three")]
        yield server, tale, client, acks


def ends(client, n):
    while len(client.of_type("end")) < n:
        client.recv()
    return [(frame["generation"], frame["reason"]) for frame in client.of_type("end")]


@pytest.mark.parametrize("how", ["conversation_id", "nothing"])
def test_a_conversation_is_all_that_is_asked_in_it(queueing, how):
    """As `stop` with a conversation [N8]: the one that runs first, then those that wait; the answer is the end of the first."""
    server, tale, client, acks = queueing
    body = {"conversation_id": acks[0]["conversation"]} if how == "conversation_id" else {}
    answer = cancel(server, json=body).json()
    assert answer == {"success": True, "generation_id": acks[0]["generation"], "reason": "cancelled", "seq": 5}
    assert ends(client, 3) == [(ack["generation"], "cancelled") for ack in acks]
    assert client.of_type("queue")[-1]["messages"] == []
    assert cancel(server, json={"conversation_id": acks[0]["conversation"]}).json() == {"success": True, "reason": None}
    tale.open_all()
    client.begin("Four", acks[0]["conversation"])
    assert ends(client, 4)[3][1] == "stop", "what is asked afterwards is answered"


@pytest.mark.parametrize("how", ["rest", "native"])
def test_a_generation_is_that_one_alone(queueing, how):
    """[W16] [N8]"""
    server, tale, client, acks = queueing
    if how == "rest":
        assert cancel(server, json={"generation_id": acks[0]["generation"]}).json()["reason"] == "cancelled"
    else:
        client.send(type="stop", generation=acks[0]["generation"])
    assert ends(client, 1) == [(acks[0]["generation"], "cancelled")]
    tale.open_all()
    assert ends(client, 3)[1:] == [(ack["generation"], "stop") for ack in acks[1:]]


def test_a_wrong_id_is_named(serve, script):
    server = serve(script())
    for body, status, word in [
        ({"generation_id": "x"}, 400, "generation_id"),
        ({"conversation_id": "../x"}, 400, "conversation_id"),
        ({"generation_id": "f" * 32}, 404, "answer"),
        ({"conversation_id": "chat_1999-01-01-00-00-00-000.txt"}, 404, "conversation"),
    ]:
        answer = cancel(server, json=body)
        assert answer.status_code == status and word in answer.json()["error"], (body, answer.text)
