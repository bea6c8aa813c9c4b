"""[E49] vectors of texts: the fake engine's, and those of the real model."""

import base64
import math
import struct

import pytest

from engine_driver import generate, script

CAT = "The cat sits on the mat and purrs."
KITTEN = "A kitten is lying on the carpet, purring."
TAXES = "Income tax must be declared before the end of May."
LONG = "The river runs past the old mill and down to the sea. " * 20


def embed(engine, id, inputs, **members):
    engine.send({"op": "embed", "id": id, "inputs": inputs, **members})
    return engine.until(lambda event: event.get("id") == id and event["ev"] in ("embeddings", "end"))


def vectors(event):
    assert event["ev"] == "embeddings", event
    data = [base64.b64decode(text) for text in event["vectors"]]
    return [struct.unpack(f"<{len(item) // 4}f", item) for item in data]


def closeness(a, b):
    return sum(x * y for x, y in zip(a, b))


def refusal(event):
    assert event["ev"] == "end" and event["reason"] == "error", event
    return event["error"]


@pytest.fixture
def scripted(fake):
    fake.load(script(tokens=["x"], context_size=8))
    return fake


def test_e49_the_fake_engine_counts_words(scripted):
    event = embed(scripted, "v1", ["one two", "one two", [7, 7], "other"])
    made = vectors(event)
    assert event["n_tokens"] == [2, 2, 2, 1] and len(made[0]) == 16
    assert made[0] == made[1] and made[2][7] == 1 and all(math.isclose(closeness(v, v), 1, rel_tol=1e-6) for v in made)
    assert len(vectors(embed(scripted, "v2", ["one"], dimensions=16))[0]) == 16


@pytest.mark.parametrize(
    "members,code",
    [
        ({"inputs": []}, "bad_request"),
        ({"inputs": ["a"] * 17}, "bad_request"),
        ({"inputs": [7]}, "bad_request"),
        ({"inputs": [[]]}, "bad_request"),
        ({"inputs": [["a"]]}, "bad_request"),
        ({"inputs": [""]}, "bad_request"),
        ({"inputs": ["a"], "dimensions": 17}, "bad_request"),
        ({"inputs": ["a"], "truncate": 1}, "bad_request"),
        ({"inputs": ["a b c d e f g h i"]}, "context_full"),
    ],
)
def test_e49_what_cannot_be_done_is_said(scripted, members, code):
    assert refusal(embed(scripted, "v1", **members))["code"] == code
    assert embed(scripted, "v2", ["a b c d e f g h i"], truncate=True)["n_tokens"] == [8]


def test_e49_a_cancel_ends_it(fake, tmp_path):
    gate = tmp_path / "gate"
    fake.load(script(tokens=["x"], start_gate=str(gate)))
    fake.send({"op": "embed", "id": "v1", "inputs": ["a"]}, {"op": "embed", "id": "v2", "inputs": ["a"]}, {"op": "cancel", "id": "v1"})
    assert fake.until(lambda event: event.get("id") == "v1")["reason"] == "cancelled"
    gate.touch()
    assert fake.until(lambda event: event.get("id") == "v2")["ev"] == "embeddings"


def test_e49_like_texts_are_close(loaded):
    event = embed(loaded, "near", [CAT, KITTEN, TAXES])
    cat, kitten, taxes = vectors(event)
    assert len(cat) == 576 and all(math.isclose(closeness(v, v), 1, rel_tol=1e-5) for v in (cat, kitten, taxes))
    assert closeness(cat, kitten) > closeness(cat, taxes)
    assert [n > 5 for n in event["n_tokens"]] == [True] * 3


def test_e49_a_text_is_the_same_alone_and_among_others_and_as_tokens(loaded):
    loaded.send({"op": "tokenize", "id": "words", "text": CAT, "add_special": True})
    tokens = loaded.until(lambda event: event.get("id") == "words")["tokens"]
    (alone,) = vectors(embed(loaded, "alone", [CAT]))
    among = vectors(embed(loaded, "among", [KITTEN, LONG, CAT, tokens]))
    assert closeness(alone, among[2]) > 0.999 and closeness(alone, among[3]) > 0.999
    short = vectors(embed(loaded, "short", [CAT], dimensions=64))[0]
    length = math.sqrt(closeness(alone[:64], alone[:64]))
    assert len(short) == 64 and closeness(short, [x / length for x in alone[:64]]) > 0.999


def test_e49_a_text_that_is_too_long_is_an_error_or_cut(loaded):
    text = list(range(300, 400)) * 50
    error = refusal(embed(loaded, "long", [text]))
    assert error["code"] == "context_full" and "5000" in error["text"] and "4096" in error["text"]
    assert refusal(embed(loaded, "odd", [[999999]]))["code"] == "bad_request"


def test_e49_answers_go_on_beside_it(loaded):
    """What the texts cost comes in chunks, each of at least a step's time, and behind each answers have three times of it."""
    loaded.send(
        generate("beside", sampling={"sampler_type": "Greedy"}, max_tokens=40, ignore_eos=True),
        {"op": "embed", "id": "meanwhile", "inputs": [LONG] * 16},
        {"op": "embed", "id": "unwanted", "inputs": [LONG] * 16},
        {"op": "cancel", "id": "unwanted"},
    )
    assert loaded.end_of("unwanted")["reason"] == "cancelled"
    assert loaded.until_ev("embeddings", id="meanwhile")
    (end,) = loaded.ends("beside")
    assert end["reason"] == "length" and end["usage"]["completion_tokens"] == 40
    loaded.send({"op": "embed", "id": "stopped", "inputs": [LONG] * 16}, {"op": "ping", "n": 7})
    loaded.until_ev("pong")
    loaded.send({"op": "cancel", "id": "stopped"})
    assert loaded.end_of("stopped")["reason"] == "cancelled"
