"""The KV cache of the llama engine on disk (docs/engine-protocol.md, [E31] and on). A tiny model: what is tested is what is kept, not
what is said; but what is said from a kept state is what is said without one."""

import os
import shutil
import stat
import subprocess
import time

import pytest
from engine_driver import TIMEOUT_S, Engine, generate, model_path, program
from tiny_gguf import tiny_model

pytestmark = pytest.mark.real

GREEDY = {"sampler_type": "Greedy"}


@pytest.fixture
def tiny(require_llama, tmp_path):
    path = tmp_path / "tiny.gguf"
    path.write_bytes(tiny_model(n_heads=1)[0])  # heads of 32, as the 8 bit cache needs them
    return path


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "kv"


def files(folder):
    return sorted(folder.glob("*/*.kv"))


def text_of(letters, n):
    return (letters * n)[:n]


def ask(id, content, key="chat_a", **fields):
    return generate(id, content, **{"sampling": GREEDY, "max_tokens": 4, "ignore_eos": True, "cache_key": key, **fields})


class Life:
    """One process of the engine, from load to unload."""

    def __init__(self, model, folder, **options):
        self.engine = Engine("llama", "--log", "debug")
        self.ready = self.engine.load(model, **{"context_size": 256, "cache_dir": str(folder), **options})

    def __enter__(self):
        return self

    def say(self, id, content, **fields):
        self.engine.send(ask(id, content, **fields))
        end = self.engine.end_of(id)
        assert end["reason"] == "length", end
        return end["usage"]["cached_tokens"], self.engine.text(id)

    def __exit__(self, *_):
        self.engine.send({"op": "unload"})
        assert self.engine.wait_exit() == 0
        self.engine.__exit__()


def test_the_next_life_goes_on_where_the_last_one_was(tiny, folder):
    """[E31]: after a restart a turn pays for the new tokens alone, and says the same."""
    first = [{"role": "user", "content": text_of("abcd", 80)}]
    with Life(tiny, folder) as life:
        _, answer = life.say("one", first)
        second = [*first, {"role": "assistant", "content": answer}, {"role": "user", "content": "efgh"}]
        _, expected = life.say("two", second, key="other")
    with Life(tiny, folder) as life:
        n_cached, said = life.say("two", second)
    assert n_cached > 80 and said == expected
    for path in files(folder):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700


def test_what_is_idle_is_saved_without_being_asked(tiny, folder):
    """[E31]: kill -9 loses only the last moments."""
    with Engine("llama") as engine:
        engine.load(tiny, context_size=256, cache_dir=str(folder))
        engine.send(ask("one", text_of("abcd", 80)))
        engine.end_of("one")
        until = time.monotonic() + TIMEOUT_S
        while not files(folder) and time.monotonic() < until:
            time.sleep(0.05)
        engine.process.kill()
    with Life(tiny, folder) as life:
        assert life.say("one", text_of("abcd", 80))[0] > 80


def test_what_leaves_the_cache_for_room_comes_back(tiny, folder):
    """[E31]: seven conversations in a cache that holds two."""
    with Life(tiny, folder, slots=4) as life:
        for i in range(7):
            life.say(f"first-{i}", text_of("abcdefg"[i], 90), key=f"chat_{i}")
        for i in range(7):
            assert life.say(f"again-{i}", text_of("abcdefg"[i], 90), key=f"chat_{i}")[0] > 90


def test_a_turn_writes_only_what_is_new(tiny, folder):
    """[E31]"""
    content = text_of("abcd", 80)
    with Life(tiny, folder) as life:
        life.say("one", content)
    before = {path: path.stat().st_mtime_ns for path in files(folder)}
    with Life(tiny, folder) as life:
        life.say("one", content)
        life.say("two", content, key="chat_b")
    assert {path: path.stat().st_mtime_ns for path in files(folder)} == before
    with Life(tiny, folder) as life:
        life.say("three", [{"role": "user", "content": content}, {"role": "assistant", "content": "x"}, {"role": "user", "content": text_of("e", 40)}])
    assert before.keys() < set(files(folder))
    assert all(path.stat().st_mtime_ns == time_ns for path, time_ns in before.items())


@pytest.mark.parametrize("kind", ["cut", "flipped", "version", "foreign", "empty"])
def test_a_broken_file_is_computed_instead(tiny, folder, kind):
    """[E31]: and it is gone then."""
    content = text_of("abcd", 80)
    with Life(tiny, folder) as life:
        _, expected = life.say("one", content)
    (path,) = files(folder)
    data = bytearray(path.read_bytes())
    if kind == "cut":
        del data[-100:]
    elif kind == "flipped":
        data[-100] ^= 1
    elif kind == "version":
        data[8] += 1
    elif kind == "foreign":
        data[24] ^= 1
    else:
        data.clear()
    path.write_bytes(data)
    with Life(tiny, folder) as life:
        n_cached, said = life.say("one", content)
        assert n_cached == 0 and said == expected
    assert path.read_bytes() != data


def test_another_model_of_the_same_size_starts_anew(tiny, folder):
    """[E31]"""
    content = text_of("abcd", 80)
    with Life(tiny, folder) as life:
        life.say("one", content)
    tiny.write_bytes(tiny_model(seed=2, n_heads=1)[0])
    with Life(tiny, folder) as life:
        assert life.say("one", content)[0] == 0
    assert len(list(folder.iterdir())) == 2


@pytest.mark.parametrize("change", [{"kv_type": "q8_0"}, {"flash_attention": "off"}])
def test_other_parameters_start_anew_and_work(tiny, folder, change):
    """[E31] [E34]: the transposed values of a cache without flash attention too."""
    content = text_of("abcd", 80)
    with Life(tiny, folder) as life:
        life.say("one", content)
    for expected in (False, True):
        with Life(tiny, folder, **change) as life:
            memory = life.ready["memory"]
            assert memory["kv_type"] == change.get("kv_type", "f16")
            assert memory["flash_attention"] == change.get("flash_attention", "on")
            n_cached, said = life.say("one", content)
            assert (n_cached > 80) == expected
            assert not expected or said == first
            first = said


def test_forget_removes_what_only_this_conversation_has(tiny, folder):
    """[E32]: with the model and without it."""
    system = {"role": "system", "content": text_of("s", 60)}
    with Life(tiny, folder) as life:
        life.say("a", [system, {"role": "user", "content": text_of("a", 60)}], key="chat_a")
        life.say("b", [system, {"role": "user", "content": text_of("b", 60)}], key="chat_b")
    n_files = len(files(folder))
    with Life(tiny, folder) as life:
        life.engine.send({"op": "forget", "cache_key": "chat_a"})
        assert life.say("b", [system, {"role": "user", "content": text_of("b", 60)}], key="chat_b")[0] > 120
    assert 0 < len(files(folder)) < n_files
    with Engine("llama") as engine:
        engine.send({"op": "forget", "cache_key": "chat_b", "cache_dir": str(folder)}, {"op": "ping", "n": 1})
        engine.until_ev("pong")
        assert not files(folder)


def test_forget_empties_the_cache_in_memory_too(tiny, folder):
    """[E32]"""
    content = text_of("abcd", 80)
    with Life(tiny, folder) as life:
        life.say("one", content)
        life.engine.send({"op": "forget", "cache_key": "chat_a"})
        assert life.say("two", content)[0] == 0


def test_what_has_no_name_is_not_kept(tiny, folder):
    """[E31]: a call that belongs to no conversation leaves nothing behind."""
    with Life(tiny, folder) as life:
        life.say("one", text_of("abcd", 80), key=None)
    assert not files(folder)


def test_the_budget_is_kept(tiny, folder):
    """[E31]: and 0 removes everything."""
    with Life(tiny, folder, cache_bytes=50_000) as life:
        for i in range(7):
            life.say(f"g{i}", text_of("abcdefg"[i], 90), key=f"chat_{i}")
    sizes = [path.stat().st_size for path in files(folder)]
    assert len(sizes) >= 2 and sum(sizes) <= 50_000
    with Life(tiny, folder, cache_bytes=0) as life:
        life.say("g", text_of("a", 90))
    assert not files(folder)


def test_a_full_disk_costs_nobody_an_answer(tiny, folder):
    """[E31]"""
    with Engine("llama") as engine:
        engine.load(tiny, context_size=256, cache_dir=str(folder))
        subprocess.run(["prlimit", f"--pid={engine.process.pid}", "--fsize=1000"], check=True)
        for i in range(4):
            engine.send(ask(f"g{i}", text_of("abcd"[i], 90), key=f"chat_{i}"))
            assert engine.end_of(f"g{i}")["reason"] == "length"
        engine.send({"op": "unload"})
        assert engine.wait_exit() == 0
        assert engine.read_log().count("kv_disk_paused") == 1
    assert not files(folder) and not list(folder.glob("*/*.tmp"))


def test_a_folder_that_cannot_be_used_is_only_a_line_in_the_log(tiny, tmp_path):
    (tmp_path / "file").write_text("no folder")
    with Life(tiny, tmp_path / "file") as life:
        life.say("one", "hello")
        assert "kv_disk_off" in life.engine.read_log()


def test_a_folder_that_vanishes_costs_nobody_an_answer(tiny, folder):
    with Life(tiny, folder) as life:
        life.say("one", text_of("abcd", 80))
        shutil.rmtree(folder)
        life.say("two", text_of("efgh", 80), key="chat_b")


def test_a_conversation_is_loaded_beside_answers_that_are_being_made(tiny, folder):
    """[E31]: one file between two steps; both are right."""
    content = text_of("abcd", 80)
    with Life(tiny, folder) as life:
        _, expected = life.say("one", content)
    with Life(tiny, folder, slots=4) as life:
        life.engine.send(ask("long", "x", key="chat_x", max_tokens=60))
        life.engine.until_ev("step")
        life.engine.send(ask("one", content))
        long, one = life.engine.end_of("long", "one")
        assert long["usage"]["completion_tokens"] == 60
        assert one["usage"]["cached_tokens"] > 80 and life.engine.text("one") == expected


def test_an_engine_with_unsaved_states_is_idle(tiny, folder):
    """A folder that takes nothing must not keep the processor busy."""
    with Engine("llama") as engine:
        engine.load(tiny, context_size=256, cache_dir=str(folder))
        subprocess.run(["prlimit", f"--pid={engine.process.pid}", "--fsize=1000"], check=True)
        engine.send(ask("one", text_of("abcd", 80)))
        engine.end_of("one")
        time.sleep(2)
        before = engine.cpu_seconds()
        time.sleep(2)
        assert engine.cpu_seconds() - before < 0.2


@pytest.mark.skipif(os.environ.get("RUNNEL_MODELS") == "none", reason="there is no model")
def test_a_long_conversation_of_the_real_model_comes_back(require_llama, folder):
    """[E31]: the same words from a kept state as from the computed one."""
    document = "".join(f"Paragraph {i}: the river runs from hill {i * 7 % 31} to the sea, past mill {i}.\n" for i in range(40))
    messages = [{"role": "user", "content": document + "What about mill 5?"}]
    with Life(model_path(), folder, context_size=4096) as life:
        life.engine.send(generate("one", messages, sampling=GREEDY, max_tokens=24, cache_key="chat_r"))
        life.engine.end_of("one")
        expected = life.engine.text("one")
    with Life(model_path(), folder, context_size=4096) as life:
        life.engine.send(generate("one", messages, sampling=GREEDY, max_tokens=24, cache_key="chat_r"))
        usage = life.engine.end_of("one")["usage"]
        assert usage["cached_tokens"] == usage["prompt_tokens"] - 1
        assert life.engine.text("one") == expected


def test_forget_without_a_folder_is_nothing(require_llama):
    with subprocess.Popen([program("llama")], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as process:
        out, _ = process.communicate(b'{"op":"forget","cache_key":"chat_a"}\n{"op":"forget"}\n{"op":"ping","n":3}\n', timeout=TIMEOUT_S)
    assert b'"ev":"pong"' in out and out.count(b'"failed"') == 1


def test_a_draft_is_never_on_the_disk(tiny, folder):
    """[E33]: what is typed and not sent stays in memory; the conversation before it is kept."""
    sent = [{"role": "user", "content": text_of("abcd", 80)}]
    with Life(tiny, folder) as life:
        _, answer = life.say("one", sent)
        typed = [*sent, {"role": "assistant", "content": answer}, {"role": "user", "content": text_of("xyz", 40)}]
        life.engine.send({"op": "prefill", "id": "d", "cache_key": "chat_a", "messages": typed})
        assert life.engine.end_of("d")["usage"]["cached_tokens"] > 80
    with Life(tiny, folder) as life:
        life.engine.send(ask("two", typed))
        end = life.engine.end_of("two")
        assert 80 < end["usage"]["cached_tokens"] < end["usage"]["prompt_tokens"] - 40
