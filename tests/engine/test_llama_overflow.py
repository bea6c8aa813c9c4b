"""A conversation that is longer than the context (docs/engine-protocol.md, [E35])."""

import pytest
from engine_driver import generate
from tiny_gguf import tiny_model

pytestmark = pytest.mark.real

SIZE = 256


@pytest.fixture
def tiny(llama, tmp_path):
    (tmp_path / "tiny.gguf").write_bytes(tiny_model()[0])
    llama.load(tmp_path / "tiny.gguf", context_size=SIZE)
    return llama


def conversation(n_turns, system="Sys."):
    """A letter is a token of this model, and ChatML 40 of each turn."""
    messages = [{"role": "system", "content": system}] if system else []
    for i in range(n_turns):
        messages.append({"role": "user", "content": f"u{i:03}"})
        messages.append({"role": "assistant", "content": f"a{i:03}"})
    return [*messages, {"role": "user", "content": "last"}]


def ask(engine, id, messages, overflow="drop_oldest", **fields):
    engine.send(generate(id, messages, overflow=overflow, cache_key="c", sampling={"sampler_type": "Greedy"}, ignore_eos=True, **fields))
    return engine.end_of(id)


def test_without_it_a_long_conversation_is_refused(tiny):
    """[E15]: as ever."""
    end = ask(tiny, "g", conversation(20), overflow="stop")
    assert end["reason"] == "error" and end["error"]["code"] == "context_full"
    assert "dropped_messages" not in end["usage"]


def test_a_conversation_that_fits_is_left_as_it_is(tiny):
    end = ask(tiny, "g", conversation(0), max_tokens=4)
    assert end["reason"] == "length" and "dropped_messages" not in end["usage"]
    assert not [event for event in tiny.events if event["ev"] == "dropped"]


def test_the_oldest_turns_go_and_it_is_said(tiny):
    """[E35]: the prompt is that of the same conversation without them."""
    whole = conversation(20)
    end = ask(tiny, "g", whole, max_tokens=4)
    n_dropped = end["usage"]["dropped_messages"]
    assert n_dropped > 0 and n_dropped % 2 == 0
    dropped = [event for event in tiny.events if event["ev"] == "dropped"]
    assert dropped == [{"ev": "dropped", "id": "g", "messages": n_dropped}]
    assert tiny.events.index(dropped[0]) < tiny.events.index(tiny.prefills("g")[0])
    same = ask(tiny, "same", [whole[0], *whole[1 + n_dropped :]], overflow="stop", max_tokens=4)
    assert same["usage"]["prompt_tokens"] == end["usage"]["prompt_tokens"]
    assert same["usage"]["cached_tokens"] == same["usage"]["prompt_tokens"] - 1
    assert tiny.text("same") == tiny.text("g")


def test_the_answer_has_an_eighth_of_the_context_and_ends_as_length(tiny):
    """[E35] [E15]: nothing is shifted when the context fills up."""
    end = ask(tiny, "g", conversation(20))
    usage = end["usage"]
    assert end["reason"] == "length" and usage["completion_tokens"] >= SIZE // 8
    assert usage["prompt_tokens"] + usage["completion_tokens"] == SIZE


def test_turns_go_in_steps_so_that_the_next_turn_finds_the_cache(llama, tmp_path):
    """[E35]: of many turns only a few begin anew. A turn has 60 tokens here, a step 512."""
    (tmp_path / "tiny.gguf").write_bytes(tiny_model()[0])
    llama.load(tmp_path / "tiny.gguf", context_size=2048)
    n_anew, n_dropped = 0, []
    for n_turns in range(20, 100):
        usage = ask(llama, f"g{n_turns}", conversation(n_turns), max_tokens=1)["usage"]
        n_dropped.append(usage.get("dropped_messages", 0))
        n_anew += usage["cached_tokens"] < usage["prompt_tokens"] // 2
        assert usage["prompt_tokens"] <= 2048 * 7 // 8
    assert n_dropped == sorted(n_dropped) and n_dropped[-1] > 120
    assert 5 < len(set(n_dropped)) < 13 and n_anew < 13


def test_the_last_message_and_the_system_prompt_stay_or_it_is_refused(tiny):
    """[E35]"""
    long = "x" * 300
    assert ask(tiny, "a", [*conversation(3), {"role": "assistant", "content": "a"}, {"role": "user", "content": long}])["error"]["code"] == "context_full"
    assert ask(tiny, "b", conversation(20, system=long))["error"]["code"] == "context_full"


def test_without_a_system_prompt_it_begins_with_a_person(tiny):
    """[E35]"""
    end = ask(tiny, "g", conversation(20, system=None), max_tokens=4)
    n_dropped = end["usage"]["dropped_messages"]
    assert n_dropped % 2 == 0
    same = ask(tiny, "same", conversation(20, system=None)[n_dropped:], overflow="stop", max_tokens=4)
    assert same["usage"]["prompt_tokens"] == end["usage"]["prompt_tokens"]


def test_going_on_leaves_the_same_messages_out(tiny):
    """[E35] [E21]: an answer that was cut off goes on as it was."""
    whole = ask(tiny, "whole", conversation(20), max_tokens=12)
    tokens = tiny.tokens("whole")
    rest = ask(tiny, "rest", conversation(20), max_tokens=6, prefix={"tokens": tokens[:6]})
    assert rest["usage"]["dropped_messages"] == whole["usage"]["dropped_messages"]
    assert tiny.tokens("rest") == tokens[6:]


def test_a_draft_is_cut_as_its_answer_will_be(tiny):
    """[E33] [E35]"""
    tiny.send({"op": "prefill", "id": "d", "cache_key": "c", "overflow": "drop_oldest", "messages": conversation(20)})
    tiny.end_of("d")
    usage = ask(tiny, "g", conversation(20), max_tokens=1)["usage"]
    assert usage["cached_tokens"] == usage["prompt_tokens"] - 1
