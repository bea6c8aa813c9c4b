"""Cancel in the phases that tests/promise/test_p09_cancel.py cannot hold still: at the end, without a watcher, and at any moment (F33)."""

import random
import time

from harness import proof
from harness.clients import Chat, Native
from harness.oracle import Mirror, check_stored, follow
from harness.trace import Trace


def test_f33_cancel_between_the_last_token_and_the_end(serve, script):
    tale = script()
    tale.gate(len(tale.tokens) + 1)
    server = serve(tale)
    with Native(server) as client:
        ack = client.begin("One")
        client.until_seq(len(tale.tokens) + 1)
        client.send(type="stop", generation=ack["generation"])
        mirror = follow(client, Mirror(ack["conversation"]))
        assert mirror.end == "cancelled" and mirror.text == tale.text
        tale.open_all()
        check_stored(server, mirror)


def test_f33_cancel_of_an_answer_that_nobody_watches(serve, script):
    tale = script().gate(4)
    server = serve(tale)
    with Chat(server) as chat:
        chat.ask("One")
        token = chat.until("token", seq=4)
    answer = server.post("/api/chat/cancel", {"generation_id": token["generation"]}).json()
    assert answer == {"success": True, "generation_id": token["generation"], "reason": "cancelled", "seq": 5}
    stored = server.answer_of(token["conversation_id"])
    assert stored["generation"]["reason"] == "cancelled" and stored["content"] == "".join(tale.tokens[:3])


def test_f33_p09_cancel_at_any_moment_is_one_end(serve, script, seed, is_long):
    """Twice each, by the socket and by REST, at a random moment between the send and long after the end."""
    chance = random.Random(seed)
    tale = script(tokens=[f" {number}" for number in range(40)], slots=2)
    server = serve(tale)
    trace = Trace()
    reasons = set()
    with Native(server, trace=trace) as client, Native(server) as other:
        for _ in range(1000 if is_long else 120):
            ack = client.begin("Go")
            time.sleep(chance.uniform(0, 0.02))
            for _ in range(2):
                client.send(type="stop", generation=ack["generation"])
                other.send(type="stop", conversation=ack["conversation"])
            if chance.random() < 0.3:
                said = server.post("/api/chat/cancel", {"generation_id": ack["generation"]}).json()
                assert said["success"] and said["reason"] in ("cancelled", "stop", None)
            end = client.until("end", generation=ack["generation"])
            reasons.add(end["reason"])
            client.send(type="unwatch", conversation=ack["conversation"])
    assert reasons == {"cancelled", "stop"}, "the moments are not random enough"
    server.stop()
    stored = proof.prove(server.data, trace, all_ended=True)
    for generation in stored.generations.values():
        whole = "".join(tale.tokens)
        assert whole.startswith(generation.text.decode()) and (generation.reason != "stop" or generation.text.decode() == whole)
