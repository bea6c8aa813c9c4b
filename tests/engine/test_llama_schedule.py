"""What goes into which step on the real default model: prompts beside answers, and stopping in the middle of a chunk."""

import time

import pytest
from engine_driver import Engine, check_order, generate, model_path

pytestmark = pytest.mark.real

GREEDY = {"sampler_type": "Greedy"}
LONG_TEXT = "The river runs from the hills to the sea, past mills and meadows, and nobody knows its name. " * 60


def ask(id, content="Write a long story about a river.", **fields):
    return generate(id, content, **{"sampling": GREEDY, "max_tokens": 24, **fields})


def begin_streams(engine, n, **fields):
    """Answers that go on and on; returns once each has said something."""
    ids = [f"stream-{i}" for i in range(n)]
    engine.send(*(ask(id, f"Tell me story {id}.", max_tokens=-1, ignore_eos=True, **fields) for id in ids))
    engine.until(lambda _: all(engine.items(id) for id in ids))
    return ids


def chunks(engine, id):
    done = [event["done"] for event in engine.prefills(id)]
    return [after - before for before, after in zip(done, done[1:])]


def test_answers_go_on_between_the_chunks_of_a_prompt(llama):
    """[E23]"""
    llama.load(model_path(), context_size=8192, slots=4)
    ids = begin_streams(llama, 3)
    llama.send(ask("long", LONG_TEXT))
    llama.end_of("long")
    events = llama.events
    at = [i for i, event in enumerate(events) if event["ev"] == "prefill" and event["id"] == "long"]
    assert len(at) > 5
    for before, after in zip(at[1:], at[2:]):
        said = {item["id"] for event in events[before:after] if event["ev"] == "step" for item in event["out"]}
        assert said.issuperset(ids)
    check_order(events, "long")


def test_a_smaller_budget_makes_smaller_chunks(require_llama):
    """[E23]: step_ms."""
    largest = []
    for step_ms in (40, 60000):
        with Engine("llama") as engine:
            engine.load(model_path(), context_size=8192, slots=2, step_ms=step_ms)
            begin_streams(engine, 1)
            engine.send(ask("long", LONG_TEXT, max_tokens=1))
            engine.until(lambda _: engine.ends("long") or len(engine.prefills("long")) > 10)
            largest.append(max(chunks(engine, "long")[1:]))
    assert largest[0] < 64 <= largest[1]


def test_thirty_two_answers_move_together(llama):
    """The default number of slots: all in one step, nobody waits."""
    assert llama.load(model_path())["slots"] == 32
    ids = [f"g{i}" for i in range(32)]
    llama.send(*(ask(id, f"Count to {id}.", max_tokens=30, ignore_eos=True) for id in ids))
    llama.end_of(*ids)
    assert not [event for event in llama.events if event["ev"] == "queued"]
    assert max(len(event["out"]) for event in llama.events if event["ev"] == "step") == 32
    for id in ids:
        check_order(llama.events, id)
        assert len(llama.tokens(id)) == 30


def test_a_short_prompt_passes_a_long_one(llama):
    """[E26]"""
    llama.load(model_path(), context_size=8192, slots=4)
    llama.send(ask("long", LONG_TEXT))
    llama.until(lambda event: event["ev"] == "prefill" and event["id"] == "long" and event["done"] > 0)
    llama.send(ask("short", "Say hello.", max_tokens=1))
    llama.end_of("short")
    assert not llama.items("long")
    llama.end_of("long")


def cancel_in_a_chunk(engine, id, content):
    """Cancels once the first chunk is told, while the next is computed. Returns how many more were told."""
    engine.send(ask(id, content))
    engine.until(lambda event: event["ev"] == "prefill" and event["id"] == id and event["done"] > event["cached"])
    n_told = len(engine.prefills(id))
    engine.send({"op": "cancel", "id": id})
    assert engine.end_of(id)["reason"] == "cancelled"
    return len(engine.prefills(id)) - n_told


def test_a_cancel_stops_the_chunk_under_way(llama):
    """[E25]: a chunk that is stopped is not told. One may have been complete when the cancel came."""
    llama.load(model_path(), context_size=8192)
    told = [cancel_in_a_chunk(llama, f"c{i}", f"{i} {LONG_TEXT}") for i in range(6)]
    assert sum(told) <= 2, told
    for i in range(6):
        check_order(llama.events, f"c{i}")


def test_after_a_stop_the_cache_is_what_it_was(llama):
    """[E25]: what the stopped prompt has computed is used again, and the answer is that of a prompt that was never stopped."""
    llama.load(model_path(), context_size=8192)
    for i in range(3):
        cancel_in_a_chunk(llama, f"c{i}", LONG_TEXT)
    llama.send(ask("whole", LONG_TEXT))
    usage = llama.end_of("whole")["usage"]
    assert usage["cached_tokens"] == llama.prefills("c2")[-1]["done"]
    with Engine("llama") as fresh:
        fresh.load(model_path(), context_size=8192)
        fresh.send(ask("whole", LONG_TEXT))
        fresh.end_of("whole")
        assert fresh.tokens("whole") == llama.tokens("whole")


def test_answers_go_on_when_a_chunk_is_stopped(llama):
    """[E25]: no token is lost, none comes twice."""
    llama.load(model_path(), context_size=8192, slots=4)
    ids = [f"stream-{i}" for i in range(3)]
    llama.send(*(ask(id, f"Tell me story {id}.", max_tokens=120, ignore_eos=True) for id in ids))
    llama.until(lambda _: all(llama.items(id) for id in ids))
    for i in range(4):
        cancel_in_a_chunk(llama, f"c{i}", f"{i} {LONG_TEXT}")
    ends = llama.end_of(*ids)
    for id, end in zip(ids, ends):
        check_order(llama.events, id)
        assert end["reason"] == "length" and end["usage"]["completion_tokens"] == len(llama.tokens(id)) == 120


def test_prompts_that_are_given_up_do_not_starve_answers(llama):
    """[E24]: also between two chunks of which the first was stopped there is a decode step, however fast they come and go."""
    llama.load(model_path(), context_size=8192, slots=4)
    begin_streams(llama, 1)
    llama.send(ask("c0", LONG_TEXT))
    for i in range(10):
        llama.until(lambda event: event["ev"] == "prefill" and event["id"] == f"c{i}")
        llama.send(ask(f"c{i + 1}", f"{i} {LONG_TEXT}"), {"op": "cancel", "id": f"c{i}"})
    llama.end_of("c9")
    kinds = [event["ev"] for event in llama.events if event["ev"] in ("step", "end")]
    begin = kinds.index("end")
    assert kinds.count("end") == 10
    assert kinds[begin:].count("step") >= 5, kinds  # a cancel may come before the chunk begins


@pytest.mark.parametrize("how", ["unload", "closed"])
def test_the_engine_goes_in_the_middle_of_a_chunk(llama, how):
    """[E4] [E25]"""
    llama.load(model_path(), context_size=8192)
    llama.send(ask("long", LONG_TEXT))
    llama.until(lambda event: event["ev"] == "prefill" and event["done"] > 0)
    n_told = len(llama.prefills("long"))
    if how == "unload":
        llama.send({"op": "unload"})
        assert llama.end_of("long")["reason"] == "cancelled"
        assert len(llama.prefills("long")) <= n_told + 1
    else:
        llama.socket.close()
    assert llama.wait_exit() == 0
    assert " error " not in llama.read_log()


def test_pings_are_answered_in_the_middle_of_a_chunk(llama):
    """[E6]: several pongs between two chunks."""
    llama.load(model_path(), context_size=8192)
    llama.send(ask("long", LONG_TEXT))
    n_between = []
    for n in range(12):
        n_told = len(llama.prefills("long"))
        llama.send({"op": "ping", "n": n})
        llama.until_ev("pong", n=n)
        n_between.append(len(llama.prefills("long")) - n_told)
    assert n_between.count(0) >= 6, n_between
    llama.send({"op": "cancel", "id": "long"})
    llama.end_of("long")


def test_a_prefix_that_is_said_again_has_room_beside_answers(llama):
    """[E15] [E21]: when the cache is full the longest ends as length, and the others go on."""
    llama.load(model_path(), context_size=512, slots=2)
    # Nothing is shared: each token needs a cell.
    one, other = ([{"role": "system", "content": who}, {"role": "user", "content": "Hi"}] for who in ("A", "B"))
    llama.send({"op": "tokenize", "id": "t", "text": " and on" * 72}, ask("long", one, max_tokens=-1, ignore_eos=True))
    prefix = llama.until_ev("tokens")["tokens"]
    # From here on there is room to let the other in, but not to say all of its prefix.
    llama.until(lambda _: len(llama.tokens("long")) >= 200)
    llama.send(ask("again", other, max_tokens=1, prefix={"tokens": prefix}))
    long, again = llama.end_of("long", "again")
    assert [long["reason"], again["reason"]] == ["length", "length"], (long, again)
    assert not [event for event in llama.events if event["ev"] == "queued" and event["id"] == "again"]
    n_cells = sum(end["usage"]["prompt_tokens"] + end["usage"]["completion_tokens"] for end in (long, again))
    assert n_cells > 512  # all of it, and then some of what the longer one gave back


def test_an_engine_without_work_uses_no_processor_time(llama):
    """[E22]: the compute threads of all counts sleep."""
    llama.load(model_path(), context_size=1024, threads=0)
    llama.send(ask("a", max_tokens=200, ignore_eos=True))
    llama.end_of("a")
    time.sleep(0.5)
    before = llama.cpu_seconds()
    time.sleep(2)
    assert llama.cpu_seconds() - before <= 0.04
