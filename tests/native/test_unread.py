"""[N41] An answer that ended while nobody watched is unread, for everybody, until somebody has seen it."""

import pytest

from harness.clients import Native, Watch
from harness.wait import wait_until


def row(server):
    return server.get("/api/conversations").json()["conversations"][0]


@pytest.fixture
def missed(serve, script):
    """A server with a conversation whose answer nobody saw end."""
    tale = script().gate(3)
    server = serve(tale)
    with Native(server) as client:
        name = client.begin("Go")["conversation"]
        client.until_seq(2)
    with Native(server) as other:
        wait_until(lambda: row(server)["running"])
        tale.open(3)
        frame = other.until("conversation", event="running", running=False)
        assert frame["unread"] is True
    return server, name


def test_n41_what_somebody_watched_is_not_unread(serve, script):
    server = serve(script())
    with Native(server) as client:
        client.begin("Go")
        client.until("end")
        wait_until(lambda: not row(server)["running"])
        assert row(server)["unread"] is False


def test_n41_it_outlives_the_server_and_ends_when_somebody_watches(missed):
    server, name = missed
    server.kill()
    server.start()
    assert row(server)["unread"] is True and server.conversation(name)["unread"] is True
    with Native(server) as other, Native(server) as client:
        client.watch(name)
        client.until("snapshot")
        assert other.until("conversation", event="changed")["unread"] is False
        assert row(server)["unread"] is False
    server.restart()
    assert row(server)["unread"] is False


def test_n41_the_original_protocol_s_watchers_count(missed):
    server, name = missed
    with Native(server) as other, Watch(server, name) as watch:
        watch.until("update")
        assert other.until("conversation", event="changed")["unread"] is False


def test_n41_seen_says_so_without_watching(missed):
    server, name = missed
    with Native(server) as other, Native(server) as client:
        client.send(type="seen", conversation=name)
        assert other.until("conversation", event="changed")["unread"] is False
        client.send(type="seen", conversation="chat_2020-01-01-00-00-00-000.txt")
        error = client.until("error")
        assert (error["code"], error["about"]["type"]) == ("not_found", "seen")
        client.send(type="seen")
        assert client.until("error")["code"] == "bad_request"
    assert row(server)["unread"] is False


def test_n41_what_a_person_cancels_is_not_unread(serve, script):
    server = serve(script().gate(3))
    with Native(server) as client:
        name = client.begin("Go")["conversation"]
        client.until_seq(2)
    with Native(server) as other:
        other.send(type="stop", conversation=name)
        assert other.until("conversation", event="running", running=False)["unread"] is False
