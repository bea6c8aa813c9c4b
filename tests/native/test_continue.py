"""[N12] [N13] [W28] An answer that was cut off: by itself, or when a person says so."""

import os
import signal

import pytest

from harness.clients import Native
from harness.oracle import Mirror, check_stored, follow


@pytest.fixture
def cut_off(serve, script):
    """A server that asks, and an answer that a crash cut off after three tokens."""
    tale = script().gate(4)
    server = serve(tale)
    server.expects_crash = True
    server.post("/api/config", {"after_crash": "ask"})
    with Native(server) as client:
        ack = client.begin("Tell me")
        client.until_seq(4)
        os.kill(server.engine_pid(), signal.SIGKILL)
        end = client.until("end")
        assert end["reason"] == "interrupted" and "continued_by" not in end
        tale.open_all()
        yield server, tale, client, ack


def go_on(client, generation, client_msg_id="c-1"):
    client.send(type="continue", generation=generation, client_msg_id=client_msg_id)
    return client.until("ack", "error")


def test_the_answer_goes_on_in_its_place(cut_off):
    server, tale, client, ack = cut_off
    again = go_on(client, ack["generation"])
    assert again["type"] == "ack" and again["duplicate"] is False and again["client_msg_id"] == "c-1"
    start = client.until("start", generation=again["generation"])
    assert start["continues"] == ack["generation"] and start["message"]["id"] == again["message"]
    assert start["message"]["content"] == "" and start["message"]["generation"]["continues"] == ack["generation"]
    client.until("end", generation=again["generation"])
    mirror = follow(client, Mirror(ack["conversation"]))
    assert mirror.text == tale.text and mirror.chain == [ack["generation"], again["generation"]]
    check_stored(server, mirror)


def test_a_second_continue_is_the_first_one(cut_off):
    """[P10] A double click, another window, a lost ack: one generation."""
    server, tale, client, ack = cut_off
    first = go_on(client, ack["generation"])
    client.until("end", generation=first["generation"])
    with Native(server) as other:
        second = go_on(other, ack["generation"], "c-2")
        assert second["duplicate"] is True
        assert {key: second[key] for key in ("conversation", "message", "generation")} == {
            key: first[key] for key in ("conversation", "message", "generation")
        }
    rest = server.post("/api/chat/continue", {"generation_id": ack["generation"]}).json()
    assert rest["duplicate"] is True and rest["generation_id"] == first["generation"] and rest["message_id"] == first["message"]
    server.restart()
    rest = server.post("/api/chat/continue", {"generation_id": ack["generation"]}).json()
    assert rest["duplicate"] is True and rest["generation_id"] == first["generation"]
    assert server.answer_of(ack["conversation"])["content"] == tale.text


def test_continue_clicked_twice_at_once(cut_off):
    server, tale, client, ack = cut_off
    for number in range(5):
        client.send(type="continue", generation=ack["generation"], client_msg_id=f"c-{number}")
    acks = [client.until("ack", "error") for _ in range(5)]
    assert {frame["type"] for frame in acks} == {"ack"}, acks
    assert len({frame["generation"] for frame in acks}) == 1
    assert sorted(frame["duplicate"] for frame in acks) == [False] + [True] * 4
    client.until("end", generation=acks[0]["generation"])
    assert len([frame for frame in client.of_type("start") if frame.get("continues")]) == 1


def test_what_cannot_go_on_is_said(cut_off):
    server, _, client, ack = cut_off
    error = go_on(client, "f" * 32)
    assert error["code"] == "not_found" and error["about"] == {"type": "continue", "client_msg_id": "c-1", "generation": "f" * 32}
    assert go_on(client, "nobody")["code"] == "bad_request"
    newest = go_on(client, ack["generation"])["generation"]
    client.until("end", generation=newest, reason="stop")
    assert go_on(client, newest)["code"] == "conflict", "it is whole"
    for body, status in [({"generation_id": newest}, 422), ({"generation_id": "f" * 32}, 404), ({"generation_id": 7}, 400), ({}, 400)]:
        assert server.post("/api/chat/continue", body).status_code == status, body


def test_an_answer_that_was_answered_does_not_go_on(cut_off):
    server, _, client, ack = cut_off
    client.begin("Never mind", ack["conversation"])
    client.until("end", reason="stop")
    assert go_on(client, ack["generation"])["code"] == "conflict"


def test_nothing_goes_on_while_another_answer_is_written(serve, script):
    tale = script().gate(4)
    server = serve(tale)
    with Native(server) as client:
        ack = client.begin("Tell me")
        client.until_seq(4)
        client.send(type="stop", generation=ack["generation"])
        client.until("end", reason="cancelled")
        again = go_on(client, ack["generation"])
        client.until("phase", phase="prefill")
        assert go_on(client, again["generation"])["code"] == "busy"
        tale.open_all()
        client.until("end", generation=again["generation"], reason="stop")
        assert server.answer_of(ack["conversation"])["content"] == tale.text


def test_a_snapshot_in_mid_chain_and_what_follows_fit(serve, script):
    """[N12] [N3] Whoever comes between two crashes."""
    tale = script().gate(4).gate(8)
    server = serve(tale)
    server.expects_crash = True
    with Native(server) as client, Native(server) as late:
        ack = client.begin("Tell me")
        client.until_seq(4)
        os.kill(server.engine_pid(), signal.SIGKILL)
        tale.open(4)
        client.until("start", continues=ack["generation"])
        client.until_seq(5)
        late.watch(ack["conversation"])
        snapshot = late.until("snapshot")
        answer = snapshot["messages"][-1]
        assert answer["content"] == "".join(tale.tokens[:7]) and answer["generation"]["continues"] == ack["generation"]
        assert answer["generation"]["seq"] == 5 and answer["generation"]["ended"] is False
        os.kill(server.engine_pid(), signal.SIGKILL)
        tale.open_all()
        mirrors = [follow(one, Mirror(ack["conversation"])) for one in (client, late)]
        assert [mirror.text for mirror in mirrors] == [tale.text] * 2
        assert len(mirrors[0].chain) == 3 and mirrors[1].chain == mirrors[0].chain[1:]
        check_stored(server, mirrors[0])


def test_an_engine_that_never_says_a_token_is_not_asked_for_ever(serve, script):
    """Three in a row without a token: the answer stays interrupted, and a person may try again."""
    tale = script().at(1, "crash")
    server = serve(tale)
    server.expects_crash = True
    with Native(server) as client:
        ack = client.begin("Tell me")
        mirror = follow(client, Mirror(ack["conversation"]))
        assert mirror.end == "interrupted" and mirror.text == "" and len(mirror.chain) == 3
        tale.faults.clear()
        tale.write()
        again = go_on(client, mirror.chain[-1])
        assert client.until("end", generation=again["generation"])["reason"] == "stop"
        assert server.answer_of(ack["conversation"])["content"] == tale.text
