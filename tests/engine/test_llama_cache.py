"""What the llama engine computes once and uses again (docs/engine-protocol.md, [E30] and on), on the real default model."""

import pytest
from engine_driver import generate, model_path
from tiny_gguf import tiny_model

pytestmark = pytest.mark.real

GREEDY = {"sampler_type": "Greedy"}
DOCUMENT = "".join(f"Paragraph {i}: the river runs from hill {i * 7 % 31} to the sea, past mill {i}.\n" for i in range(40))


def ask(id, content, system=DOCUMENT, **fields):
    messages = [{"role": "system", "content": system}, {"role": "user", "content": content}]
    return generate(id, messages, **{"sampling": GREEDY, "max_tokens": 8, "cache_key": id, **fields})


def computed(end):
    return end["usage"]["prompt_tokens"] - end["usage"]["cached_tokens"]


def check_prefills(engine, id):
    """[E10]: done and cached rise, done to total."""
    prefills = engine.prefills(id)
    assert prefills[-1]["done"] == prefills[-1]["total"]
    for name in ("done", "cached"):
        values = [event[name] for event in prefills]
        assert values == sorted(values)
    assert all(event["cached"] <= event["done"] for event in prefills)


def test_a_common_beginning_is_computed_once_by_conversations_that_come_together(loaded):
    """[E30]: eight at the same time pay for the document once."""
    ids = [f"together-{i}" for i in range(8)]
    loaded.send(*[ask(id, f"What about mill {i}?") for i, id in enumerate(ids)])
    ends = loaded.end_of(*ids)
    total = ends[0]["usage"]["prompt_tokens"]
    assert total > 800
    assert sum(map(computed, ends)) < total + 8 * 48
    for id in ids:
        check_prefills(loaded, id)
    # The same words as alone.
    loaded.send(ask("alone", "What about mill 5?", system="Other. " + DOCUMENT, max_tokens=1), ask("again", "What about mill 5?"))
    loaded.end_of("alone", "again")
    assert loaded.text("again") == loaded.text("together-5")


def test_one_that_waits_for_a_beginning_goes_on_when_the_other_is_cancelled(loaded):
    """[E30]"""
    document = "A. " + DOCUMENT
    loaded.send(ask("first", "One?", document), ask("second", "Two?", document), ask("third", "Three?", document))
    loaded.until(lambda event: event["ev"] == "prefill" and event["id"] == "second" and event["done"] > 0)
    loaded.send({"op": "cancel", "id": "first"})
    first, second, third = loaded.end_of("first", "second", "third")
    assert first["reason"] == "cancelled" and second["reason"] == third["reason"] == "length"
    total = second["usage"]["prompt_tokens"]
    assert computed(second) + computed(third) < total + 64
    # Nothing that the first one had computed is computed again.
    assert second["usage"]["cached_tokens"] >= loaded.prefills("first")[-1]["done"] - 32


def test_a_short_prompt_does_not_wait_behind_the_long_one_that_it_begins_like(llama, tmp_path):
    """[E26] [E30]: the shorter one computes what both begin with, before anybody else. A tiny model: its tokens are bytes."""
    path = tmp_path / "tiny.gguf"
    path.write_bytes(tiny_model()[0])
    llama.load(path, context_size=8192, slots=4)
    common = "abcd" * 150
    prompts = {"long": common + "e" * 4000, "middle": "f" * 2000, "short": common}
    llama.send(*[generate(id, content, cache_key=id, sampling=GREEDY, max_tokens=1, ignore_eos=True) for id, content in prompts.items()])
    llama.end_of(*prompts)
    order = [event["id"] for event in llama.events if event["ev"] == "end"]
    assert order[0] == "short"


def test_conversations_with_one_document_share_a_context_that_could_not_hold_it_twice(llama):
    """[E30]: a shared cell counts once."""
    llama.load(model_path(), context_size=1536, slots=4)
    ids = [f"s{i}" for i in range(4)]
    llama.send(*[ask(id, f"What about mill {i}?", ignore_eos=True, max_tokens=40) for i, id in enumerate(ids)])
    ends = llama.end_of(*ids)
    assert all(end["reason"] == "length" and end["usage"]["completion_tokens"] == 40 for end in ends)
    assert not [event for event in llama.events if event["ev"] == "queued"]
    # A guess that was right brings several tokens of one answer in a step.
    assert max(len({item["id"] for item in event["out"]}) for event in llama.events if event["ev"] == "step") == 4


def test_a_branch_computes_only_what_is_behind_the_fork(llama):
    """[E30]: and going back to the first branch computes one token."""
    llama.load(model_path(), context_size=2048)
    start = [{"role": "system", "content": "Branch. " + DOCUMENT}]
    one = [*start, {"role": "user", "content": "Tell me of mill one."}]
    two = [*start, {"role": "user", "content": "Tell me of hill two."}]
    ends = []
    for i, messages in enumerate((one, two, one)):
        llama.send(generate(f"branch-{i}", messages, sampling=GREEDY, max_tokens=4, cache_key="branch"))
        ends.append(llama.end_of(f"branch-{i}"))
    assert computed(ends[1]) < 24 and computed(ends[2]) == 1
