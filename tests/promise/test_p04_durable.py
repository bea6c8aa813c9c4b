"""P4 durable before visible: kill -9 of the server loses nothing that anyone saw; P5 it goes on after it."""

import os
import select

import pytest

from harness.clients import Chat, Native
from harness.oracle import Mirror, check_stored, follow


def wait_gone(pid, seconds=30):
    """Waits until a process that is not ours to wait for has ended."""
    try:
        fd = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    try:
        assert select.select([fd], [], [], seconds)[0], f"process {pid} is still there"
    finally:
        os.close(fd)


def ask_only(server):
    """Nothing goes on by itself: what a crash cuts stays cut."""
    assert server.post("/api/config", {"after_crash": "ask"}).status_code == 200
    return server


@pytest.mark.parametrize("n_tokens", [0, 1, 2, 5, 12])
def test_kill_9_keeps_every_token_that_a_client_received(new_server, script, n_tokens):
    tale = script().gate_all()
    server = ask_only(new_server(tale).start())
    with Native(server) as client:
        ack = client.begin("Tell me of rivers")
        tale.open(*range(1, n_tokens + 1))
        client.until_seq(n_tokens + 1)
        mirror = Mirror(ack["conversation"]).feed(*client.frames)
        assert mirror.text == "".join(tale.tokens[:n_tokens])
        engine = server.engine_pid()
        server.kill()
    wait_gone(engine)
    server.start()
    with Native(server) as client:
        assert server.answer_of(ack["conversation"])["generation"]["reason"] == "interrupted"
        client.watch(ack["conversation"], mirror.cursor(client.epoch))
        client.until("resumed")
        follow(client, mirror)
        assert mirror.end == "interrupted"
        assert mirror.seq == n_tokens + 2, "an event that nobody asked for, or one that is lost"
        check_stored(server, mirror)


@pytest.mark.parametrize("n_tokens", [0, 1, 5, 12])
def test_after_kill_9_the_answer_goes_on_behind_what_was_received(new_server, script, n_tokens):
    tale = script().gate_all()
    server = new_server(tale).start()
    with Native(server) as client:
        ack = client.begin("Tell me of rivers")
        tale.open(*range(1, n_tokens + 1))
        client.until_seq(n_tokens + 1)
        mirror = Mirror(ack["conversation"]).feed(*client.frames)
        server.kill()
    tale.open_all()
    server.start()
    with Native(server) as client:
        client.watch(ack["conversation"], mirror.cursor(client.epoch))
        client.until("resumed")
        follow(client, mirror)
        assert mirror.end == "stop" and mirror.text == tale.text
        # What no engine has begun is begun, not continued.
        assert len(mirror.chain) == (2 if n_tokens else 1)
        check_stored(server, mirror)


def test_kill_9_at_full_speed_loses_nothing_that_was_received(new_server, script):
    tale = script(tokens=[f" {number}" for number in range(400)], count=20000)
    server = ask_only(new_server(tale, flags=["--context", "60000"]).start())
    with Native(server) as client, Chat(server) as chat:
        ack = client.begin("Count")
        chat.ask("Count as well")
        client.until_seq(500)
        server.kill()
        client.close_code()
        chat.close_code()
    mirror = Mirror(ack["conversation"]).feed(*client.frames)
    other = chat.of_type("token")
    server.start()
    stored = server.answer_of(ack["conversation"])
    assert stored["content"].startswith(mirror.text) and len(mirror.text) > 1000
    assert stored["generation"]["reason"] == "interrupted"
    if other:
        stored = server.answer_of(other[0]["conversation_id"])
        assert stored["content"].startswith("".join(frame["token"] for frame in other))
        assert stored["generation"]["seq"] >= other[-1]["seq"] + 1


def test_an_acked_message_is_there_after_kill_9(new_server, script):
    tale = script().gate(1)
    server = new_server(tale).start()
    with Native(server) as client:
        ack = client.begin("Keep this")
        server.kill()
    server.start()
    messages = server.conversation(ack["conversation"])["messages"]
    assert [message["content"] for message in messages] == ["Keep this", ""]
    assert messages[0]["id"] == ack["message"]


def test_the_conversation_goes_on_after_kill_9(new_server, script):
    tale = script().gate(3)
    server = ask_only(new_server(tale).start())
    with Native(server) as client:
        ack = client.begin("One")
        client.until_seq(3)
        server.kill()
    server.start()
    tale.open_all()
    with Native(server) as client:
        client.watch(ack["conversation"])
        client.until("snapshot")
        client.begin("Two", ack["conversation"])
        mirror = follow(client, Mirror(ack["conversation"]))
        while mirror.end != "stop":
            mirror.feed(client.recv())
        assert mirror.text == tale.text
        check_stored(server, mirror)


def test_a_graceful_stop_ends_streams_as_interrupted_and_closes_with_1001(serve, script):
    """[W8]"""
    tale = script().gate(4)
    server = ask_only(serve(tale))
    with Native(server) as client, Chat(server) as chat:
        ack = client.begin("One")
        client.until_seq(4)
        chat.ask("Two")
        chat.until("token", seq=4)
        server.stop()
        assert client.close_code() == 1001
        assert chat.close_code() == 1001
        mirror = Mirror(ack["conversation"]).feed(*client.frames)
        assert mirror.text == "".join(tale.tokens[:3]) and mirror.end == "interrupted"
        assert chat.of_type("error")[-1]["reason"] == "interrupted"
    server.start()
    check_stored(server, mirror)
