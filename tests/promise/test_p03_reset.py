"""P3 explicit reset: a cursor that means nothing here gets one reset and the whole. [N4]"""

import pytest

from harness.clients import Native
from harness.oracle import Mirror, follow


@pytest.fixture
def answered(serve, script):
    server = serve(script())
    with Native(server) as client:
        ack = client.begin("One")
        yield server, client, follow(client, Mirror(ack["conversation"]))


@pytest.mark.parametrize(
    "change, reason",
    [
        ({"epoch": "0123456789abcdef"}, "epoch"),
        ({"epoch": "something quite else, and longer than any epoch"}, "epoch"),
        ({"generation": "0" * 32}, "generation"),
        ({"generation": "../../etc/passwd"}, "generation"),
        ({"after_seq": 999}, "ahead"),
        ({"after_seq": 2**62}, "ahead"),
    ],
)
def test_a_wrong_cursor_is_reset_with_its_reason_and_a_snapshot(answered, change, reason):
    _, client, mirror = answered
    client.frames.clear()
    client.watch(mirror.conversation, {**mirror.cursor(client.epoch), **change})
    assert client.until("reset", "resumed", "snapshot") == {
        "type": "reset",
        "conversation": mirror.conversation,
        "reason": reason,
    }
    snapshot = client.until("snapshot")
    assert snapshot["messages"][-1]["content"] == mirror.text
    assert len(client.of_type("reset")) == 1


def test_another_database_has_another_epoch(new_server, script):
    tale = script()
    one, two = new_server(tale, data="one").start(), new_server(tale, data="two").start()
    with Native(one) as first, Native(two) as second:
        assert first.epoch != second.epoch


def test_the_epoch_survives_a_restart(answered):
    server, client, mirror = answered
    epoch = client.epoch
    client.close()
    server.restart()
    with Native(server) as again:
        assert again.epoch == epoch
        again.watch(mirror.conversation, mirror.cursor(epoch))
        again.until("resumed")
