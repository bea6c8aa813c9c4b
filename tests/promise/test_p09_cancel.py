"""P9 cancel is idempotent and final in every phase: exactly one end, and the tokens before it stay. [N8] [W16]"""

import pytest

from harness.clients import Chat, Native
from harness.oracle import Mirror, check_stored, follow


def stop_and_check(server, client, ack, text=""):
    """Stops twice, reads the one end, and looks for anything after it."""
    for _ in range(2):
        client.send(type="stop", generation=ack["generation"])
    mirror = follow(client, Mirror(ack["conversation"]))
    client.send(type="stop", conversation=ack["conversation"])
    client.send(type="stop", generation=ack["generation"])
    client.send(type="ping")
    client.until("ping")
    mirror = Mirror(ack["conversation"]).feed(*client.frames)
    assert mirror.end == "cancelled" and mirror.text == text
    assert len(client.of_type("end")) == 1 and client.of_type("error") == []
    check_stored(server, mirror)


def test_cancel_while_queued(serve, script):
    tale = script(slots=1).gate(1, when="first")
    server = serve(tale)
    with Native(server) as first, Native(server) as second:
        holder = first.begin("first")
        first.until("phase", phase="prefill")
        waiting = second.begin("second")
        second.until("phase", phase="queued")
        stop_and_check(server, second, waiting)
        tale.open_all(when="first")
        assert follow(first, Mirror(holder["conversation"])).text == tale.text


def test_cancel_while_loading(serve, script):
    tale = script().gate(0)
    server = serve(tale)
    with Native(server) as client:
        ack = client.begin("One")
        client.until("phase", phase="loading")
        stop_and_check(server, client, ack)
        tale.open_all()
        client.begin("Two", ack["conversation"])
        client.until("end", reason="stop")


def test_cancel_in_the_middle_of_the_prefill(serve, script):
    tale = script(prompt_tokens=3000, prefill_ms=100_000)
    server = serve(tale)
    with Native(server) as client:
        ack = client.begin("One")
        phase = client.until("phase", phase="prefill")
        assert phase["total"] == 3000 and phase["done"] < 3000
        stop_and_check(server, client, ack)


@pytest.mark.parametrize("n_tokens", [0, 1, 6])
def test_cancel_while_decoding_keeps_what_was_said(serve, script, n_tokens):
    tale = script().gate(n_tokens + 1)
    server = serve(tale)
    with Native(server) as client:
        ack = client.begin("One")
        client.until_seq(n_tokens + 1)
        stop_and_check(server, client, ack, "".join(tale.tokens[:n_tokens]))
        tale.open_all()
        client.begin("Two", ack["conversation"])
        client.until("end", reason="stop")


def test_cancel_by_rest_answers_with_the_end(serve, script):
    tale = script().gate(3)
    server = serve(tale)
    for key in ("conversation_id", "generation_id"):
        with Chat(server) as chat:
            chat.ask("One")
            token = chat.until("token", seq=3)
            name = {"conversation_id": token["conversation_id"], "generation_id": token["generation"]}[key]
            answers = [server.post("/api/chat/cancel", {key: name}) for _ in range(2)]
            assert answers[0].status_code == 200
            assert answers[0].json() == {
                "success": True,
                "generation_id": token["generation"],
                "reason": "cancelled",
                "seq": 4,
            }
            done = chat.until("done", "error")
            assert done["type"] == "done" and done["reason"] == "cancelled"
            assert answers[1].status_code == 200 and answers[1].json()["success"] is True
    assert server.post("/api/chat/cancel", {"conversation_id": token["conversation_id"]}).json()["success"] is True


def test_a_stop_of_nothing_is_silent(serve, script):
    server = serve(script())
    with Native(server) as client:
        client.send(type="stop", generation="0" * 32)
        client.send(type="stop", conversation="chat_1999-01-01-00-00-00-000")
        client.send(type="ping")
        client.until("ping")
        assert client.of_type("error", "end") == []


def test_unload_ends_what_waits_for_the_model(serve, script):
    tale = script().gate(0)
    server = serve(tale)
    with Native(server) as client:
        ack = client.begin("One")
        client.until("phase", phase="loading")
        assert server.post("/api/model/unload").json()["success"]
        client.until("end")
        mirror = Mirror(ack["conversation"]).feed(*client.frames)
        assert mirror.end == "interrupted" and mirror.text == ""
        assert client.of_type("end")[-1]["error"]["code"] == "engine_stopped"
        check_stored(server, mirror)
        assert server.status()["state"] == "none"
        tale.open_all()
        client.begin("Two", ack["conversation"])
        assert client.until("end")["reason"] == "stop"


def test_stop_reaches_an_answer_whose_message_is_on_its_way_to_the_disk(serve, script):
    tale = script(count=500, token_ms=10)
    server = serve(tale)
    with Native(server) as client:
        ack = client.begin("One")
        client.until_seq(2)
        stop_frame = {"type": "stop", "conversation": ack["conversation"]}
        client.send(**stop_frame)
        client.until("end")
        for number in range(5):
            client.send(type="send", client_msg_id=f"n{number}", text="More", conversation=ack["conversation"])
            client.send(**stop_frame)
            end = client.until("end")
            assert end["reason"] == "cancelled" and end["seq"] < 500
