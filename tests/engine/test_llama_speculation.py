"""[E27]: an answer with guesses is the answer without, token by token."""

import pytest
from engine_driver import Engine, check_order, generate, model_path

pytestmark = pytest.mark.real

TEXT = (
    "The river runs from the hills to the sea, past mills and meadows, and nobody knows its name. In spring the water is "
    "high and brown, in summer it is low and clear, and children look for crayfish under the stones."
)
CODE = "\n".join(f"def area_{n}(width, height):\n    return width * height * {n}\n" for n in range(1, 7))
PROMPTS = {
    "quote": f"Repeat the following text word for word.\n\n{TEXT}",
    "code": f"Write this Python file again and change nothing:\n\n{CODE}",
    "prose": "Tell me a story about a river.",
}
SAMPLINGS = {
    "greedy": {"sampler_type": "Greedy"},
    "penalty": {"sampler_type": "Greedy", "repeat_penalty": 1.1},
    "seed": {"temperature": 0.8, "seed": 5, "repeat_penalty": 1.05},
    "mirostat": {"sampler_type": "Mirostat", "temperature": 0.8, "seed": 7},
}


@pytest.fixture(scope="module")
def engines(require_llama):
    with Engine("llama") as without, Engine("llama") as guessing:
        without.load(model_path(), context_size=2048, slots=4, speculation="off")
        guessing.load(model_path(), context_size=2048, slots=4, speculation="always")
        yield without, guessing


def ask_both(engines, id, prompt, **fields):
    """The end and the tokens of each; they say the same."""
    for engine in engines:
        engine.send(generate(id, prompt, **fields))
    ends = [engine.end_of(id) for engine in engines]
    for engine in engines:
        check_order(engine.events, id)
    without, guessing = engines
    assert guessing.tokens(id) == without.tokens(id)
    assert guessing.text(id) == without.text(id)
    assert ends[0]["reason"] == ends[1]["reason"] and ends[0]["usage"] == ends[1]["usage"]
    return ends[1]


def count_in_one_line(engine, id):
    """The most items of a generation in one step."""
    steps = [event["out"] for event in engine.events if event["ev"] == "step"]
    return max(sum(item["id"] == id for item in out) for out in steps)


@pytest.mark.parametrize("sampling", SAMPLINGS)
def test_guesses_change_nothing(engines, sampling):
    for name, prompt in PROMPTS.items():
        ask_both(engines, f"{name} {sampling}", prompt, sampling=SAMPLINGS[sampling], max_tokens=64)
    without, guessing = engines
    if sampling == "greedy":
        assert count_in_one_line(without, f"quote {sampling}") == 1
        assert count_in_one_line(guessing, f"quote {sampling}") >= 4


def test_an_answer_ends_in_the_middle_of_guesses(engines):
    """By max_tokens, and by a stop string: nothing of what was guessed behind it is said or counted."""
    fields = {"sampling": SAMPLINGS["greedy"]}
    assert ask_both(engines, "short", PROMPTS["quote"], max_tokens=30, **fields)["usage"]["completion_tokens"] == 30
    assert ask_both(engines, "stop", PROMPTS["quote"], stop=["meadows"], max_tokens=100, **fields)["reason"] == "stop"
    assert engines[1].text("stop").endswith("mills and ")


def test_the_next_turn_finds_what_was_said_and_nothing_else(engines):
    """What was cut off is in no cell: the cache says the same as one that never guessed."""
    fields = {"sampling": SAMPLINGS["greedy"], "cache_key": "turns"}
    ask_both(engines, "turn 1", PROMPTS["quote"], max_tokens=50, **fields)
    turns = [
        {"role": "user", "content": PROMPTS["quote"]},
        {"role": "assistant", "content": engines[0].text("turn 1")},
        {"role": "user", "content": "Once more."},
    ]
    assert ask_both(engines, "turn 2", turns, max_tokens=40, **fields)["usage"]["cached_tokens"] > 100


def test_answers_side_by_side_have_guesses_of_their_own(engines):
    """Which tokens they have is not compared: those of others in the cache round differently ([E20])."""
    guessing = engines[1]
    ids = [f"beside {name}" for name in PROMPTS]
    guessing.send(*(generate(id, prompt, sampling=SAMPLINGS["greedy"], max_tokens=50) for id, prompt in zip(ids, PROMPTS.values())))
    for id, end in zip(ids, guessing.end_of(*ids)):
        check_order(guessing.events, id)
        assert end["usage"]["completion_tokens"] == len(guessing.tokens(id)) <= 50
    assert count_in_one_line(guessing, ids[0]) > 1 and count_in_one_line(guessing, ids[1]) > 1


def test_a_full_context_ends_where_it_does_without(require_llama):
    """[E15]: a guess takes no cell that there is not."""
    counts = []
    for speculation in ("off", "always"):
        with Engine("llama") as engine:
            engine.load(model_path(), context_size=256, slots=1, speculation=speculation)
            engine.send(generate("g", PROMPTS["quote"], sampling=SAMPLINGS["greedy"], ignore_eos=True))
            end = engine.end_of("g")
            assert end["reason"] == "length"
            counts.append((end["usage"], engine.tokens("g")))
    assert counts[0] == counts[1]
    assert counts[0][0]["prompt_tokens"] + counts[0][0]["completion_tokens"] == 256
