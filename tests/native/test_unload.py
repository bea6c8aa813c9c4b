"""[W22] A model that a person unloads is not loaded again by what was asked of it before: running or waiting, it ends and says why."""

import os
import signal
import threading

import httpx
import pytest

from harness.clients import Native
from harness.oracle import Mirror
from harness.syscalls import HOLD, inject


def ends(client, n):
    while len(client.of_type("end")) < n:
        client.recv()
    return client.of_type("end")


def check_unloaded(server, ends, n_loads=1):
    for end in ends:
        assert end["reason"] == "interrupted" and end["error"]["code"] == "engine_stopped", end
        assert "unloaded" in end["error"]["text"] and "Continue" in end["error"]["text"], end
    assert server.status()["state"] == "none"
    assert server.stderr().count("model_load") == n_loads


def unload(server):
    answer = server.post("/api/model/unload")
    assert answer.status_code == 200 and answer.json()["success"]


@pytest.fixture
def queueing(serve, script):
    """An answer that stands at its third token, and two that wait behind it."""
    tale = script().gate(3)
    server = serve(tale, flags=["--loaded", "1"])
    server.post("/api/config", {"when_busy": "queue"})
    with Native(server) as client:
        acks = [client.begin("One")]
        client.until_seq(3)
        acks += [client.begin(text, acks[0]["conversation"]) for text in ("Two", "Three")]
        yield server, tale, client, acks


def test_what_waits_behind_an_answer_ends_with_it(queueing):
    server, tale, client, acks = queueing
    unload(server)
    found = ends(client, 3)
    assert [end["generation"] for end in found] == [ack["generation"] for ack in acks]
    check_unloaded(server, found)
    assert client.of_type("queue")[-1]["messages"] == []
    tale.open_all()
    client.send(type="continue", generation=acks[2]["generation"], client_msg_id="c")
    client.until("ack")
    assert client.until("end")["reason"] == "stop", "it is loaded again when somebody asks"
    mirror = Mirror(acks[0]["conversation"]).feed(*client.frames)
    assert mirror.text == tale.text


def test_what_waits_for_the_engine_ends(serve, script):
    """In other conversations: in the engine's own queue, and in the server's."""
    tale = script(slots=1).gate(3)
    server = serve(tale)
    with Native(server) as client:
        client.begin("First")
        client.until_seq(3)
        for number in range(20):
            client.begin(f"Number {number}")
        unload(server)
        check_unloaded(server, ends(client, 21))
        tale.open_all()
        client.begin("Again")
        assert ends(client, 22)[-1]["reason"] == "stop"


def test_another_model_that_a_person_loads_takes_its_place_for_good(queueing, script):
    """What was asked of the first does not take it back."""
    server, tale, client, acks = queueing
    other = script(["Other"], name="other")
    assert server.post("/api/model/load", {"model_path": str(other.path)}).json()["success"]
    for end in ends(client, 3):
        assert end["reason"] == "interrupted" and "unloaded" in end["error"]["text"], end
    status = server.status()
    assert status["state"] == "ready" and status["model_path"] == str(other.path)
    assert server.stderr().count("model_load") == 2
    client.begin("Four", acks[0]["conversation"])
    assert ends(client, 4)[-1]["reason"] == "stop"


def test_a_message_on_its_way_to_the_disk(serve, script):
    server = serve(script())
    with Native(server) as client:
        client.begin("One")
        client.until("end")
        with inject(server, "store-sync", "fdatasync", HOLD):
            client.send(type="send", client_msg_id="a", text="Two")
            while len(server.get("/api/conversations").json()["conversations"]) < 2:
                pass
            unload(server)
        client.until("ack")
        check_unloaded(server, ends(client, 2)[1:])


@pytest.mark.parametrize("is_stream", [False, True])
def test_calls_of_the_compatible_api(serve, script, is_stream):
    tale = script(slots=1).gate(3)
    server = serve(tale, log="debug")
    answers = []

    def call():
        body = {"messages": [{"role": "user", "content": "Hi"}], "stream": is_stream}
        answers.append(httpx.post(server.url + "/v1/chat/completions", json=body, timeout=30, trust_env=False))

    with Native(server) as client:
        client.begin("One")
        client.until_seq(3)
        thread = threading.Thread(target=call)
        thread.start()
        while server.stderr().count("[OPENAI]") == 0:
            pass
        unload(server)
        thread.join(30)
        check_unloaded(server, ends(client, 1))
    assert answers[0].status_code == 503 and "unloaded" in answers[0].json()["error"]["message"]


def test_an_answer_that_was_about_to_go_on(serve, script):
    """[N12] The engine died; the end, and what goes on, are on their way to the disk."""
    tale = script().gate(3)
    server = serve(tale)
    server.expects_crash = True
    with Native(server) as client:
        ack = client.begin("One")
        client.until_seq(3)
        with inject(server, "store-sync", "fdatasync", HOLD):
            os.kill(server.engine_pid(), signal.SIGKILL)
            while server.status()["state"] == "ready":
                pass
            unload(server)
        mirror = Mirror(ack["conversation"]).feed(*client.frames)
        while mirror.end is None:
            mirror.feed(client.recv())
        check_unloaded(server, client.of_type("end")[-1:])
