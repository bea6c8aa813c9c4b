"""[E21] on the real default model: an answer that was cut goes on, in a new process, as if it had not been."""

import functools

import pytest
from engine_driver import Engine, check_order, generate, model_path, program
from tiny_gguf import tiny_model

pytestmark = pytest.mark.real

GREEDY = {"sampler_type": "Greedy"}
SEEDED = {"sampler_type": "ChainFull", "temperature": 1.1, "top_k": 40, "top_p": 0.95, "seed": 42}
STORY = "Write a long story about a river."
LONG_TEXT = "The river runs from the hills to the sea, past mills and meadows. " * 18


def ask(id, content=STORY, **fields):
    return generate(id, content, **{"sampling": GREEDY, "ignore_eos": True, "max_tokens": 24, **fields})


def answer(command, model=None, **options):
    """The items and the end that a new process gives to one command."""
    with Engine("llama") as engine:
        engine.load(model or model_path(), **{"context_size": 2048, **options})
        engine.send(command)
        end = engine.end_of(command["id"])
        check_order(engine.events, command["id"])
        return [(item["tok"], item["text"]) for item in engine.items(command["id"])], end


@functools.cache
def whole_answer(content, n_tokens):
    return answer(ask("whole", content, max_tokens=n_tokens))


def go_on(whole, n, **fields):
    tokens = [token for token, _ in whole[:n]]
    return ask("rest", prefix={"tokens": tokens}, **{"max_tokens": len(whole) - n, **fields})


@pytest.mark.parametrize(
    ("content", "n_tokens", "cut"),
    [
        *((STORY, 48, cut) for cut in (1, 20, 47)),
        (f"Before you answer: {LONG_TEXT}", 40, 30),  # more cells than one block of 256
        *(("Repeat exactly: 🌊🦜🏔️🧭🪵🫧", 24, cut) for cut in (9, 10, 11)),  # most emoji are several tokens of bytes
    ],
)
def test_greedy_goes_on_item_by_item(require_llama, content, n_tokens, cut):
    whole, end = whole_answer(content, n_tokens)
    rest, rest_end = answer(go_on(whole, cut, content=content))
    assert len(whole) == n_tokens and rest == whole[cut:]
    assert rest_end["reason"] == "length"
    assert rest_end["usage"]["prompt_tokens"] == end["usage"]["prompt_tokens"] + cut
    assert rest_end["usage"]["completion_tokens"] == n_tokens - cut


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    if not program("llama").exists():
        pytest.skip("runnel-engine-llama is not built")
    path = tmp_path_factory.mktemp("tiny") / "tiny.gguf"
    path.write_bytes(tiny_model(3)[0])
    return path


TINY_CUTS = (1, 2, 3, 5, 9, 17, 40, 41, 42, 43, 77, 119)
STOP = [chr(code) * 3 for code in range(33, 48)]  # held back again and again, and seldom found


@pytest.mark.parametrize(
    "fields",
    [
        {"sampling": GREEDY},
        {"sampling": {**GREEDY, "repeat_penalty": 1.5}},
        {"sampling": SEEDED},
        {"sampling": SEEDED, "stop": STOP},
        {"sampling": {**SEEDED, "repeat_penalty": 1.3}},
        {"sampling": {**SEEDED, "sampler_type": "Mirostat"}},
        {"sampling": {**SEEDED, "sampler_type": "Temperature"}},
        {"sampling": {**SEEDED, "sampler_type": "TopP"}, "ignore_eos": False},
    ],
    ids=["greedy", "penalty", "seed", "stop", "seed and penalty", "Mirostat", "Temperature", "end token"],
)
def test_a_small_model_goes_on_from_many_cuts(tiny, fields):
    """Its tokens are bytes, most of them no UTF-8: text is held back at every other cut."""
    whole, end = answer(ask("whole", "Hi", **fields, max_tokens=120), tiny, context_size=256)
    assert len(whole) > 8 and len({token for token, _ in whole}) > 5
    for n in (n for n in TINY_CUTS if n < len(whole)):
        rest, rest_end = answer(go_on(whole, n, content="Hi", **fields, max_tokens=120 - n), tiny, context_size=256)
        assert rest == whole[n:], f"cut at {n}"
        assert rest_end["reason"] == end["reason"]


def test_the_seed_goes_on_in_the_real_model(require_llama):
    whole, _ = answer(ask("whole", sampling=SEEDED, max_tokens=30))
    assert answer(go_on(whole, 20, sampling=SEEDED))[0] == whole[20:]


@pytest.mark.parametrize(("sampler_type", "n_again"), [("ChainFull", 1), ("Mirostat", 26)])
def test_a_seed_goes_on_in_a_process_that_has_it_all_in_its_cache(tiny, sampler_type, n_again):
    """Random numbers hang on the place of a token alone; only Mirostat has to see the tokens before it again."""
    sampling = {**SEEDED, "sampler_type": sampler_type}
    with Engine("llama") as engine:
        engine.load(tiny, context_size=256)
        engine.send(ask("whole", sampling=sampling, max_tokens=40, cache_key="talk"))
        engine.end_of("whole")
        tokens = engine.tokens("whole")
        engine.send(ask("rest", sampling=sampling, max_tokens=15, cache_key="talk", prefix={"tokens": tokens[:25]}))
        end = engine.end_of("rest")
        assert engine.tokens("rest") == tokens[25:]
        assert end["usage"]["prompt_tokens"] - end["usage"]["cached_tokens"] == n_again


def test_greedy_goes_on_from_the_cache_without_computing_it_again(tiny):
    with Engine("llama") as engine:
        engine.load(tiny, context_size=256)
        engine.send(ask("whole", max_tokens=40, cache_key="talk"))
        engine.end_of("whole")
        tokens = engine.tokens("whole")
        engine.send(ask("rest", max_tokens=15, cache_key="talk", prefix={"tokens": tokens[:25]}))
        end = engine.end_of("rest")
        assert engine.tokens("rest") == tokens[25:]
        assert end["usage"]["prompt_tokens"] - end["usage"]["cached_tokens"] == 1


def test_stop_strings_are_found_across_the_cut(loaded):
    """[E13]: a stop string that begins before the cut and ends behind it; and one that the prefix has whole."""
    loaded.send(ask("s-whole", max_tokens=24))
    loaded.end_of("s-whole")
    items = loaded.items("s-whole")
    text = loaded.text("s-whole")
    cut = 12
    said = "".join(item["text"] for item in items[:cut])
    stop = text[len(said) - 3 : len(said) + 3]
    assert text.index(stop) == len(said) - 3
    loaded.send(ask("s-rest", stop=[stop], prefix={"tokens": [item["tok"] for item in items[:cut]]}))
    assert loaded.end_of("s-rest")["reason"] == "stop" and loaded.text("s-rest") == ""
    near = stop[:-1] + "\u0001"
    loaded.send(ask("s-near", stop=[near], max_tokens=12, prefix={"tokens": [item["tok"] for item in items[:cut]]}))
    loaded.end_of("s-near")
    assert loaded.text("s-near") == text[len(said) - 3 :], "what the prefix held back comes with the token that decides it"
    loaded.send(ask("s-in", stop=[said[2:8]], prefix={"tokens": [item["tok"] for item in items[:cut]]}))
    end = loaded.end_of("s-in")
    assert end["reason"] == "stop" and end["usage"]["completion_tokens"] == 0 and not loaded.prefills("s-in")


def test_a_text_goes_on_too(loaded):
    """For another model, whose tokens are others."""
    loaded.send(ask("t-whole"))
    whole_end = loaded.end_of("t-whole")
    text = loaded.text("t-whole")
    said = text[: text.index(" ", 30)]
    loaded.send({"op": "tokenize", "id": "t-said", "text": said})
    n = len(loaded.until_ev("tokens", id="t-said")["tokens"])
    loaded.send(ask("t-rest", max_tokens=24 - n, prefix={"text": said}))
    end = loaded.end_of("t-rest")
    assert end["usage"]["prompt_tokens"] == whole_end["usage"]["prompt_tokens"] + n
    assert said + loaded.text("t-rest") == text


def test_special_tokens_in_a_text_are_text(loaded):
    loaded.send({"op": "tokenize", "id": "t-special", "text": "<|im_end|>"}, ask("x-none", max_tokens=1))
    n = len(loaded.until_ev("tokens", id="t-special")["tokens"])
    assert n > 1
    plain = loaded.end_of("x-none")["usage"]["prompt_tokens"]
    loaded.send(ask("x-text", max_tokens=1, prefix={"text": "<|im_end|>"}))
    assert loaded.end_of("x-text")["usage"]["prompt_tokens"] == plain + n


@pytest.mark.parametrize("tokens", [[49152], [1, 2**31 - 1], [-2]])
def test_a_token_that_the_model_does_not_have_is_refused(loaded, tokens):
    id = f"bad-{tokens[-1]}"
    loaded.send(ask(id, prefix={"tokens": tokens}))
    end = loaded.end_of(id)
    assert end["reason"] == "error" and end["error"]["code"] == "bad_request" and not loaded.prefills(id)


def test_a_prefix_that_fills_the_context_is_length_and_a_longer_one_an_error(llama):
    """[E15]"""
    size = llama.load(model_path(), context_size=256)["model"]["context_size"]
    llama.send(ask("plain", max_tokens=0))
    n = llama.end_of("plain")["usage"]["prompt_tokens"]
    for id, n_prefix in (("fits", size - n - 2), ("fills", size - n), ("long", size - n + 1)):
        llama.send(ask(id, max_tokens=-1, prefix={"tokens": [1000] * n_prefix}))
    fits, fills, too_long = llama.end_of("fits", "fills", "long")
    assert fits["reason"] == "length" and fits["usage"]["completion_tokens"] == 2
    assert fills["reason"] == "length" and not llama.items("fills") and not llama.prefills("fills")
    assert too_long["error"]["code"] == "context_full"


CHUNKS = {32, 64, 128, 256, 512}


def steps_of(engine, id):
    """How far each `prefill` went on from the one before."""
    done = [event["done"] for event in engine.prefills(id)]
    return [after - before for before, after in zip(done, done[1:])]


def test_a_long_prefix_shows_its_progress_and_can_be_cancelled(loaded):
    """Greedy, so in single steps. [E16]: the cancel comes within one of them. [E6]: pings are answered."""
    loaded.send(ask("p-long", prefix={"tokens": [1000] * 2000}))
    loaded.until(lambda _: len(loaded.prefills("p-long")) == 6)
    loaded.send({"op": "ping", "n": 21})
    loaded.until_ev("pong", n=21)
    loaded.send({"op": "cancel", "id": "p-long"})
    assert loaded.end_of("p-long")["reason"] == "cancelled" and not loaded.items("p-long")
    assert loaded.prefills("p-long")[0]["total"] > 2000 and not set(steps_of(loaded, "p-long")[2:]) <= CHUNKS
    check_order(loaded.events, "p-long")


def test_what_nobody_can_repeat_is_computed_in_chunks(loaded):
    sampling = {"sampler_type": "TopK", "top_k": 1, "temperature": 1}
    loaded.send(ask("q-fast", sampling=sampling, max_tokens=2, prefix={"tokens": [1000] * 200}))
    loaded.end_of("q-fast")
    assert max(steps_of(loaded, "q-fast")) >= 32


@pytest.mark.parametrize("n_words", [70, 100, 150, 200])
def test_no_chunk_of_a_long_prompt_is_short(loaded, n_words):
    """From 64 tokens on the library rounds in another way: a prompt is computed in that way alone, whatever the chunks were."""
    id = f"n-{n_words}"
    loaded.send(ask(id, f"{n_words} " + "river " * n_words, max_tokens=1))
    assert loaded.end_of(id)["usage"]["prompt_tokens"] - loaded.ends(id)[0]["usage"]["cached_tokens"] > 64
    assert min(steps_of(loaded, id)) >= 64
