"""[E44] [E52] to [E55] prompts of texts and tokens, gaps, and biases of texts, on a tiny model whose tokens are bytes."""

import pytest
from engine_driver import Engine, program
from tiny_gguf import tiny_model

pytestmark = pytest.mark.real

BYTE = 3  # the token of byte 0
MARKS = {"fim_pre": BYTE + ord("<"), "fim_suf": BYTE + ord("|"), "fim_mid": BYTE + ord(">"), "fim_sep": BYTE + ord("#")}
GREEDY = {"sampler_type": "Greedy"}


@pytest.fixture(scope="module")
def make(tmp_path_factory):
    if not program("llama").exists():
        pytest.skip("runnel-engine-llama is not built")
    made = []

    def start(**fields):
        path = tmp_path_factory.mktemp("tiny") / "tiny.gguf"
        path.write_bytes(tiny_model(**fields)[0])
        engine = Engine("llama").__enter__()
        made.append(engine)
        engine.load(path, context_size=256)
        return engine

    yield start
    for engine in made:
        engine.__exit__()


@pytest.fixture(scope="module")
def tiny(make):
    return make(ids=MARKS)


def bare(text):
    """Without the space that this tokenizer puts before a text."""
    return text.replace("▁", "")


def ask(engine, id, **fields):
    engine.send({"op": "generate", "id": id, "sampling": GREEDY, "max_tokens": 3, **fields})
    return engine.end_of(id)


def test_e52_texts_and_tokens_are_one_prompt(tiny):
    end = ask(tiny, "parts", prompt=[BYTE + ord("a"), "bc", BYTE + ord("d")])
    said = end["usage"]["prompt"]
    assert bare(said) == "abcd" and end["usage"]["prompt_tokens"] == len(said.encode()), end
    whole = ask(tiny, "text", prompt="abcd")
    assert "prompt" not in whole["usage"]
    first = ask(tiny, "begun", prompt=["bc"])["usage"]
    assert bare(first["prompt"]) == "<s>bc" and first["prompt_tokens"] == len(first["prompt"].encode()) - len("<s>") + 1
    error = ask(tiny, "unknown", prompt=[100000])["error"]
    assert error["code"] == "bad_request" and "prompt[0]" in error["text"]


def test_e53_a_gap_is_put_between_the_marks_of_the_model(tiny):
    infill = {"prefix": "ab", "suffix": "yz", "prompt": "cd", "extra": [{"filename": "f", "text": "int"}]}
    end = ask(tiny, "gap", infill=infill)
    said = bare(end["usage"]["prompt"])
    assert said == "<s>#f\nint#filename\n<abcd|yz>", end
    long = ask(tiny, "long", infill={"prefix": "x" * 500, "suffix": "y" * 500})["usage"]
    n_before, n_behind = long["prompt"].count("x"), long["prompt"].count("y")
    assert long["prompt_tokens"] < 256 and 0 < n_behind < n_before < 4 * n_behind + 10, long


def test_e53_a_model_without_marks_says_so(make):
    error = ask(make(), "gap", infill={"prefix": "a", "suffix": "b"})["error"]
    assert error["code"] == "not_supported" and "prefix" in error["text"]


def test_e54_e44_biases_of_texts_and_the_ids_of_alternatives(tiny):
    wanted = {"sampling": {**GREEDY, "logit_bias": [["q", 100]]}, "prompt": "a", "logprobs": 2}
    end = ask(tiny, "want", **wanted)
    tiny.send({"op": "tokenize", "id": "q", "text": "q"})
    of_text = set(tiny.until_ev("tokens", id="q")["tokens"])
    assert set(tiny.tokens("want")) <= of_text and end["reason"] == "length", tiny.items("want")
    top = tiny.items("want")[0]["top"]
    assert [bytes.fromhex(piece) for piece, _, id in top if id >= BYTE] == [bytes([id - BYTE]) for _, _, id in top if id >= BYTE]
    ask(tiny, "never", sampling={**GREEDY, "logit_bias": [["q", 100], ["q", False]]}, prompt="a")
    assert not set(tiny.tokens("never")) & of_text


def test_e55_pieces_of_tokens(tiny):
    tiny.send({"op": "tokenize", "id": "t", "text": "ä", "pieces": True})
    answer = tiny.until_ev("tokens", id="t")
    assert len(answer["tokens"]) == len(answer["pieces"]) and bare(bytes.fromhex("".join(answer["pieces"])).decode()) == "ä"
