"""Warm before Send: `prefill` of the llama engine (docs/engine-protocol.md, [E33])."""

import pytest
from engine_driver import generate

pytestmark = pytest.mark.real

GREEDY = {"sampler_type": "Greedy"}
TEXT = "".join(f"The river runs from hill {i} to the sea. " for i in range(40))


def messages(content, salt):
    return [{"role": "system", "content": f"You help with rivers, {salt}."}, {"role": "user", "content": content}]


def draft(id, content, salt, key="chat_d"):
    return {"op": "prefill", "id": id, "cache_key": key, "messages": messages(content, salt)}


def ask(id, content, salt, key="chat_d", **fields):
    return generate(id, messages(content, salt), **{"sampling": GREEDY, "max_tokens": 4, "cache_key": key, **fields})


def test_what_was_typed_is_not_computed_again(loaded):
    """[E33]: the prompt that was computed before Send costs one token then."""
    loaded.send(draft("d-1", TEXT, "one"))
    end = loaded.end_of("d-1")
    assert end["reason"] == "stop" and end["usage"]["completion_tokens"] == 0 and not loaded.items("d-1")
    loaded.send(ask("d-send", TEXT, "one"))
    usage = loaded.end_of("d-send")["usage"]
    assert usage["cached_tokens"] == usage["prompt_tokens"] - 1


def test_what_is_typed_on_computes_the_rest(loaded):
    """[E33]: a few tokens of the template's end are computed again, and nothing else."""
    loaded.send(draft("d-2", TEXT, "two"))
    loaded.end_of("d-2")
    loaded.send(draft("d-3", TEXT + "And what about mills?", "two"))
    usage = loaded.end_of("d-3")["usage"]
    assert usage["prompt_tokens"] - usage["cached_tokens"] < 24
    loaded.send(ask("d-send-2", TEXT + "And what about mills?", "two"))
    usage = loaded.end_of("d-send-2")["usage"]
    assert usage["cached_tokens"] == usage["prompt_tokens"] - 1


def test_an_answer_drops_a_draft_and_has_what_it_computed(loaded):
    """[E33]: within one chunk, which is small."""
    loaded.send(draft("d-4", TEXT * 3, "four"))
    loaded.until(lambda event: event["ev"] == "prefill" and event["id"] == "d-4" and event["done"] > 0)
    loaded.send(ask("d-send-4", TEXT * 3, "four"))
    dropped, end = loaded.end_of("d-4", "d-send-4")
    assert dropped["reason"] == "cancelled"
    assert 0 < end["usage"]["cached_tokens"] < end["usage"]["prompt_tokens"] - 1
    steps = [event["done"] for event in loaded.prefills("d-4")]
    assert max(b - a for a, b in zip(steps, steps[1:])) <= 128


def test_a_newer_draft_replaces_the_older_one(loaded):
    """[E33]"""
    loaded.send(draft("d-5", TEXT * 3, "five"), draft("d-6", TEXT * 3 + "!", "five"), draft("d-7", TEXT, "other", key="chat_e"))
    old, new, other = loaded.end_of("d-5", "d-6", "d-7")
    assert (old["reason"], new["reason"], other["reason"]) == ("cancelled", "stop", "stop")


def test_a_draft_waits_for_the_answers(loaded):
    """[E33]: it never takes a step from them."""
    loaded.send(ask("d-busy", "Tell me a story.", "busy", key="chat_b", ignore_eos=True, max_tokens=40))
    loaded.until_ev("step")
    loaded.send(draft("d-8", TEXT, "eight"))
    loaded.end_of("d-busy", "d-8")
    kinds = [(event["ev"], event.get("id")) for event in loaded.events]
    assert kinds.index(("end", "d-busy")) < kinds.index(("prefill", "d-8"))
    assert ("queued", "d-8") not in kinds


def test_a_draft_can_be_cancelled_and_refused(loaded):
    """[E33] [E16] [E2]"""
    loaded.send(draft("d-9", TEXT * 3, "nine"), {"op": "cancel", "id": "d-9"}, {"op": "prefill", "id": "d-10"})
    cancelled, refused = loaded.end_of("d-9", "d-10")
    assert cancelled["reason"] == "cancelled" and refused["error"]["code"] == "bad_request"
