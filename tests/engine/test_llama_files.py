"""F42, F43: model files that are broken on purpose. The engine says what is wrong and names the file, or it dies, or it answers all the
same; it never hangs. The seed of a failure is in its message; RUNNEL_SEEDS sets how many are tried, RUNNEL_SEED the first."""

import os
import random
import signal
import struct

import pytest
from engine_driver import Engine, generate, program
from tiny_gguf import tiny_model

N_SEEDS = int(os.environ.get("RUNNEL_SEEDS", "60"))
FIRST_SEED = int(os.environ.get("RUNNEL_SEED", "1"))
LIMIT_S = 60  # for one answer of the engine, on a loaded machine
HUGE = [0, 1, 2**31 - 1, 2**31, 2**32 - 1, 2**40, 2**62, 2**63 - 1, 2**63, 2**64 - 1]

pytestmark = pytest.mark.real


@pytest.fixture(autouse=True)
def llama_is_built():
    if not program("llama").exists():
        pytest.skip("runnel-engine-llama is not built")


def flip_bits(noise, data, n_head):
    for _ in range(noise.randint(1, 20)):
        data[noise.randrange(n_head)] ^= 1 << noise.randrange(8)


def huge_number(noise, data, n_head):
    size = noise.choice([4, 8])
    at = noise.randrange(4, n_head - size)
    data[at : at + size] = struct.pack("<Q", noise.choice(HUGE))[:size]


def huge_count(noise, data, n_head):
    """A number that is one: the counts of the head, and the lengths and types before the first names."""
    at = noise.choice([8, 16, 24, 52])
    data[at : at + 8] = struct.pack("<Q", noise.choice(HUGE))


def truncate(noise, data, n_head):
    del data[noise.choice([noise.randrange(n_head), noise.randrange(len(data))]) :]


def random_bytes(noise, data, n_head):
    size = noise.randint(1, 200)
    at = noise.randrange(n_head)
    data[at : at + size] = noise.randbytes(size)


def cut_out(noise, data, n_head):
    at = noise.randrange(n_head)
    del data[at : at + noise.randint(1, 64)]


def repeat(noise, data, n_head):
    at = noise.randrange(n_head)
    data[at:at] = data[at : at + noise.randint(1, 500)]


def wrong_weights(noise, data, n_head):
    at = noise.randrange(n_head, len(data) - 4)
    data[at : at + 4] = noise.choice([b"\xff\xff\xff\xff", b"\x00\x00\x80\x7f", b"\x00\x00\xc0\x7f"])


MUTATIONS = [flip_bits, huge_number, huge_number, huge_count, truncate, random_bytes, cut_out, repeat, wrong_weights]


def broken_file(folder, seed):
    noise = random.Random(seed)
    data, n_head = tiny_model()
    data = bytearray(data)
    mutation = MUTATIONS[seed % len(MUTATIONS)]
    mutation(noise, data, n_head)
    path = folder / f"broken-{seed}.gguf"
    path.write_bytes(data)
    return path, mutation.__name__


def tell(engine, path, command, *wanted):
    """What the engine says to a command; None: it died of it. A refusal names the file."""
    engine.send(command)
    event = engine.until(lambda event: event["ev"] in wanted)
    if event is None:
        assert engine.process.wait(LIMIT_S) != 0
    elif event["ev"] == "failed":
        assert event["error"]["code"] in ("model_corrupt", "no_memory", "model_not_found", "internal"), event
        assert path.name in event["error"]["text"], event
    return event


def try_file(path):
    """The ways it went: inspected, loaded and asked for an answer, each in the same or in a new process."""
    told = []
    with Engine("llama", "--log", "error") as engine:
        event = tell(engine, path, {"op": "inspect", "model": str(path)}, "inspect", "failed")
        told.append(event["ev"] if event else "died")
    with Engine("llama", "--log", "error") as engine:
        load = {"op": "load", "model": str(path), "options": {"threads": 1, "context_size": 256, "slots": 2}}
        event = tell(engine, path, load, "ready", "failed")
        told.append(event["ev"] if event else "died")
        if event and event["ev"] == "ready":
            event = tell(engine, path, generate("g", "Hi", max_tokens=3), "end")
            told.append(event["reason"] if event else "died")
    return told


def test_the_whole_file_is_right(tmp_path):
    """Else the broken ones would prove nothing."""
    path = tmp_path / "whole.gguf"
    path.write_bytes(tiny_model()[0])
    assert try_file(path) in (["inspect", "ready", "length"], ["inspect", "ready", "stop"])


@pytest.mark.parametrize("share", range(4))
def test_a_broken_file_is_named_or_kills_one_process(tmp_path, share):
    """F42"""
    outcomes = {}
    for seed in range(FIRST_SEED + share, FIRST_SEED + N_SEEDS, 4):
        path, how = broken_file(tmp_path, seed)
        try:
            told = try_file(path)
        except (AssertionError, TimeoutError) as error:
            raise AssertionError(f"seed {seed} ({how}): {error}") from error
        outcomes.setdefault("/".join(told), []).append(seed)
        path.unlink()
    print({how: len(seeds) for how, seeds in outcomes.items()})
    assert any(how.startswith("failed/failed") for how in outcomes), outcomes


def refused_heads():
    """What the head alone gives away, by what is wrong with it."""
    whole, n_head = tiny_model()
    first_name = 24
    for n in [*range(0, n_head, 23), n_head - 1, n_head, len(whole) - 1]:
        yield f"cut at {n}", whole[:n]
    for at, what in ((8, "tensors"), (16, "values"), (first_name, "a name")):
        for number in (2**16 + 2**32, 2**40, 2**63, 2**64 - 1):
            yield f"{number} as the count of {what}", whole[:at] + struct.pack("<Q", number) + whole[at + 8 :]
    tokens = whole.index(b"tokenizer.ggml.tokens") + len("tokenizer.ggml.tokens") + 8
    embedding = whole.index(b"token_embd.weight") + len("token_embd.weight")
    for number in (2**32, 2**62, 2**64 - 1):
        yield f"{number} tokens", whole[:tokens] + struct.pack("<Q", number) + whole[tokens + 8 :]
        yield f"rows of {number}", whole[: embedding + 4] + struct.pack("<Q", number) + whole[embedding + 12 :]
        yield f"weights at {number}", whole[: embedding + 24] + struct.pack("<Q", number) + whole[embedding + 32 :]
    yield "a type of weights that nobody knows", whole[: embedding + 20] + b"\xff" + whole[embedding + 21 :]
    yield "too many dimensions", whole[:embedding] + struct.pack("<I", 2**31) + whole[embedding + 4 :]
    yield "another byte order", whole[:4] + struct.pack(">I", 3) + whole[8:]
    yield "a version to come", whole[:4] + struct.pack("<I", 99) + whole[8:]


def test_a_head_that_is_wrong_is_told_by_one_process_that_lives(tmp_path):
    """F42, [E8]: before libllama sees the file."""
    path = tmp_path / "head.gguf"
    with Engine("llama", "--log", "error") as engine:
        for what, data in refused_heads():
            path.write_bytes(data)
            event = tell(engine, path, {"op": "inspect", "model": str(path)}, "inspect", "failed")
            assert event and event["ev"] == "failed" and event["error"]["code"] == "model_corrupt", (what, event)
        path.write_bytes(tiny_model()[0])
        event = tell(engine, path, {"op": "inspect", "model": str(path)}, "inspect", "failed")
        assert event["info"]["name"] == "tiny" and event["info"]["vocab_size"] == 259, event
        assert event["info"]["memory"]["token_bytes"] == 2 * 2 * 32, event


def test_a_file_that_shrinks_while_it_is_mapped_kills_only_its_engine(tmp_path):
    """F43: the weights are read from the file as they are needed, and it is not there any more."""
    path = tmp_path / "shrinks.gguf"
    path.write_bytes(tiny_model()[0])
    with Engine("llama", "--log", "error") as engine:
        engine.load(path, context_size=256, slots=1)
        engine.send(generate("g", "Hi", max_tokens=100, ignore_eos=True))
        engine.end_of("g")
        os.truncate(path, 0)
        engine.send(generate("h", "Hello there", max_tokens=100, ignore_eos=True))
        assert engine.until_ev("end", id="h") is None
        assert engine.wait_exit() == -signal.SIGBUS
    with Engine("llama", "--log", "error") as engine:
        engine.send({"op": "load", "model": str(path)})
        failed = engine.until_ev("failed")
        assert failed["error"]["code"] == "model_corrupt" and path.name in failed["error"]["text"]
