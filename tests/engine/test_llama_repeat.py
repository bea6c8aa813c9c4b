"""[E20] the same seed gives the same answer, whatever runs beside it."""

import pytest
from engine_driver import Engine, generate, program
from tiny_gguf import tiny_model

pytestmark = pytest.mark.real

SEEDED = {"sampler_type": "ChainFull", "temperature": 1.1, "top_k": 40, "top_p": 0.95, "seed": 42}


@pytest.fixture(scope="module")
def engine(tmp_path_factory):
    if not program("llama").exists():
        pytest.skip("runnel-engine-llama is not built")
    path = tmp_path_factory.mktemp("tiny") / "tiny.gguf"
    path.write_bytes(tiny_model(3)[0])
    with Engine("llama") as engine:
        engine.load(path, context_size=2048, slots=8)
        yield engine


def ask(engine, id, content="Hi", **sampling):
    engine.send(generate(id, content, sampling={**SEEDED, **sampling}, ignore_eos=True, max_tokens=60))


def test_e20_others_beside_it_change_nothing(engine):
    ask(engine, "alone")
    engine.end_of("alone")
    for i in range(3):
        ask(engine, f"other-{i}", "Something else " * (i + 1), seed=i)
    ask(engine, "beside")
    engine.end_of("beside", "other-0", "other-1", "other-2")
    assert len(engine.tokens("alone")) == 60
    assert engine.tokens("beside") == engine.tokens("alone")


def test_e20_another_seed_is_another_answer(engine):
    ask(engine, "a", seed=1)
    ask(engine, "b", seed=2)
    engine.end_of("a", "b")
    assert engine.tokens("a") != engine.tokens("b")


def test_e40_penalties_and_biases_change_what_is_said(engine):
    ask(engine, "plain", sampler_type="Greedy")
    engine.end_of("plain")
    first = engine.tokens("plain")[0]
    ask(engine, "never", sampler_type="Greedy", logit_bias={str(first): -100})
    ask(engine, "always", sampler_type="Greedy", logit_bias={"77": 100})
    ask(engine, "once", sampler_type="Greedy", frequency_penalty=2, presence_penalty=2, logit_bias={"77": 3})
    engine.end_of("never", "always", "once")
    assert first not in engine.tokens("never")
    assert engine.tokens("always") == [77] * 60
    repeats = [len(engine.tokens(id)) - len(set(engine.tokens(id))) for id in ("plain", "once")]
    assert repeats[1] < repeats[0]
