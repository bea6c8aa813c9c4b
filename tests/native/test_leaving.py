"""Setting detach_seconds [W30]: how long an answer goes on that nobody watches; and who counts as a watcher."""

import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from harness.clients import Chat, Native, Watch
from harness.streams import live, said, sse


def wait_for(is_true, seconds=30):
    until = time.monotonic() + seconds
    while not is_true():
        assert time.monotonic() < until
        time.sleep(0.01)


def generation(server, ack):
    return server.get(f"/api/generations/{ack['generation']}").json()


@pytest.fixture
def held(serve, script):
    """An answer that waits at its fourth token."""
    tale = script().gate(4)
    return serve(tale), tale


def test_by_default_an_answer_goes_on_without_a_watcher(held):
    """[P8]"""
    server, tale = held
    assert server.get("/api/config").json()["detach_seconds"] == -1
    with Native(server) as client:
        ack = client.begin("Tell me")
        client.until_seq(4)
    tale.open_all()
    wait_for(lambda: generation(server, ack)["ended"])
    assert generation(server, ack)["reason"] == "stop"


def test_zero_stops_it_when_the_last_watcher_leaves(held):
    server, tale = held
    server.post("/api/config", {"detach_seconds": 0})
    with Native(server) as other:
        with Native(server) as client:
            ack = client.begin("Tell me")
            client.until_seq(4)
            other.watch(ack["conversation"])
            other.until("snapshot")
        other.send(type="ping")
        other.until("ping")
        assert generation(server, ack)["ended"] is False, "somebody still watches"
    wait_for(lambda: generation(server, ack)["ended"])
    assert generation(server, ack)["reason"] == "cancelled"
    assert server.answer_of(ack["conversation"])["content"] == "".join(tale.tokens[:3])


def test_a_conversation_has_a_time_of_its_own(held):
    server, tale = held
    server.post("/api/config", {"detach_seconds": 0})
    with Native(server) as client:
        ack = client.begin("Tell me")
        client.until_seq(4)
        path = f"/api/conversation/{ack['conversation']}"
        assert server.get(path).json()["detach_seconds"] is None
        assert server.post(path, {"detach_seconds": -1}).json()["detach_seconds"] == -1
        assert server.get(path).json()["detach_seconds"] == -1
    with Native(server) as client:
        second = client.begin("Tell me")
        client.until_seq(4)
    wait_for(lambda: generation(server, second)["ended"])
    assert generation(server, second)["reason"] == "cancelled"
    assert generation(server, ack)["ended"] is False, "its own time is without end"
    tale.open_all()
    wait_for(lambda: generation(server, ack)["ended"])
    assert generation(server, ack)["reason"] == "stop"
    server.restart()
    assert server.get(path).json()["detach_seconds"] == -1
    assert server.post(path, {"detach_seconds": None}).json()["detach_seconds"] is None
    assert server.get(path).json()["detach_seconds"] is None


def test_whoever_comes_back_in_time_keeps_it(held):
    server, tale = held
    with Native(server) as client:
        ack = client.begin("Tell me")
        client.until_seq(4)
        server.post(f"/api/conversation/{ack['conversation']}", {"detach_seconds": 2})
    with Native(server) as client:
        client.watch(ack["conversation"])
        client.until("snapshot")
        client.until("ping")
        assert generation(server, ack)["ended"] is False
    began = time.monotonic()
    wait_for(lambda: generation(server, ack)["ended"])
    assert generation(server, ack)["reason"] == "cancelled" and time.monotonic() - began >= 1.5


def test_every_protocol_counts_as_a_watcher(held):
    """[W12] [W13] [W15] [W27] read it; each alone keeps it alive."""
    server, tale = held
    server.post("/api/config", {"detach_seconds": 0})
    with ThreadPoolExecutor(4) as pool:
        sent = pool.submit(lambda: said(sse(server, "/api/chat/stream", "POST", json={"message": "As events"})))
        whole = pool.submit(server.post, "/api/chat", {"message": "As one piece"})
        with Native(server) as client:
            ack = client.begin("Tell me")
            client.until_seq(4)
            events = pool.submit(live, server, ack["generation"], 4)
            with Watch(server, ack["conversation"]) as watch:
                watch.until("update")
                client.close()
                watch.until("ping")
            with Chat(server) as chat:
                chat.ask("Through the oldest socket")
                chat.until("token", seq=4)
                tale.open_all()
                assert chat.answer()[1]["reason"] == "stop"
        assert sent.result()[1] == ["done"]
        assert whole.result().json()["message"]["content"] == tale.text
        ended = events.result()[-1]
        assert ended["type"] == "end" and ended["reason"] == "stop"


@pytest.mark.parametrize("value", [-2, 86401, 1.5, "x", True])
def test_a_wrong_time_is_refused(held, value):
    server, _ = held
    with Native(server) as client:
        name = client.begin("Tell me")["conversation"]
        for path in ("/api/config", f"/api/conversation/{name}"):
            answer = server.post(path, {"detach_seconds": value})
            assert answer.status_code == 400 and "detach_seconds" in answer.json()["error"]
        assert server.post(f"/api/conversation/{name}", {}).status_code == 400
        assert server.post("/api/conversation/chat_1999-01-01-00-00-00-000.txt", {"detach_seconds": 1}).status_code == 404
        client.send(type="stop", conversation=name)
        client.until("end")
