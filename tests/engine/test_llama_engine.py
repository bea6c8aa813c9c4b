"""runnel-engine-llama on the real default model (docs/engine-protocol.md)."""

import random
import socket

import pytest
from engine_driver import Engine, check_order, generate, model_path

pytestmark = pytest.mark.real

GREEDY = {"sampler_type": "Greedy"}
LONG_TEXT = "The river runs from the hills to the sea, past mills and meadows. " * 60


def ask(id, content="Write a long story about a river.", **fields):
    return generate(id, content, **{"sampling": GREEDY, "max_tokens": 24, **fields})


def test_load_tells_about_the_model(llama):
    """[E7]"""
    ready = llama.load(model_path(), context_size=1024, slots=3)
    model = ready["model"]
    assert model["architecture"] == "llama" and model["parameters"] == 134515008
    assert model["context_size"] == 1024 and model["context_train"] == 8192 and model["vocab_size"] == 49152
    assert model["chat_template"] is True
    assert ready["slots"] == 3 and ready["memory"]["weights_bytes"] > 90_000_000
    progress = [event["progress"] for event in llama.events if event["ev"] == "load"]
    assert progress == sorted(progress) and progress[-1] == 1


def test_pings_are_answered_during_a_load(llama):
    """[E6]: they come before ready, although they were written after load."""
    llama.send({"op": "load", "model": str(model_path())}, {"op": "ping", "n": 1}, {"op": "ping", "n": 2})
    llama.until_ev("ready")
    kinds = [event["ev"] for event in llama.events]
    assert kinds.count("pong") == 2 and kinds.index("pong") < kinds.index("ready")


def test_inspect_needs_no_load(llama):
    """[E8]"""
    llama.send({"op": "inspect", "model": str(model_path())})
    info = llama.until_ev("inspect")["info"]
    assert info["architecture"] == "llama" and info["context_length"] == 8192 and info["block_count"] == 30
    assert info["embedding_length"] == 576 and info["file_type"] == "Q4_1" and info["parameters"] == 134515008
    assert info["tokenizer"] == "gpt2" and info["vocab_size"] == 49152 and "im_start" in info["chat_template"]
    assert info["size_bytes"] == model_path().stat().st_size


def broken_files(folder):
    whole = model_path().read_bytes()
    noise = random.Random(3)
    files = {
        "empty": b"",
        "text": b"this is no model\n" * 100,
        "magic": whole[:4],
        "header": whole[:24],
        "metadata": whole[:5000],
        "half": whole[: len(whole) // 2],
        "last_byte": whole[:-1000],
        "noise": whole[:64] + noise.randbytes(100_000),
        "counts": whole[:8] + b"\xff" * 16 + whole[24:100_000],
        "version": whole[:4] + b"\x63\x00\x00\x00" + whole[8:100_000],
    }
    for name, data in files.items():
        (folder / name).write_bytes(data)
    return list(files)


@pytest.fixture(scope="module")
def broken(tmp_path_factory):
    folder = tmp_path_factory.mktemp("broken")
    broken_files(folder)
    return folder


BROKEN = ["empty", "text", "magic", "header", "metadata", "half", "last_byte", "noise", "counts", "version"]


@pytest.mark.parametrize("name", BROKEN)
@pytest.mark.parametrize("op", ["load", "inspect"])
def test_a_broken_file_fails_with_a_reason_or_kills_the_engine(llama, broken, op, name):
    """Never a hang, never a `ready`. [E3]"""
    llama.send({"op": op, "model": str(broken / name)})
    event = llama.until(lambda event: event["ev"] in ("failed", "ready", "inspect"))
    if event is None:
        assert llama.wait_exit() != 0
        return
    assert event["ev"] == "failed" and event["op"] == op
    assert event["error"]["code"] in ("model_corrupt", "no_memory") and len(event["error"]["text"]) > 10
    if op == "load":
        assert llama.read() is None and llama.wait_exit() == 0


def test_a_context_larger_than_the_memory_is_no_memory(llama):
    """[E3]"""
    llama.send({"op": "load", "model": str(model_path()), "options": {"context_size": 16 << 20}})
    assert llama.until_ev("failed")["error"]["code"] == "no_memory"
    assert llama.wait_exit() == 0


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b"tokenizer.chat_template", b"tokenizer.chat_tempXate"),  # a model without a template
        (b"{% for message in messages %}", b"{% fox message in messages %}"),  # one that is no Jinja
    ],
)
def test_without_a_usable_template_it_is_chatml(llama, tmp_path, old, new):
    data = model_path().read_bytes()
    assert data.count(old) == 1
    (tmp_path / "model.gguf").write_bytes(data.replace(old, new))
    ready = llama.load(tmp_path / "model.gguf", context_size=512)
    assert ready["model"]["chat_template"] is False
    llama.send({"op": "tokenize", "id": "t1", "special": True, "text": CHATML})
    prompt = llama.until_ev("tokens")["tokens"]
    llama.send(ask("g1", [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Say hello."}]))
    assert llama.end_of("g1")["usage"]["prompt_tokens"] == len(prompt)
    assert llama.text("g1")


CHATML = "<|im_start|>system\nBe brief.<|im_end|>\n<|im_start|>user\nSay hello.<|im_end|>\n<|im_start|>assistant\n"


@pytest.mark.parametrize("path", ["/nowhere/model.gguf", "/", "/dev/zero", ""])
def test_what_is_no_file_is_not_found(llama, path):
    """[E3]"""
    llama.send({"op": "load", "model": path})
    assert llama.until_ev("failed")["error"]["code"] == "model_not_found"
    assert llama.wait_exit() == 0


def test_a_generation_follows_the_protocol(loaded):
    """[E9] [E10] [E11] [E15]"""
    loaded.send(ask("g-basic", "Say hello."))
    end = loaded.end_of("g-basic")
    check_order(loaded.events, "g-basic")
    usage = end["usage"]
    assert usage["completion_tokens"] == len(loaded.tokens("g-basic"))
    assert usage["prompt_tokens"] == loaded.prefills("g-basic")[-1]["total"]
    assert loaded.text("g-basic").strip()
    assert end["timings"]["prefill_ms"] > 0 and end["timings"]["decode_ms"] > 0


def test_greedy_is_the_same_every_time(loaded):
    loaded.send(ask("g-same-1"))
    loaded.end_of("g-same-1")
    loaded.send(ask("g-same-2"))
    loaded.end_of("g-same-2")
    assert loaded.tokens("g-same-1") == loaded.tokens("g-same-2")


@pytest.mark.parametrize("sampler", ["Temperature", "Mirostat", "TopP", "TopK", "ChainFull"])
def test_a_seed_repeats_and_another_one_differs(loaded, sampler):
    """[E9]: sampling."""
    sampling = {"sampler_type": sampler, "temperature": 1.2, "top_p": 0.95, "top_k": 40, "min_p": 0.01}
    for name, seed in (("a", 42), ("b", 42), ("c", 43)):
        loaded.send(ask(f"g-{sampler}-{name}", sampling={**sampling, "seed": seed}, ignore_eos=True))
        loaded.end_of(f"g-{sampler}-{name}")
    a, b, c = (loaded.tokens(f"g-{sampler}-{name}") for name in "abc")
    assert a == b and a != c


def test_temperature_zero_is_greedy(loaded):
    loaded.send(ask("g-t0", sampling={"temperature": 0}))
    loaded.send(ask("g-t0-greedy"))
    loaded.end_of("g-t0", "g-t0-greedy")
    assert loaded.tokens("g-t0") == loaded.tokens("g-t0-greedy")


def test_a_repeat_penalty_changes_a_greedy_loop(loaded):
    content = "Repeat the word river: river river river river"
    loaded.send(ask("g-plain", content, ignore_eos=True, max_tokens=60))
    loaded.send(ask("g-penalty", content, ignore_eos=True, max_tokens=60, sampling={**GREEDY, "repeat_penalty": 1.5}))
    loaded.end_of("g-plain", "g-penalty")
    assert len(set(loaded.tokens("g-penalty"))) > len(set(loaded.tokens("g-plain")))


def test_max_tokens_and_ignore_eos(loaded):
    """[E15]"""
    loaded.send(ask("g-max", "Say hi.", ignore_eos=True, max_tokens=100), ask("g-zero", max_tokens=0))
    end, zero = loaded.end_of("g-max", "g-zero")
    assert end["reason"] == "length" and end["usage"]["completion_tokens"] == 100
    assert zero["reason"] == "length" and zero["usage"]["completion_tokens"] == 0


def test_stop_strings_cut_at_any_place(loaded):
    """[E13]: every cut of the answer as a stop string, whatever tokens it spans."""
    loaded.send(ask("g-whole", max_tokens=30))
    loaded.end_of("g-whole")
    whole = loaded.text("g-whole")
    cuts = [whole[at : at + size] for at, size in ((3, 4), (10, 9), (17, 2), (20, 14), (31, 1))]
    for i, stop in enumerate(cuts):
        loaded.send(ask(f"g-stop-{i}", max_tokens=30, stop=["never said", stop]))
        assert loaded.end_of(f"g-stop-{i}")["reason"] == "stop"
        assert loaded.text(f"g-stop-{i}") == whole[: whole.index(stop)]


def test_emoji_come_whole(loaded):
    """[E12]: this vocabulary has most emoji only as bytes."""
    content = "Repeat exactly: 🌊🦜🏔️🧭🪵🫧"
    loaded.send(ask("g-emoji", content, max_tokens=60, ignore_eos=True))
    loaded.end_of("g-emoji")
    texts = [item["text"] for item in loaded.items("g-emoji")]
    assert all(text.encode() for text in texts if text)
    loaded.send({"op": "tokenize", "id": "t-emoji", "text": "🪵"})
    assert len(loaded.until_ev("tokens", id="t-emoji")["tokens"]) > 1
    whole = loaded.text("g-emoji")
    assert any(ord(character) > 0xFFFF for character in whole), whole
    assert "" in texts, "no token ended inside a character"


TOPICS = ["a river", "a mill", "the moon", "two cats", "an old car", "bread", "the sea", "a red door"]


def test_parallel_greedy_generations_equal_their_solo_results():
    """[E20]: conversations in one batch do not see each other.

    The cache is small, prompts come one by one, and no cell is used twice, so that the library adds up in one order whether
    it computes one sequence or eight. Then the results are equal to the last bit.
    """
    prompts = [[{"role": "system", "content": "Tell."}, {"role": "user", "content": f"Tell me of {t}."}] for t in TOPICS]
    with Engine("llama") as engine:
        engine.load(model_path(), context_size=256, slots=1)
        for i, prompt in enumerate(prompts):
            engine.send(ask(f"g{i}", prompt, max_tokens=8, ignore_eos=True))
            engine.end_of(f"g{i}")
        solo = [engine.tokens(f"g{i}") for i in range(8)]
    assert len({tuple(tokens) for tokens in solo}) > 4
    with Engine("llama") as engine:
        engine.load(model_path(), context_size=256, slots=8)
        for i, prompt in enumerate(prompts):
            engine.send(ask(f"g{i}", prompt, max_tokens=8, ignore_eos=True))
            engine.until(lambda _, i=i: engine.items(f"g{i}"))
        engine.end_of(*(f"g{i}" for i in range(8)))
        assert max(len(event["out"]) for event in engine.events if event["ev"] == "step") >= 4
        for i in range(8):
            check_order(engine.events, f"g{i}")
        assert [engine.tokens(f"g{i}") for i in range(8)] == solo


def test_eight_conversations_are_computed_together(loaded):
    """[E11] [E20]: one line per step, and each answer keeps to its own topic."""
    words = ["river", "bicycle", "moon", "violin", "castle", "bread", "tiger", "candle"]
    ids = [f"eight-{word}" for word in words]
    content = "Write the word {0} five times: {0}, {0}, {0}"
    loaded.send(*(ask(id, content.format(word), max_tokens=16, ignore_eos=True) for id, word in zip(ids, words)))
    loaded.end_of(*ids)
    shared = [event for event in loaded.events if event["ev"] == "step" and len(event["out"]) == 8]
    assert len(shared) >= 5, "they were not computed together"
    for id, word in zip(ids, words):
        check_order(loaded.events, id)
        answer = loaded.text(id).lower()
        assert word in answer and not any(other in answer for other in words if other != word), (id, answer)


def test_more_generations_than_slots_wait_their_turn(loaded):
    """[E9]: queued, in order, and all are served."""
    ids = [f"many-{i}" for i in range(12)]
    loaded.send(*(ask(id, f"Count to {i}.", max_tokens=8, ignore_eos=True) for i, id in enumerate(ids)))
    ends = loaded.end_of(*ids)
    assert all(end["usage"]["completion_tokens"] == 8 for end in ends)
    places = [(event["id"], event["position"]) for event in loaded.events if event["ev"] == "queued"]
    assert places[:4] == [("many-8", 1), ("many-9", 2), ("many-10", 3), ("many-11", 4)]
    for id in ids:
        check_order(loaded.events, id)


def test_the_second_turn_computes_only_what_is_new(loaded):
    """[E10]: cached."""
    first = [{"role": "user", "content": LONG_TEXT}]
    loaded.send(ask("turn-1", first, cache_key="talk"))
    end = loaded.end_of("turn-1")
    answer = {"role": "assistant", "content": loaded.text("turn-1")}
    second = [*first, answer, {"role": "user", "content": "And then?"}]
    loaded.send(ask("turn-2", second, cache_key="talk"))
    again = loaded.end_of("turn-2")
    assert again["usage"]["cached_tokens"] >= end["usage"]["prompt_tokens"] - 2
    assert loaded.prefills("turn-2")[0]["cached"] == again["usage"]["cached_tokens"]

    loaded.send(ask("turn-2-other", second, cache_key="another"))
    assert loaded.end_of("turn-2-other")["usage"]["cached_tokens"] >= again["usage"]["cached_tokens"]  # copied


def test_the_same_prompt_again_computes_one_token(loaded):
    """The last prompt token is always computed: its logits are needed."""
    loaded.send(ask("again-1", cache_key="again"))
    first = loaded.end_of("again-1")
    loaded.send(ask("again-2", cache_key="again"))
    second = loaded.end_of("again-2")
    assert second["usage"]["cached_tokens"] == first["usage"]["prompt_tokens"] - 1


def test_cancel_in_every_phase(loaded):
    """[E16]"""
    loaded.send(ask("c-prefill", "Summarize this. " + LONG_TEXT * 3, max_tokens=400))
    loaded.until(lambda event: event["ev"] == "prefill" and event["id"] == "c-prefill" and event["done"] > 0)
    loaded.send({"op": "cancel", "id": "c-prefill"})
    end = loaded.end_of("c-prefill")
    assert end["reason"] == "cancelled" and not loaded.items("c-prefill")

    loaded.send(ask("c-decode", max_tokens=2000, ignore_eos=True))
    loaded.until(lambda _: len(loaded.items("c-decode")) == 3)
    loaded.send({"op": "cancel", "id": "c-decode"}, {"op": "ping", "n": 99})
    assert loaded.end_of("c-decode")["reason"] == "cancelled"
    loaded.until_ev("pong", n=99)
    check_order(loaded.events, "c-decode")

    ids = [f"c-fill-{i}" for i in range(8)]
    loaded.send(*(ask(id, max_tokens=300, ignore_eos=True) for id in ids), ask("c-queued"))
    loaded.until_ev("queued", id="c-queued")
    loaded.send(*({"op": "cancel", "id": id} for id in ["c-queued", *ids]))
    assert all(end["reason"] == "cancelled" for end in loaded.end_of("c-queued", *ids))
    assert not loaded.prefills("c-queued")


def test_pings_are_answered_during_a_long_prefill(loaded):
    """[E6]"""
    loaded.send(ask("p-long", "Before you answer: " + LONG_TEXT * 3, max_tokens=4))
    loaded.until(lambda event: event["ev"] == "prefill" and event["id"] == "p-long")
    loaded.send({"op": "ping", "n": 5})
    loaded.until_ev("pong", n=5)
    assert not loaded.ends("p-long") and loaded.prefills("p-long")[-1]["done"] < loaded.prefills("p-long")[-1]["total"]
    loaded.end_of("p-long")


def test_tokenize_with_and_without_special_tokens(loaded):
    """[E17]"""
    loaded.send({"op": "tokenize", "id": "t1", "text": "<|im_end|>"})
    loaded.send({"op": "tokenize", "id": "t2", "text": "<|im_end|>", "special": True})
    loaded.send({"op": "tokenize", "id": "t3", "text": ""})
    assert len(loaded.until_ev("tokens", id="t1")["tokens"]) > 1
    assert loaded.until_ev("tokens", id="t2")["tokens"] == [2]
    assert loaded.until_ev("tokens", id="t3")["tokens"] == []


def test_a_small_context_is_full_with_a_clear_reason(llama):
    """[E15]"""
    llama.load(model_path(), context_size=128)
    llama.send(ask("long", LONG_TEXT), ask("grows", ignore_eos=True, max_tokens=-1))
    too_long, grows = llama.end_of("long", "grows")
    assert too_long["reason"] == "error" and too_long["error"]["code"] == "context_full"
    assert "128" in too_long["error"]["text"] and not llama.items("long")
    assert grows["reason"] == "length"
    assert grows["usage"]["prompt_tokens"] + grows["usage"]["completion_tokens"] == 128


def test_a_full_cache_serves_all_one_after_the_other(llama):
    """More conversations than the cache holds: idle slots give way, the others wait; all end well."""
    llama.load(model_path(), context_size=300, slots=4)
    ids = [f"g{i}" for i in range(6)]
    llama.send(*(ask(id, f"Number {i}: " + "tell me about rivers. " * 12, max_tokens=30, ignore_eos=True) for i, id in enumerate(ids)))
    ends = llama.end_of(*ids)
    assert [end["usage"]["completion_tokens"] for end in ends] == [30] * 6
    for id in ids:
        check_order(llama.events, id)


def test_the_end_of_input_ends_the_engine_in_every_phase(llama):
    """[E4]: here while decoding."""
    llama.load(model_path(), context_size=512)
    llama.send(ask("g1", ignore_eos=True, max_tokens=-1))
    llama.until_ev("step")
    llama.socket.shutdown(socket.SHUT_WR)
    assert llama.wait_exit() == 0


def test_the_end_of_input_ends_a_load(llama):
    """[E4]"""
    llama.send({"op": "load", "model": str(model_path())})
    llama.socket.shutdown(socket.SHUT_WR)
    assert llama.wait_exit() == 0


def test_unload_exits(llama):
    llama.load(model_path(), context_size=512)
    llama.send(ask("g1", ignore_eos=True, max_tokens=-1), {"op": "unload"})
    assert llama.end_of("g1")["reason"] == "cancelled"
    assert llama.wait_exit() == 0


def test_an_idle_engine_uses_no_processor(loaded):
    """ggml threads that spin would take whole cores from everyone else."""
    import select

    loaded.send(ask("idle"))
    loaded.end_of("idle")
    select.select([], [], [], 0.5)  # the compute threads may look for work a few milliseconds longer
    before = loaded.cpu_seconds()
    select.select([], [], [], 2)
    assert loaded.cpu_seconds() - before <= 0.02


def test_messages_that_the_template_cannot_take_are_a_bad_request(loaded):
    """[E2] [E3]"""
    loaded.send(generate("bad", [{"role": "user"}]))
    assert loaded.end_of("bad")["error"]["code"] == "bad_request"
