"""P5: after a crash an answer goes on by itself, in its place; and what may stop it."""

import json
import os
import select
import signal
import time

import pytest

from harness.clients import Native
from harness.oracle import Mirror
from harness.wait import wait_until


def wait_gone(pid):
    try:
        fd = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    assert select.select([fd], [], [], 20)[0], f"{pid} is still there"
    os.close(fd)


def chain(frames):
    """(id, reason, continued_by) of each `end`, and the ids that each `start` names."""
    ends = [(f["generation"], f["reason"], f.get("continued_by")) for f in frames if f["type"] == "end"]
    starts = [(f["generation"], f.get("continues")) for f in frames if f["type"] == "start"]
    return ends, starts


@pytest.mark.parametrize("n_tokens", [0, 1, 5, 13])
def test_an_answer_goes_on_when_the_engine_is_killed(serve, script, n_tokens):
    tale = script().gate_all()
    server = serve(tale)
    server.expects_crash = True
    with Native(server) as client:
        ack = client.begin("Tell me of rivers")
        tale.open(*range(1, n_tokens + 1))
        client.until_seq(n_tokens + 1)
        if n_tokens == 0:
            client.until("phase", phase="prefill")  # before it the engine does not have it, and nothing is cut
        os.kill(server.engine_pid(), signal.SIGSEGV)
        client.until("start", continues=ack["generation"])
        tale.open_all()
        end = client.until("end")
        mirror = Mirror(ack["conversation"]).feed(*client.frames)
        assert mirror.text == tale.text
        ends, starts = chain(client.frames)
        assert ends[0] == (ack["generation"], "interrupted", starts[1][0]) and ends[1][1:] == ("stop", None)
        assert end["usage"]["completion_tokens"] == len(tale.tokens) - n_tokens
    answer = server.answer_of(ack["conversation"])
    assert answer["content"] == tale.text and answer["generation"]["continues"] == ack["generation"]


@pytest.mark.parametrize("how", ["killed", "stopped"])
@pytest.mark.parametrize("n_tokens", [0, 1, 5])
def test_an_answer_goes_on_when_the_server_dies_or_is_stopped(new_server, script, n_tokens, how):
    tale = script().gate_all()
    server = new_server(tale).start()
    with Native(server) as client:
        ack = client.begin("Tell me of rivers")
        tale.open(*range(1, n_tokens + 1))
        client.until_seq(n_tokens + 1)
        frames = client.frames
        engine = server.engine_pid()
        server.kill() if how == "killed" else server.stop()
    wait_gone(engine)
    tale.open_all()
    server.start()
    with Native(server) as client:
        cursor = {"generation": ack["generation"], "epoch": client.epoch, "after_seq": n_tokens + 1}
        client.watch(ack["conversation"], cursor)
        client.until("resumed")
        client.until("end", reason="stop")
        mirror = Mirror(ack["conversation"]).feed(*[f for f in frames if f["type"] != "end"], *client.frames)
        assert mirror.text == tale.text
    answer = server.answer_of(ack["conversation"])
    assert answer["content"] == tale.text and answer["generation"]["reason"] == "stop"


def test_a_limit_of_tokens_counts_the_whole_answer(serve, script):
    tale = script(count=40)
    tale.at(6, "crash", once=str(tale.folder / "crashed"))
    server = serve(tale)
    server.expects_crash = True
    with Native(server) as client:
        ack = client.begin("Tell me of rivers", settings={"max_tokens": 9})
        assert client.until("end", reason="length")["usage"]["completion_tokens"] == 4
    content = server.answer_of(ack["conversation"])["content"]
    assert content == "".join(tale.tokens[:9])


def test_an_engine_that_dies_before_each_token_is_given_up(serve, script):
    server = serve(script().at(1, "crash"))
    server.expects_crash = True
    with Native(server) as client:
        ack = client.begin("Tell me of rivers")
        client.until("end", continued_by=None, reason="interrupted")
        ends, _ = chain(client.frames)
        assert len(ends) == 3
        assert [reason for _, reason, _ in ends] == ["interrupted"] * 3
    assert server.answer_of(ack["conversation"])["content"] == ""


def test_an_engine_that_died_is_not_started_again_before_its_time(serve, script):
    """Going on waits for the back-off (250 ms at first): an engine that always dies must not be all that the machine does."""
    tale = script().gate(3)
    server = serve(tale)
    server.expects_crash = True
    with Native(server) as client:
        ack = client.begin("Tell me of rivers")
        client.until_seq(3)
        engine = server.engine_pid()
        killed = time.monotonic()
        os.kill(engine, signal.SIGKILL)
        wait_gone(engine)
        tale.open_all()
        client.until("start", continues=ack["generation"])
        client.until("tokens")
        assert time.monotonic() - killed >= 0.25
        client.until("end", reason="stop")


def test_what_goes_on_twice_keeps_its_settings(serve, script):
    """By itself after a crash, then by a person's wish."""
    tale = script().gate(3).gate(5)
    server = serve(tale)
    server.expects_crash = True
    with Native(server) as client:
        client.begin("Tell me of rivers", settings={"stop_tokens": [" and"]})
        client.until_seq(3)
        os.kill(server.engine_pid(), signal.SIGKILL)
        tale.open(3)
        generation = client.until("start")["generation"]
        client.until_seq(3)
        client.send(type="stop", generation=generation)
        client.until("end", generation=generation, reason="cancelled")
        tale.open_all()
        client.send(type="continue", generation=generation, client_msg_id="c-1")
        ack = client.until("ack")
        client.until("end", generation=ack["generation"], reason="stop")
    assert server.answer_of(ack["conversation"])["content"] == "The river runs past the old mill"


def test_a_stop_reaches_an_answer_whose_engine_is_being_started_again(serve, script):
    """By the id that the client knows, which is that of the generation that died."""
    tale = script(load_ms=3000).gate(3)
    server = serve(tale)
    server.expects_crash = True
    with Native(server) as client:
        ack = client.begin("Tell me of rivers")
        client.until_seq(3)
        os.kill(server.engine_pid(), signal.SIGKILL)
        client.until("start", continues=ack["generation"])
        client.send(type="stop", generation=ack["generation"])
        assert client.until("end", reason="cancelled").get("continued_by") is None
    assert server.answer_of(ack["conversation"])["content"] == "".join(tale.tokens[:2])


def test_ask_leaves_the_answer_as_it_is(new_server, script):
    tale = script().gate(3)
    server = new_server(tale).start()
    assert server.post("/api/config", {"after_crash": "ask"}).status_code == 200
    with Native(server) as client:
        ack = client.begin("Tell me of rivers")
        client.until_seq(3)
        server.kill()
    server.start()
    generation = server.answer_of(ack["conversation"])["generation"]
    assert (generation["id"], generation["ended"], generation["reason"]) == (ack["generation"], True, "interrupted")


def test_a_model_that_is_gone_is_named(new_server, script):
    tale = script().gate(3)
    server = new_server(None).start()
    with Native(server) as client:
        ack = client.begin("Tell me of rivers")
        client.until_seq(3)
        server.kill()
    tale.path.unlink()
    script(name="other")
    server.start()
    wait_until(lambda: server.answer_of(ack["conversation"])["generation"]["reason"])
    generation = server.answer_of(ack["conversation"])["generation"]
    assert generation["reason"] == "error" and "fake.json" in generation["error"]["text"]
    assert generation["error"]["code"] == "model" and generation["continues"] == ack["generation"]


def test_a_call_of_a_compatible_api_goes_on_too(serve, script):
    tale = script()
    tale.at(6, "crash", once=str(tale.folder / "crashed"))
    server = serve(tale)
    server.expects_crash = True
    answer = server.post("/v1/chat/completions", {"messages": [{"role": "user", "content": "Hi"}]})
    assert answer.status_code == 200 and (tale.folder / "crashed").exists()
    assert answer.json()["choices"][0]["message"]["content"] == tale.text


def test_an_answer_that_goes_on_keeps_its_settings(new_server, script):
    """What the first run was asked with is asked of the second one: the fake engine honours stop strings."""
    tale = script().gate(3)
    server = new_server(tale).start()
    with Native(server) as client:
        ack = client.begin("Tell me of rivers", settings={"stop_tokens": [" and"]})
        client.until_seq(3)
        server.kill()
    tale.open_all()
    server.start()
    with Native(server) as client:
        client.watch(ack["conversation"])
        client.until("snapshot", "end")
        while server.answer_of(ack["conversation"])["generation"]["reason"] != "stop":
            client.until("end")
    assert server.answer_of(ack["conversation"])["content"] == "The river runs past the old mill"


def test_a_place_in_the_queue_is_shown_while_another_model_works(serve, script):
    """[N5]: who waits for a model sees its place, and sees it change when one before it goes."""
    tale = script().gate(3)
    other = script(name="other")
    server = serve(tale, flags=["--loaded", "1"])
    with Native(server) as client:
        client.begin("first")
        client.until_seq(3)
        assert server.post("/api/config", {"model_path": str(other.path)}).status_code == 200
        second = client.begin("second")
        assert client.until("phase", generation=second["generation"])["position"] == 1
        third = client.begin("third")
        assert client.until("phase", generation=third["generation"])["position"] == 2
        client.send(type="stop", generation=second["generation"])
        assert client.until("phase", generation=third["generation"])["position"] == 1
        with Native(server) as reloaded:
            reloaded.watch(third["conversation"])
            assert reloaded.until("phase")["position"] == 1
        tale.open_all()
        client.until("end", generation=third["generation"], reason="stop")


# ---- Nobody watches ----


def test_an_answer_that_nobody_watches_goes_on(serve, script):
    tale = script().gate(5)
    server = serve(tale)
    with Native(server) as client:
        ack = client.begin("Tell me of rivers")
        client.until_seq(3)
    tale.open_all()
    with Native(server) as client:
        client.watch(ack["conversation"])
        client.until("end", "snapshot")
        while server.answer_of(ack["conversation"])["generation"]["reason"] is None:
            client.until("end")
    assert server.answer_of(ack["conversation"])["content"] == tale.text


def test_an_answer_that_nobody_watches_is_stopped_if_the_settings_say_so(serve, script):
    tale = script().gate(5)
    server = serve(tale)
    assert server.post("/api/config", {"detach_seconds": 0}).status_code == 200
    with Native(server) as watcher, Native(server) as client:
        ack = client.begin("Tell me of rivers")
        watcher.watch(ack["conversation"])
        watcher.until("snapshot")
        client.until_seq(5)
        client.close()
        watcher.send(type="ping")
        watcher.until("ping")
        assert server.answer_of(ack["conversation"])["generation"]["ended"] is False, "somebody watches"
        watcher.send(type="unwatch", conversation=ack["conversation"])
        watcher.until("conversation", conversation=ack["conversation"], running=False)
    assert server.answer_of(ack["conversation"])["generation"]["reason"] == "cancelled"


def test_a_conversation_may_have_a_rule_of_its_own(serve, script):
    tale = script().gate(5)
    server = serve(tale)
    assert server.post("/api/config", {"detach_seconds": 0}).status_code == 200
    with Native(server) as world, Native(server) as client:
        ack = client.begin("Tell me of rivers")
        client.until_seq(3)
        path = f"/api/conversation/{ack['conversation']}"
        assert server.post(path, {"detach_seconds": -1}).json()["detach_seconds"] == -1
        client.close()
        world.send(type="ping")
        world.until("ping")
        assert server.answer_of(ack["conversation"])["generation"]["ended"] is False
        assert server.post(path, {"detach_seconds": None}).status_code == 200
        world.until("conversation", conversation=ack["conversation"], running=False)
    assert server.answer_of(ack["conversation"])["generation"]["reason"] == "cancelled"
    assert json.dumps(server.conversation(ack["conversation"])).count("detach_seconds") <= 1
