"""[W13] GET /ws/conversation/watch/{id}: the whole, the increments, the throttle."""

import pytest
from websockets.exceptions import InvalidStatus

from harness.clients import Chat, Native, Watch


def transcript(*turns):
    return "".join(f"{role}:\n{text}\n\n" for role, text in turns)


@pytest.fixture
def running(serve, script):
    """A conversation whose answer waits at its fourth token."""
    tale = script(prompt_tokens=7).gate_all()
    server = serve(tale, flags=["--context", "4096"])
    tale.open(1, 2, 3)
    with Chat(server) as chat:
        chat.ask("Tell me")
        token = chat.until("token", seq=4)
        yield server, tale, token["conversation_id"], token["generation"]


def test_the_whole_comes_first_and_then_every_token_once(running):
    server, tale, name, generation = running
    with Watch(server, name) as watch:
        first = watch.recv()
        assert first["type"] == "update"
        assert first["content"] == transcript(("USER", "Tell me"), ("ASSISTANT", "".join(tale.tokens[:3])))
        assert (first["tokens_used"], first["max_tokens"]) == (10, 4096)
        assert (first["generation"], first["seq"]) == (generation, 4)
        tale.open_all()
        end = watch.until("end")
        assert end == {"type": "end", "generation": generation, "seq": len(tale.tokens) + 2, "reason": "stop"}
        deltas = watch.of_type("delta")
        assert [frame["seq"] for frame in deltas] == list(range(5, len(tale.tokens) + 2))
        assert [frame["text"] for frame in deltas] == tale.tokens[3:]
        assert [frame["tokens_used"] for frame in deltas] == list(range(11, 8 + len(tale.tokens)))
        last = watch.until("update")
        assert last["content"] == transcript(("USER", "Tell me"), ("ASSISTANT", tale.text))
        assert last["content"] == server.get(f"/api/conversation/{name}", headers={"Accept": "text/plain"}).text


def test_updates_in_between_stand_where_the_increments_stand(running):
    server, tale, name, _ = running
    with Watch(server, name) as watch:
        whole = watch.until("update")["content"]
        for number in range(4, len(tale.tokens) + 1):
            tale.open(number)
            watch.until("delta")
            if number % 3 == 0:
                watch.until("update")
        tale.open_all()
        watch.until("end")
        watch.until("update")
        head = whole[:-2]
        for frame in watch.frames[1:]:
            if frame["type"] == "delta":
                head += frame["text"]
            elif frame["type"] == "update":
                assert frame["content"] == head + "\n\n"


def test_without_a_pause_there_are_at_most_four_updates_a_second(serve, script):
    tale = script(tokens=[f" {number}" for number in range(100)], token_ms=5).gate(1)
    server = serve(tale)
    with Chat(server) as chat, Native(server) as native:
        ack = native.begin("Count")
        with Watch(server, ack["conversation"]) as watch:
            watch.until("update")
            tale.open_all()
            watch.until("end")
            watch.until("update")
            assert len(watch.of_type("delta")) == 100
            assert len(watch.of_type("update")) <= 12


def test_updates_full_is_an_update_per_token_and_nothing_else(running):
    server, tale, name, _ = running
    with Watch(server, name, "?updates=full") as watch:
        tale.open_all()
        while watch.recv().get("seq") != len(tale.tokens) + 2:
            pass
        assert {frame["type"] for frame in watch.frames} == {"update"}
        texts = [frame["content"].split("ASSISTANT:\n")[1] for frame in watch.frames]
        assert texts == ["".join(tale.tokens[:number]) + "\n\n" for number in range(3, 14)] + [tale.text + "\n\n"]


def test_updates_delta_is_the_whole_once_and_then_increments(running):
    server, tale, name, _ = running
    with Watch(server, name, "?updates=delta") as watch, Chat(server) as chat:
        tale.open_all()
        watch.until("end")
        chat.ask("More", name)
        chat.until("done")
        message = watch.until("message")
        assert message["role"] == "user" and message["content"] == "More" and len(message["id"]) == 32
        watch.until("end")
        assert len(watch.of_type("update")) == 1


def test_a_cursor_continues_behind_it_without_the_whole(running):
    server, tale, name, generation = running
    with Native(server) as native:
        epoch = native.epoch
    with Watch(server, name, f"?generation={generation}&epoch={epoch}&after=2") as watch:
        assert watch.recv()["text"] == tale.tokens[1]
        tale.open_all()
        watch.until("end")
        assert [frame["seq"] for frame in watch.of_type("delta")] == list(range(3, len(tale.tokens) + 2))
        assert watch.of_type("update") == []


@pytest.mark.parametrize("change, reason", [("epoch", "epoch"), ("generation", "generation"), ("after", "ahead")])
def test_a_wrong_cursor_is_reset_with_the_whole(running, change, reason):
    """[P3]"""
    server, tale, name, generation = running
    with Native(server) as native:
        cursor = {"generation": generation, "epoch": native.epoch, "after": "4"}
    cursor[change] = {"epoch": "f" * 16, "generation": "f" * 32, "after": "500"}[change]
    query = "&".join(f"{key}={value}" for key, value in cursor.items())
    with Watch(server, name, f"?{query}") as watch:
        assert watch.recv() == {"type": "reset", "reason": reason}
        assert watch.recv()["type"] == "update"
        tale.open_all()
        watch.until("end")
        assert "".join(frame["text"] for frame in watch.of_type("delta")) == "".join(tale.tokens[3:])


def test_a_new_message_is_told_and_answered(running):
    server, tale, name, _ = running
    with Watch(server, name) as watch, Chat(server) as chat:
        watch.until("update")
        tale.open_all()
        watch.until("end")
        chat.ask("More", name)
        assert watch.until("message")["content"] == "More"
        watch.until("end")
        assert watch.until("update")["content"] == transcript(
            ("USER", "Tell me"), ("ASSISTANT", tale.text), ("USER", "More"), ("ASSISTANT", tale.text)
        )


def test_a_deleted_conversation_is_said_and_closed_with_4004(running):
    server, _, name, _ = running
    with Watch(server, name) as watch:
        watch.until("update")
        assert server.http("DELETE", f"/api/conversations/{name}").json() == {"success": True}
        assert watch.close_code() == 4004
        assert watch.frames[-1]["type"] == "error"


def test_an_unknown_conversation_is_said_and_closed_with_4004(serve, script):
    server = serve(script())
    with Watch(server, "chat_1999-01-01-00-00-00-000.txt") as watch:
        assert watch.close_code() == 4004
        assert [frame["type"] for frame in watch.frames] == ["error"]
        assert "there is no such conversation" in watch.frames[0]["error"]


@pytest.mark.parametrize(
    "path, code",
    [
        ("x", 400),
        ("chat_x.txt", 400),
        ("chat_1999-01-01-00-00-00-000.txt?updates=some", 400),
        ("chat_1999-01-01-00-00-00-000?after=3", 400),
        ("..%2f..%2fetc%2fpasswd", 400),
    ],
)
def test_a_malformed_request_is_refused_at_the_upgrade(serve, script, path, code):
    server = serve(script())
    with pytest.raises(InvalidStatus) as refused:
        Watch(server, path)
    assert refused.value.response.status_code == code
    assert b"error" in refused.value.response.body
