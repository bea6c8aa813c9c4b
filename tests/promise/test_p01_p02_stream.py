"""P1 one writer, one life; P2 exactly once per watcher, also across connections. [N2] [N3] [N4]"""

import pytest

from harness.clients import Native
from harness.oracle import Mirror, check_stored, follow


def test_the_sender_sees_every_event_once_from_its_message_on(serve, script):
    tale = script()
    server = serve(tale)
    with Native(server) as client:
        ack = client.begin("Tell me of rivers")
        mirror = follow(client, Mirror(ack["conversation"]))
        kinds = [frame["type"] for frame in client.frames if frame["type"] in ("ack", "message", "start", "tokens", "end")]
        assert kinds[:3] == ["ack", "message", "start"] and kinds[-1] == "end" and "tokens" in kinds
        assert mirror.text == tale.text and mirror.end == "stop"
        assert mirror.seq == len(tale.tokens) + 2
        check_stored(server, mirror)


def test_a_watcher_that_joins_in_the_middle_ends_with_the_same_bytes(serve, script):
    tale = script().gate_all()
    server = serve(tale)
    with Native(server) as first, Native(server) as second:
        ack = first.begin("Tell me of rivers")
        tale.open(1, 2, 3, 4, 5)
        first.until_seq(6)
        second.watch(ack["conversation"])
        snapshot = second.until("snapshot")
        assert snapshot["messages"][-1]["content"] == "".join(tale.tokens[:5])
        assert snapshot["messages"][-1]["generation"]["seq"] == 6
        tale.open_all()
        mirrors = [follow(client, Mirror(ack["conversation"])) for client in (first, second)]
        assert [mirror.text for mirror in mirrors] == [tale.text, tale.text]
        assert [mirror.seq for mirror in mirrors] == [len(tale.tokens) + 2] * 2
        told = "".join(frame["text"] for frame in second.of_type("tokens"))
        assert told == "".join(tale.tokens[5:]), "text of the snapshot came again"


def test_five_watchers_that_join_at_any_token_are_each_exact(serve, script):
    tale = script().gate_all()
    server = serve(tale)
    clients = [Native(server) for _ in range(6)]
    ack = clients[0].begin("Tell me of rivers")
    for number, client in enumerate(clients[1:]):
        tale.open(2 * number + 1, 2 * number + 2)
        clients[0].until_seq(2 * number + 3)
        client.watch(ack["conversation"])
    tale.open_all()
    for client in clients:
        mirror = follow(client, Mirror(ack["conversation"]))
        assert mirror.text == tale.text and mirror.end == "stop"
        client.close()


@pytest.mark.parametrize("seq", [1, 2, 7])
def test_a_cursor_continues_behind_the_last_event_seen(serve, script, seq):
    """[N4] across connections: after_seq + 1 onward, and no snapshot."""
    tale = script().gate_all()
    server = serve(tale)
    with Native(server) as first:
        ack = first.begin("Tell me of rivers")
        mirror = Mirror(ack["conversation"])
        tale.open(*range(1, seq))
        first.until_seq(seq)
        mirror.feed(*first.frames)
        assert mirror.seq == seq
    tale.open(*range(seq, 9))
    with Native(server) as second:
        second.watch(ack["conversation"], mirror.cursor(second.epoch))
        second.until("resumed")
        tale.open_all()
        follow(second, mirror)
        assert second.of_type("snapshot") == []
        assert mirror.text == tale.text and mirror.end == "stop"
        check_stored(server, mirror)


def test_a_cursor_of_an_ended_answer_leads_into_the_next_one(serve, script):
    tale = script()
    server = serve(tale)
    with Native(server) as first, Native(server) as second:
        ack = first.begin("One")
        mirror = follow(first, Mirror(ack["conversation"]))
        assert mirror.end == "stop"
        next_ack = second.begin("Two", ack["conversation"])
        second.watch(ack["conversation"], mirror.cursor(second.epoch))
        second.until("resumed")
        second.frames.clear()
        second.until("end")
        mirror.feed(*second.frames)
        assert mirror.last_generation == next_ack["generation"] and mirror.text == tale.text
        check_stored(server, mirror)


def test_a_cursor_at_the_very_end_gets_nothing_again(serve, script):
    server = serve(script())
    with Native(server) as first:
        ack = first.begin("One")
        mirror = follow(first, Mirror(ack["conversation"]))
        first.watch(ack["conversation"], mirror.cursor(first.epoch))
        first.until("resumed")
        first.frames.clear()
        first.send(type="ping")
        first.until("ping")
        assert first.of_type("tokens", "end", "start", "message", "snapshot") == []


def test_a_conversation_of_many_turns_is_replayed_from_a_cursor_of_the_first(serve, script):
    server = serve(script(echo=True, tokens=[]))
    with Native(server) as client:
        ack = client.begin("turn 0")
        early = follow(client, Mirror(ack["conversation"])).cursor(client.epoch)
        for turn in range(1, 5):
            client.begin(f"turn {turn}", ack["conversation"])
            client.until("end")
        live = Mirror(ack["conversation"]).feed(*client.frames)
    with Native(server) as other:
        replayed = Mirror(ack["conversation"])
        replayed.seqs[early["generation"]] = early["after_seq"]
        other.watch(ack["conversation"], {**early, "after_seq": 1})
        replayed.generations[early["generation"]] = live.generations[early["generation"]]
        replayed.texts[live.generations[early["generation"]]] = ""
        replayed.seqs[early["generation"]] = 1
        replayed.last_generation = early["generation"]
        while len(replayed.ends) < 5:
            replayed.feed(other.recv())
        assert {key: replayed.texts[key] for key in live.texts if key in replayed.texts} == {
            key: live.texts[key] for key in replayed.texts
        }
        assert replayed.text == "turn 4"
