"""P10 send is idempotent: client_msg_id names a message of its conversation, once and for all. [N6] [N7]"""

from harness.clients import Native
from harness.oracle import Mirror, check_stored, follow


def test_the_same_send_again_is_the_same_ack_and_stores_nothing(serve, script):
    tale = script().gate(4)
    server = serve(tale)
    with Native(server) as client, Native(server) as other:
        begun = client.begin("Hello")
        client.until_seq(3)
        tale.open_all()
        client.until("end")
        first = client.begin("More", begun["conversation"], client_msg_id="try-1")
        again = [sender.begin("More", begun["conversation"], client_msg_id="try-1") for sender in (client, other)]
        assert first["duplicate"] is False
        for ack in again:
            assert ack == {**first, "duplicate": True}
        mirror = follow(client, Mirror(begun["conversation"]))
        while mirror.last_generation != first["generation"] or mirror.end is None:
            mirror.feed(client.recv())
        check_stored(server, mirror)
        assert len(server.conversation(begun["conversation"])["messages"]) == 4


def test_two_retries_at_once_make_one_message(serve, script):
    tale = script()
    server = serve(tale)
    with Native(server) as client, Native(server) as other:
        begun = client.begin("Hello")
        client.until("end")
        for sender in (client, other):
            sender.send(type="send", client_msg_id="same", text="More", conversation=begun["conversation"])
        acks = [sender.until("ack", "error") for sender in (client, other)]
        assert sorted(ack["duplicate"] for ack in acks) == [False, True]
        assert acks[0]["message"] == acks[1]["message"] and acks[0]["generation"] == acks[1]["generation"]
        client.until("end", generation=acks[0]["generation"])
        assert len(server.conversation(begun["conversation"])["messages"]) == 4


def test_the_same_id_with_another_text_is_a_conflict(serve, script):
    server = serve(script())
    with Native(server) as client:
        ack = client.begin("Hello")
        client.until("end")
        client.begin("More", ack["conversation"], client_msg_id="id-1")
        client.until("end")
        client.send(type="send", client_msg_id="id-1", text="Other", conversation=ack["conversation"])
        error = client.until("error", "ack")
        assert error["code"] == "conflict"
        assert error["about"] == {"type": "send", "client_msg_id": "id-1", "conversation": ack["conversation"]}
        assert len(server.conversation(ack["conversation"])["messages"]) == 4


def test_a_retry_after_kill_9_finds_its_message(new_server, script):
    tale = script()
    server = new_server(tale).start()
    with Native(server) as client:
        begun = client.begin("Hello")
        client.until("end")
        tale.gate(3)
        server.restart()
    with Native(server) as client:
        ack = client.begin("More", begun["conversation"], client_msg_id="id-1")
        server.kill()
    server.start()
    with Native(server) as client:
        again = client.begin("More", begun["conversation"], client_msg_id="id-1")
        assert again == {**ack, "duplicate": True}
        assert len(server.conversation(begun["conversation"])["messages"]) == 4
        tale.open_all()
        client.watch(begun["conversation"])
        assert follow(client, Mirror(begun["conversation"])).text == tale.text


def test_another_send_while_an_answer_is_written_is_busy_and_stores_nothing(serve, script):
    """[N7]"""
    tale = script().gate(3)
    server = serve(tale)
    with Native(server) as client, Native(server) as other:
        ack = client.begin("Hello")
        client.until_seq(3)
        other.send(type="send", client_msg_id="late", text="Me too", conversation=ack["conversation"])
        error = other.until("error", "ack")
        assert error["code"] == "busy" and error["about"]["client_msg_id"] == "late"
        tale.open_all()
        mirror = follow(client, Mirror(ack["conversation"]))
        check_stored(server, mirror)
        assert other.begin("Me too", ack["conversation"], client_msg_id="late")["duplicate"] is False
