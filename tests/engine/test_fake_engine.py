"""The fake engine holds to docs/engine-protocol.md; so these tests are those of the protocol itself too."""

import json
import os
import signal
import socket
import subprocess

import pytest
from engine_driver import TIMEOUT_S, Engine, check_order, generate, program, script

WAVE = {"hex": "f09f"}, {"hex": "8c8a"}


def test_hello_comes_first_and_ping_is_answered_without_a_model(fake):
    """[E5] [E6]"""
    assert fake.events[0] == {"ev": "hello", "protocol": 1, "engine": "fake", "version": fake.events[0]["version"]}
    fake.send({"op": "ping", "n": 7})
    assert fake.read() == {"ev": "pong", "n": 7}


def test_load_shows_rising_progress_and_then_ready(fake):
    """[E7]"""
    ready = fake.load(script(tokens=["a"], load_steps=3, name="tiny"), context_size=100, slots=2)
    progress = [event["progress"] for event in fake.events if event["ev"] == "load"]
    assert len(progress) == 3 and progress == sorted(progress) and progress[-1] == 1
    assert ready["model"]["name"] == "tiny"
    assert ready["model"]["context_size"] == 100 and ready["slots"] == 2


def test_a_second_load_is_refused_and_the_first_one_goes_on(fake):
    """[E7]"""
    fake.load(script(tokens=["a"], token_ms=0))
    fake.send({"op": "load", "model": script()}, generate("g1"))
    assert fake.until_ev("failed")["error"]["code"] == "bad_request"
    assert fake.end_of("g1")["reason"] == "stop"


@pytest.mark.parametrize(
    ("model", "code"),
    [
        ("/nowhere/model.json", "model_not_found"),
        ("fake:{", "model_corrupt"),
        ('fake:{"tokens":[7]}', "model_corrupt"),
        (script(load_error={"code": "no_memory", "text": "buy more"}), "no_memory"),
    ],
)
def test_a_failed_load_says_why_and_exits(fake, model, code):
    """[E3] [E7]"""
    fake.send({"op": "load", "model": model})
    failed = fake.until_ev("failed")
    assert failed["error"]["code"] == code and failed["error"]["text"] and failed["op"] == "load"
    assert fake.read() is None
    assert fake.wait_exit() == 0


def test_a_generation_has_prefill_steps_and_one_end(fake):
    """[E9] [E10] [E11] [E19]"""
    fake.load(script(tokens=["Hello", " river", "!"], token_ms=0))
    fake.send(generate("g1", "one two three"))
    end = fake.end_of("g1")
    check_order(fake.events, "g1")
    assert fake.text("g1") == "Hello river!"
    assert end["reason"] == "stop"
    assert end["usage"] == {"prompt_tokens": 3, "cached_tokens": 0, "completion_tokens": 3}
    times = [event["t_ns"] for event in fake.events if event["ev"] == "step"]
    assert times == sorted(times) and len(set(times)) == 3


def test_prefill_goes_by_chunks(fake):
    """[E10]"""
    fake.load(script(tokens=["x"], prompt_tokens=1100, prefill_chunk=512, token_ms=0))
    fake.send(generate("g1"))
    fake.end_of("g1")
    assert [event["done"] for event in fake.prefills("g1")] == [0, 512, 1024, 1100]


def test_text_is_whole_characters_only(fake):
    """[E12]"""
    fake.load(script(tokens=["a", *WAVE, {"hex": "ff"}, {"hex": "e282"}, "b"], token_ms=0))
    fake.send(generate("g1"))
    fake.end_of("g1")
    assert [item["text"] for item in fake.items("g1")] == ["a", "", "🌊", "\ufffd", "", "\ufffdb"]


def test_a_stop_string_never_leaks_across_tokens(fake):
    """[E13]"""
    fake.load(script(tokens=["one E", "N", "D", " never"], token_ms=0))
    fake.send(generate("g1", stop=["END"]))
    end = fake.end_of("g1")
    assert [item["text"] for item in fake.items("g1")] == ["one ", "", ""]
    assert end["reason"] == "stop" and end["usage"]["completion_tokens"] == 3


def test_held_text_that_is_no_stop_string_is_sent(fake):
    """[E13]"""
    fake.load(script(tokens=["EN", "TRY"], token_ms=0))
    fake.send(generate("g1", stop=["END"]))
    fake.end_of("g1")
    assert [item["text"] for item in fake.items("g1")] == ["", "ENTRY"]


def test_held_text_is_flushed_at_every_end(fake, tmp_path):
    """[E14]"""
    gate = {"token": 3, "do": "gate", "gate": str(tmp_path / "gate"), "when": "wait"}
    fake.load(script(tokens=["a", "EN"], token_ms=0, count=2, at=[gate]))
    fake.send(generate("length", stop=["END"], max_tokens=2))
    assert fake.end_of("length")["reason"] == "length"
    assert [(item["tok"], item["text"]) for item in fake.items("length")] == [(0, "a"), (1, "EN")]

    fake.send(generate("stop", stop=["END"]))
    assert fake.end_of("stop")["reason"] == "stop"
    assert [(item["tok"], item["text"]) for item in fake.items("stop")] == [(0, "a"), (1, ""), (-1, "EN")]
    assert fake.ends("stop")[0]["usage"]["completion_tokens"] == 2

    fake.send(generate("cancel", "wait", stop=["END"]))
    fake.until(lambda _: len(fake.items("cancel")) == 2)
    fake.send({"op": "cancel", "id": "cancel"})
    assert fake.end_of("cancel")["reason"] == "cancelled"
    assert fake.items("cancel")[-1] == {"id": "cancel", "tok": -1, "text": "EN"}


def test_max_tokens_is_length(fake):
    """[E15]"""
    fake.load(script(tokens=["a "], count=100, token_ms=0))
    fake.send(generate("g1", max_tokens=5), generate("g0", max_tokens=0))
    ends = fake.end_of("g1", "g0")
    assert [end["reason"] for end in ends] == ["length", "length"]
    assert [end["usage"]["completion_tokens"] for end in ends] == [5, 0]


def test_a_full_context_is_length_and_a_prompt_too_long_an_error(fake):
    """[E15]"""
    fake.load(script(tokens=["a "], count=1000, token_ms=0, context_size=10))
    fake.send(generate("fits", "1 2 3"), generate("long", "1 2 3 4 5 6 7 8 9 10"))
    fits, too_long = fake.end_of("fits", "long")
    assert fits["reason"] == "length" and fits["usage"]["completion_tokens"] == 7
    assert too_long["reason"] == "error" and too_long["error"]["code"] == "context_full"
    assert not fake.items("long") and not fake.prefills("long")


def test_ignore_eos_goes_on_until_max_tokens(fake):
    fake.load(script(tokens=["a", "b"], token_ms=0))
    fake.send(generate("g1", ignore_eos=True, max_tokens=5))
    assert fake.end_of("g1")["reason"] == "length"
    assert fake.text("g1") == "ababa"


def test_cancel_works_in_every_phase(fake, tmp_path):
    """[E16]"""
    fake.load(script(tokens=["a"], count=1000000, token_ms=1, slots=1, prefill_ms=10000, prompt_tokens=10, start_gate=None))
    fake.send(generate("prefill"), generate("queued"))
    fake.until_ev("queued", id="queued", position=1)
    fake.send({"op": "cancel", "id": "queued"})
    assert fake.end_of("queued")["reason"] == "cancelled"
    fake.send({"op": "cancel", "id": "prefill"}, {"op": "cancel", "id": "prefill"}, {"op": "cancel", "id": "unknown"})
    assert fake.end_of("prefill")["reason"] == "cancelled"
    fake.send({"op": "ping", "n": 1})
    fake.until_ev("pong")
    for id in ("queued", "prefill"):
        check_order(fake.events, id)


def test_cancel_of_a_decoding_generation(fake):
    """[E16]"""
    fake.load(script(tokens=["a"], count=1000000, token_ms=1))
    fake.send(generate("g1"))
    fake.until_ev("step")
    fake.send({"op": "cancel", "id": "g1"})
    end = fake.end_of("g1")
    assert end["reason"] == "cancelled" and end["usage"]["completion_tokens"] == len(fake.items("g1"))


def test_several_generations_share_one_step(fake, tmp_path):
    """[E11]"""
    gate = tmp_path / "gate"
    fake.load(script(tokens=["a", "b"], token_ms=0, start_gate=str(gate)))
    fake.send(*(generate(f"g{i}") for i in range(8)))
    for i in range(8):
        fake.until(lambda event, i=i: event["ev"] == "prefill" and event["id"] == f"g{i}" and event["done"] == 1)
    gate.touch()
    fake.end_of(*(f"g{i}" for i in range(8)))
    steps = [event for event in fake.events if event["ev"] == "step"]
    assert len(steps) == 2
    assert [item["id"] for item in steps[0]["out"]] == [f"g{i}" for i in range(8)]


def test_more_than_the_slots_wait_and_move_up(fake):
    """[E9]: queued events tell each new place."""
    fake.load(script(tokens=["a"], token_ms=1, count=5, slots=1))
    fake.send(generate("g1"), generate("g2"), generate("g3"))
    fake.end_of("g1", "g2", "g3")
    places = [(event["id"], event["position"]) for event in fake.events if event["ev"] == "queued"]
    assert places == [("g2", 1), ("g3", 2), ("g3", 1)]
    for id in ("g1", "g2", "g3"):
        check_order(fake.events, id)
        assert fake.text(id) == "aaaaa"


def test_a_cache_key_is_remembered(fake):
    """[E10]: cached."""
    fake.load(script(tokens=["a"], token_ms=0))
    fake.send(generate("g1", "one two three", cache_key="c"))
    fake.end_of("g1")
    fake.send(generate("g2", "one two three a more", cache_key="c"), generate("g3", "one two three", cache_key="d"))
    second, other = fake.end_of("g2", "g3")
    assert second["usage"] == {"prompt_tokens": 5, "cached_tokens": 4, "completion_tokens": 1}
    assert other["usage"]["cached_tokens"] == 0


def test_echo_repeats_the_last_message(fake):
    fake.load(script(echo=True, token_ms=0))
    fake.send(generate("g1", " say  these\nwords 🌊 "))
    fake.end_of("g1")
    assert fake.text("g1") == " say  these\nwords 🌊 "


def test_tokenize_counts_words(fake):
    """[E17]"""
    fake.load(script(tokens=["a"]))
    fake.send({"op": "tokenize", "id": "t1", "text": "a b a b"})
    tokens = fake.until_ev("tokens", id="t1")["tokens"]
    assert len(tokens) == 4 and tokens[1] == tokens[3]


def test_wrong_commands_are_answered_and_do_no_harm(fake):
    """[E2]"""
    fake.load(script(tokens=["a"], token_ms=0))
    fake.send_raw(b'nonsense\n{"op":"later"}\n{"op":"generate","id":"g1"}\n[]\n\xff\xfe\n')
    assert fake.read()["ev"] == "failed"
    end = fake.read()
    assert (end["ev"], end["id"], end["error"]["code"]) == ("end", "g1", "bad_request")
    assert fake.read()["error"]["code"] == "bad_request"
    assert fake.read()["error"]["code"] == "bad_request"
    fake.send(generate("g2"))
    assert fake.end_of("g2")["reason"] == "stop"


def test_a_generate_without_a_model_is_refused(fake):
    """[E9]"""
    fake.send(generate("g1"))
    assert fake.end_of("g1")["error"]["code"] == "bad_request"


def test_a_load_answers_pings_and_keeps_commands_in_order(fake, tmp_path):
    """[E6] [E19]"""
    gate = tmp_path / "gate"
    fake.send(
        {"op": "load", "model": script(tokens=["a"], token_ms=0, at=[{"token": 0, "do": "gate", "gate": str(gate)}])},
        generate("g1"),
        {"op": "ping", "n": 1},
    )
    fake.until_ev("pong")
    assert not fake.ends("g1")
    gate.touch()
    assert fake.end_of("g1")["reason"] == "stop"


def test_the_end_of_a_socket_means_go(fake):
    """[E4]: in the middle of a generation too."""
    fake.load(script(tokens=["a"], count=1000000, token_ms=1))
    fake.send(generate("g1"))
    fake.until_ev("step")
    fake.socket.shutdown(socket.SHUT_WR)
    assert fake.wait_exit() == 0


def test_unload_ends_all_and_exits(fake):
    fake.load(script(tokens=["a"], count=1000000, token_ms=1))
    fake.send(generate("g1"))
    fake.until_ev("step")
    fake.send({"op": "unload"})
    assert fake.end_of("g1")["reason"] == "cancelled"
    assert fake.wait_exit() == 0


def test_a_script_in_a_shell_is_finished_first(tmp_path):
    """[E4]: a file that ends is no server that went."""
    lines = [{"op": "load", "model": script(tokens=["a", "b"])}, generate("g1"), {"op": "ping", "n": 1}]
    path = tmp_path / "script.jsonl"
    path.write_text("\n".join(json.dumps(line) for line in lines))
    with path.open() as file:
        run = subprocess.run([program("fake")], stdin=file, capture_output=True, timeout=TIMEOUT_S)
    events = [json.loads(line) for line in run.stdout.splitlines()]
    assert run.returncode == 0 and events[-1]["reason"] == "stop"


@pytest.mark.parametrize(
    ("action", "code"),
    [
        ({"do": "crash"}, -signal.SIGSEGV),
        ({"do": "crash", "signal": 9}, -signal.SIGKILL),
        ({"do": "abort"}, -signal.SIGABRT),
        ({"do": "exit", "code": 3}, 3),
    ],
)
def test_it_dies_just_before_the_token_that_the_script_names(fake, action, code):
    fake.load(script(tokens=["a", "b", "c", "d"], token_ms=0, at=[{"token": 3, **action}]))
    fake.send(generate("g1"))
    assert fake.until_ev("end") is None
    assert fake.text("g1") == "ab"
    expected = {code, 86} if code == -signal.SIGABRT else {code}  # 86: a sanitizer build took the abort
    assert fake.wait_exit() in expected


@pytest.mark.parametrize("action", [{"do": "crash"}, {"do": "exit", "code": 3}])
def test_it_dies_at_a_chunk_of_the_prefill(fake, action):
    at = [{"prefill": 3, **action, "when": "bad"}]
    fake.load(script(tokens=["a"], prompt_tokens=1000, prefill_chunk=100, token_ms=0, at=at))
    fake.send(generate("g1", "good"))
    assert fake.end_of("g1")["reason"] == "stop"
    fake.send(generate("g2", "bad"))
    assert fake.until_ev("end", id="g2") is None
    assert [event["done"] for event in fake.prefills("g2")] == [0, 100, 200]
    assert fake.wait_exit() in (-signal.SIGSEGV, 3)


def test_it_dies_at_a_step_of_the_load(fake):
    fake.send({"op": "load", "model": script(load_steps=4, at=[{"load": 3, "do": "crash"}])})
    assert fake.until_ev("ready") is None
    assert [event["progress"] for event in fake.events if event["ev"] == "load"] == [0.25, 0.5]
    assert fake.wait_exit() == -signal.SIGSEGV


def test_an_error_at_a_step_of_the_load_is_a_failed_load(fake):
    fake.send({"op": "load", "model": script(at=[{"load": 2, "do": "error"}])})
    assert fake.until_ev("failed")["error"]["code"] == "internal"
    assert fake.wait_exit() == 0


def test_gates_hold_the_load_and_the_prefill_while_pings_are_answered(fake, tmp_path):
    load, prefill = tmp_path / "load", tmp_path / "prefill"
    at = [{"load": 2, "do": "gate", "gate": str(load)}, {"prefill": 2, "do": "gate", "gate": str(prefill)}]
    model = script(tokens=["a"], prompt_tokens=30, prefill_chunk=10, token_ms=0, load_steps=3, at=at)
    fake.send({"op": "load", "model": model}, {"op": "ping", "n": 1}, generate("g1"))
    fake.until_ev("pong", n=1)
    assert [event["progress"] for event in fake.events if event["ev"] == "load"] in ([], [1 / 3])
    load.touch()
    fake.until_ev("prefill", done=10)
    fake.send({"op": "ping", "n": 2})
    fake.until_ev("pong", n=2)
    assert fake.prefills("g1")[-1]["done"] == 10
    prefill.touch()
    assert fake.end_of("g1")["reason"] == "stop"
    check_order(fake.events, "g1")


def test_an_error_in_the_prefill_ends_that_generation(fake):
    at = [{"prefill": 2, "do": "error", "when": "bad"}]
    fake.load(script(tokens=["a"], prompt_tokens=30, prefill_chunk=10, token_ms=0, at=at))
    fake.send(generate("g1", "bad"), generate("g2", "good"))
    bad, good = fake.end_of("g1", "g2")
    assert bad["error"]["code"] == "internal" and not fake.items("g1") and good["reason"] == "stop"


def test_a_hanging_engine_answers_nothing_any_more(fake):
    fake.load(script(tokens=["a", "b"], token_ms=0, at=[{"token": 2, "do": "hang"}]))
    fake.send(generate("g1"), {"op": "ping", "n": 1})
    fake.until_ev("step")
    fake.send({"op": "ping", "n": 2})
    with pytest.raises(TimeoutError):
        while fake.read(timeout_s=0.5):
            pass
    os.kill(fake.process.pid, signal.SIGKILL)


def test_garbage_and_long_lines_come_as_asked(fake):
    """[E1]: what the server must refuse."""
    fake.load(script(tokens=["a", "b"], token_ms=0, at=[{"token": 1, "do": "garbage"}, {"token": 2, "do": "longline"}]))
    fake.send(generate("g1"))
    lines = []
    while not any(b'"end"' in line for line in lines):
        lines.append(fake.read_line())
    assert b"this is not JSON" in lines
    assert max(len(line) for line in lines) > 8 << 20


def test_an_error_ends_one_generation_only(fake):
    fake.load(script(tokens=["a", "b"], token_ms=0, at=[{"token": 2, "do": "error", "when": "bad"}]))
    fake.send(generate("g1", "bad"), generate("g2", "good"))
    bad, good = fake.end_of("g1", "g2")
    assert bad["reason"] == "error" and bad["error"]["code"] == "internal" and fake.text("g1") == "a"
    assert good["reason"] == "stop"


def test_a_gate_holds_one_generation_and_not_the_others(fake, tmp_path):
    gate = tmp_path / "gate"
    fake.load(script(tokens=["a", "b"], token_ms=0, at=[{"token": 2, "do": "gate", "gate": str(gate), "when": "held"}]))
    fake.send(generate("g1", "held"), generate("g2", "free"))
    fake.end_of("g2")
    assert fake.text("g1") == "a"
    gate.touch()
    assert fake.end_of("g1")["reason"] == "stop" and fake.text("g1") == "ab"


def test_once_is_once_over_all_processes(fake, tmp_path):
    """A restarted engine runs the same script and lives."""
    mark = tmp_path / "mark"
    mark.touch()
    fake.load(script(tokens=["a"], token_ms=0, at=[{"token": 1, "do": "crash", "once": str(mark)}]))
    fake.send(generate("g1"))
    assert fake.end_of("g1")["reason"] == "stop"


def test_a_server_that_does_not_read_stops_the_engine(fake):
    """[E18]: nothing is lost, nothing piles up inside."""
    n = 30000
    fake.load(script(tokens=["0123456789 " * 10], count=n, token_ms=0, context_size=100000))
    fake.send(generate("g1"))
    fake.until_ev("step")
    before = None
    while before != (before := fake.cpu_seconds()):  # it stands still once the socket is full
        select_pause()
    assert fake.end_of("g1")["usage"]["completion_tokens"] == n
    assert len(fake.items("g1")) == n


def select_pause():
    """Lets the engine run a little; the loop that calls it decides by what it sees."""
    import select

    select.select([], [], [], 0.3)


def test_an_idle_engine_uses_no_processor(fake):
    fake.load(script(tokens=["a"], token_ms=0))
    fake.send(generate("g1"))
    fake.end_of("g1")
    before = fake.cpu_seconds()
    select_pause()
    assert fake.cpu_seconds() - before <= 0.02


def test_inspect_works_without_a_load(fake):
    """[E8]"""
    fake.send({"op": "inspect", "model": script(name="tiny", tokens=["a"])}, {"op": "inspect", "model": "/nowhere"})
    assert fake.until_ev("inspect")["info"]["name"] == "tiny"
    failed = fake.until_ev("failed")
    assert failed["op"] == "inspect" and failed["error"]["code"] == "model_not_found"
    fake.send({"op": "ping", "n": 1})
    assert fake.read() == {"ev": "pong", "n": 1}


def test_trace_names_each_token_and_never_its_text():
    """Trace: a token can be followed from its sampling on."""
    with Engine("fake", "--log", "trace") as engine:
        engine.load(script(tokens=["secret", " words"], token_ms=0))
        engine.send(generate("g1"))
        engine.end_of("g1")
        log = engine.read_log()
    t_ns = [event["t_ns"] for event in engine.events if event["ev"] == "step"]
    assert f"[ENGINE] token #2 sampled id=g1 tok=1 t_ns={t_ns[1]}" in log
    assert "secret" not in log and "words" not in log


@pytest.mark.parametrize("flag", ["--help", "--version"])
def test_flags_answer_and_exit(flag):
    run = subprocess.run([program("fake"), flag], capture_output=True, text=True, timeout=TIMEOUT_S)
    assert run.returncode == 0 and "runnel-engine-fake" in run.stdout


def test_an_unknown_flag_is_refused():
    run = subprocess.run([program("fake"), "--what"], capture_output=True, text=True, timeout=TIMEOUT_S)
    assert run.returncode == 2 and "--help" in run.stderr


def test_a_raw_prompt_is_read_as_it_is(fake):
    """[E46]"""
    fake.load(script(echo=True, token_ms=0))
    command = {"op": "generate", "id": "g1", "prompt": "Once upon a time"}
    fake.send(command)
    assert fake.end_of("g1")["usage"]["prompt_tokens"] == 4 and fake.text("g1") == "Once upon a time"
    fake.send({**command, "id": "g2", "messages": [{"role": "user", "content": "Hi"}]})
    assert fake.end_of("g2")["error"]["code"] == "bad_request"
    tool = {"type": "function", "function": {"name": "f", "parameters": {}}}
    fake.send({**command, "id": "g3", "tools": [tool]})
    assert fake.end_of("g3")["error"]["code"] == "bad_request"


def test_questions_that_are_no_generation(fake):
    """[E47] [E48]"""
    fake.load(script(tokens=["a", " b"]))
    fake.send({"op": "template", "id": "q1", "messages": [{"role": "user", "content": "one two"}]})
    assert fake.until_ev("prompt") == {"ev": "prompt", "id": "q1", "n_tokens": 2, "text": "user: one two\n"}
    fake.send({"op": "detokenize", "id": "q2", "tokens": [0, 1]})
    assert fake.until_ev("text") == {"ev": "text", "id": "q2", "text": "a b"}
    for wrong in ({"op": "template", "messages": []}, {"op": "detokenize", "tokens": [-1]}, {"op": "detokenize", "tokens": 5}):
        fake.send({**wrong, "id": "q3"})
        assert fake.end_of("q3")["error"]["code"] == "bad_request"


def test_the_end_names_the_stop_string(fake):
    """[E15]"""
    fake.load(script(tokens=["a", " stop", " b"], token_ms=0))
    fake.send(generate("g1", stop=["xyz", "stop"]))
    assert fake.end_of("g1")["usage"]["stop"] == "stop"
    fake.send(generate("g2", stop=["xyz"]))
    assert "stop" not in fake.end_of("g2")["usage"]
