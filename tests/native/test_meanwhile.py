"""What is asked of a message while the disk has not confirmed it: it waits or succeeds, and is not lost. (src/chat/chat_test.c has every order.)

The disk answers only when a test lets it, so the list shows a new conversation before its sender has the ack.
"""

import contextlib
import http.client
import json

import pytest

from harness.clients import Native
from harness.syscalls import HOLD, inject


@pytest.fixture
def server(serve, script):
    return serve(script())


@contextlib.contextmanager
def unacknowledged(server, client):
    """A new conversation that is stored and not acknowledged: its name, and what lets the disk answer."""
    with contextlib.ExitStack() as disk:
        disk.enter_context(inject(server, "store-sync", "fdatasync", HOLD))
        client.send(type="send", client_msg_id="a", text="Tell me")
        while not (found := server.get("/api/conversations").json()["conversations"]):
            pass
        yield found[0]["name"], disk.close


def ask(server, method, path, body=None):
    """A request that has reached the server and is not answered yet."""
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=30)
    content = json.dumps(body) if body is not None else None
    connection.request(method, path, content, {"Content-Type": "application/json"} if body is not None else {})
    settle(server)
    return connection


def settle(server):
    """What was sent before has been read: the loop has been round."""
    for _ in range(3):
        server.get("/health")


def check_cancelled(server, client, name):
    """And no model was loaded for it."""
    assert client.until("ack")["conversation"] == name
    end = client.until("end")
    assert end["reason"] == "cancelled" and end["seq"] == 2
    assert server.status()["state"] == "none"
    client.begin("Once more", name)
    assert client.until("end")["reason"] == "stop"


def test_a_delete_waits_for_it(server):
    """[W19]"""
    with Native(server) as client, unacknowledged(server, client) as (name, release):
        delete = ask(server, "DELETE", f"/api/conversations/{name}")
        release()
        assert delete.getresponse().status == 200
        assert client.until("ack")["conversation"] == name
        client.until("conversation", event="deleted")
    assert server.get(f"/api/conversation/{name}").status_code == 404
    assert server.get("/api/conversations").json()["conversations"] == []


@pytest.mark.parametrize("by", ["conversation", "generation"])
def test_a_stop_reaches_it(server, by):
    """[N8]"""
    with Native(server) as client, Native(server) as other, unacknowledged(server, client) as (name, release):
        other.watch(name)
        generation = other.until("snapshot")["messages"][-1]["generation"]["id"]
        other.send(type="stop", **{by: {"conversation": name, "generation": generation}[by]})
        other.send(type="ping")
        other.until("ping")
        settle(server)
        release()
        check_cancelled(server, client, name)


@pytest.mark.parametrize("by", ["conversation_id", "generation_id"])
def test_a_cancel_reaches_it(server, by):
    """[W16]"""
    with Native(server) as client, unacknowledged(server, client) as (name, release):
        generation = server.conversation(name)["messages"][-1]["generation"]["id"]
        body = {by: {"conversation_id": name, "generation_id": generation}[by]}
        cancel = ask(server, "POST", "/api/chat/cancel", body)
        release()
        answer = json.load(cancel.getresponse())
        assert answer == {"success": True, "generation_id": generation, "reason": "cancelled", "seq": 2}
        check_cancelled(server, client, name)


def test_what_a_conversation_has_of_its_own_is_kept(server):
    """[W30] Whoever watches it, and whoever reads it, sees the change, in whatever order they came."""
    name = server.post("/api/chat", {"message": "Tell me"}).json()["conversation_id"]
    for seconds in range(20):
        with Native(server) as client:
            client.watch(name)
            changed = server.post(f"/api/conversation/{name}", {"detach_seconds": seconds})
            assert changed.json()["success"] is True and changed.json()["detach_seconds"] == seconds
            client.until("snapshot")
            assert server.conversation(name)["detach_seconds"] == seconds
