"""[E21] of docs/engine-protocol.md on the fake engine: an answer goes on behind what an earlier run said."""

import pytest
from engine_driver import check_order, generate, script

WAVE = {"hex": "f09f"}, {"hex": "8c8a"}
TALE = ["The", " river", *WAVE, " EN", "TRY", " ends", {"hex": "e2"}]


def whole_answer(fake, tokens, **fields):
    fake.load(script(tokens=tokens, token_ms=0))
    fake.send(generate("whole", **fields))
    fake.end_of("whole")
    return fake.items("whole")


def test_every_cut_goes_on_with_the_same_items(fake):
    """Wherever it is cut: what was held back there comes with the token that decides it, nothing twice."""
    whole = whole_answer(fake, TALE, stop=["END"])
    assert [item["text"] for item in whole] == ["The", " river", "", "🌊", " ", "ENTRY", " ends", "", "\ufffd"]
    for n in range(len(TALE) + 1):
        fake.send(generate(f"g{n}", stop=["END"], prefix={"tokens": [item["tok"] for item in whole[:n]]}))
        end = fake.end_of(f"g{n}")
        rest = [(item["tok"], item["text"]) for item in whole[n:]]
        assert [(item["tok"], item["text"]) for item in fake.items(f"g{n}")] == rest
        assert end["reason"] == "stop"
        assert end["usage"] == {"prompt_tokens": 1 + n, "cached_tokens": 0, "completion_tokens": len(TALE) - n}
        assert fake.prefills(f"g{n}")[-1]["total"] == 1 + n  # [E10]
        check_order(fake.events, f"g{n}")


def test_count_goes_on_behind_the_prefix(fake):
    fake.load(script(tokens=["a", "b", "c"], count=8, token_ms=0))
    fake.send(generate("g1", prefix={"tokens": [0, 1, 2, 0, 1]}))
    assert fake.end_of("g1")["reason"] == "stop"
    assert [item["tok"] for item in fake.items("g1")] == [2, 0, 1] and fake.text("g1") == "cab"


def test_max_tokens_counts_what_is_new(fake):
    whole_answer(fake, TALE)
    fake.send(generate("g1", max_tokens=2, prefix={"tokens": [0, 1]}))
    end = fake.end_of("g1")
    assert end["reason"] == "length" and end["usage"]["completion_tokens"] == 2 and fake.text("g1") == "🌊"


@pytest.mark.parametrize("ends_by", ["length", "cancel"])
def test_what_the_prefix_holds_back_is_flushed_at_an_end_without_a_token(fake, tmp_path, ends_by):
    """[E14]"""
    fake.load(script(tokens=["a", "EN", "x"], token_ms=0, start_gate=str(tmp_path / "gate") if ends_by == "cancel" else None))
    fake.send(generate("g1", stop=["END"], max_tokens=0 if ends_by == "length" else -1, prefix={"tokens": [0, 1]}))
    if ends_by == "cancel":
        fake.until(lambda event: event["ev"] == "prefill" and event["done"] == event["total"])
        fake.send({"op": "cancel", "id": "g1"})
    assert fake.end_of("g1")["reason"] == {"length": "length", "cancel": "cancelled"}[ends_by]
    assert [(item["tok"], item["text"]) for item in fake.items("g1")] == [(-1, "EN")]


def test_a_flushed_tail_is_not_said_again(fake):
    """−1 in the prefix: what was held back there was said at an end, as [E14] has it."""
    fake.load(script(tokens=["a", "EN", "D", {"hex": "f0"}, "b"], token_ms=0))
    fake.send(generate("g1", stop=["END"], prefix={"tokens": [0, 1, -1]}))
    fake.end_of("g1")
    assert [item["text"] for item in fake.items("g1")] == ["D", "", "\ufffdb"]
    fake.send(generate("g2", stop=["END"], prefix={"tokens": [0, 1, -1, 2, 3, -1]}))
    end = fake.end_of("g2")
    assert [item["text"] for item in fake.items("g2")] == ["b"] and end["usage"]["prompt_tokens"] == 1 + 4


def test_a_prefix_with_a_whole_stop_string_is_an_answer(fake):
    fake.load(script(tokens=["a", "EN", "D", "b"], token_ms=0))
    fake.send(generate("tokens", stop=["END"], prefix={"tokens": [0, 1, 2]}))
    fake.send(generate("text", stop=["END"], prefix={"text": "aEND"}))
    for end in fake.end_of("tokens", "text"):
        assert end["reason"] == "stop" and end["usage"]["completion_tokens"] == 0
        assert not fake.items(end["id"]) and not fake.prefills(end["id"])


def test_a_prefix_that_fills_the_context_is_length_and_a_longer_one_an_error(fake):
    """[E15]"""
    fake.load(script(tokens=["a", "EN"], count=100, token_ms=0, context_size=10))
    fake.send(
        generate("fits", "1 2", prefix={"tokens": [0, 1] * 3}),
        generate("fills", "1 2", stop=["END"], prefix={"tokens": [0, 1] * 4}),
        generate("long", "1 2", prefix={"tokens": [0, 1] * 4 + [0]}),
    )
    fits, fills, too_long = fake.end_of("fits", "fills", "long")
    assert fits["reason"] == "length" and fits["usage"]["completion_tokens"] == 2
    assert fills["reason"] == "length" and fake.items("fills") == [{"id": "fills", "tok": -1, "text": "EN"}]
    assert too_long["error"]["code"] == "context_full" and not fake.items("long") and not fake.prefills("long")


@pytest.mark.parametrize("prefix", [{"tokens": [0, 9]}, {"tokens": [-2]}, {"tokens": ["a"]}, {"tokens": 1}, {}, {"text": 1}, 7])
def test_a_wrong_prefix_is_refused_with_the_id(fake, prefix):
    whole_answer(fake, TALE)
    fake.send(generate("g1", prefix=prefix), generate("g2", prefix=None))
    wrong, good = fake.end_of("g1", "g2")
    assert wrong["reason"] == "error" and wrong["error"]["code"] == "bad_request"
    assert wrong["error"]["text"]
    assert good["reason"] == "stop" and not fake.items("g1")


@pytest.mark.parametrize(("said", "rest"), [("", "The river🌊 ENTRY"), ("The river", "🌊 ENTRY"), ("The river🌊", " ENTRY")])
def test_a_text_goes_on_behind_what_people_saw(fake, said, rest):
    fake.load(script(tokens=TALE[:6], token_ms=0))
    fake.send(generate("g1", stop=["END"], prefix={"text": said}))
    end = fake.end_of("g1")
    assert fake.text("g1") == rest and end["reason"] == "stop"
    assert end["usage"]["prompt_tokens"] + end["usage"]["completion_tokens"] == 1 + 6


def test_nothing_of_a_text_is_said_again(fake):
    fake.load(script(tokens=["a", "EN", "TRY"], token_ms=0))
    fake.send(generate("g1", stop=["END"], prefix={"text": "aEN"}))
    fake.end_of("g1")
    assert fake.text("g1") == "TRY"


@pytest.mark.parametrize("prefix", [{"tokens": [0, 0]}, {"text": "say these"}])
def test_an_echo_goes_on_at_its_next_word(fake, prefix):
    fake.load(script(echo=True, token_ms=0))
    fake.send(generate("g1", "say these words now", prefix=prefix))
    fake.end_of("g1")
    assert fake.text("g1") == " words now"


def test_at_counts_the_whole_answer(fake, tmp_path):
    """A crash at token 3 leaves two; the next run, given two, crashes at once where it is not once."""
    mark = tmp_path / "mark"
    mark.touch()
    faults = [
        {"token": 3, "do": "crash", "once": str(mark)},
        {"token": 4, "do": "error", "when": "bad"},
        {"token": 2, "do": "crash"},
    ]
    fake.load(script(tokens=["a", "b", "c", "d"], token_ms=0, at=faults))
    fake.send(generate("g1", prefix={"tokens": [0, 1]}), generate("g2", "bad", prefix={"tokens": [0, 1]}))
    good, bad = fake.end_of("g1", "g2")
    assert good["reason"] == "stop" and fake.text("g1") == "cd"
    assert bad["reason"] == "error" and fake.text("g2") == "c"
    fake.send(generate("g3", prefix={"tokens": [0]}))
    assert fake.until_ev("end", id="g3") is None and not fake.items("g3")


def test_the_cache_knows_what_was_said(fake):
    """[E10]: cached."""
    fake.load(script(tokens=["a", "b"], token_ms=0))
    fake.send(generate("g1", "one two", cache_key="c", max_tokens=1))
    fake.end_of("g1")
    fake.send(generate("g2", "one two", cache_key="c", prefix={"tokens": [0]}))
    assert fake.end_of("g2")["usage"] == {"prompt_tokens": 3, "cached_tokens": 2, "completion_tokens": 1}
