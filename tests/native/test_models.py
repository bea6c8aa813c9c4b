"""[W21] [W22] [W32] Several models side by side: a worker each, loaded when somebody asks, unloaded when there is no room or nobody uses it."""

import os
import signal
import threading
import time

import httpx
import pytest

from harness.clients import Native
from harness.server import build_folder
from harness.wait import wait_until

# ThreadSanitizer keeps a shadow of several times what a process writes to.
measures_memory = pytest.mark.skipif(build_folder().name == "tsan", reason="what is taken is mostly the sanitizer's")


def call(server, model, text="Hi"):
    body = {"model": model, "messages": [{"role": "user", "content": text}]}
    return httpx.post(server.url + "/v1/chat/completions", json=body, timeout=60, trust_env=False)


def said(answer):
    assert answer.status_code == 200, answer.text
    return answer.json()["choices"][0]["message"]["content"]


def loaded(server):
    """Name → what the status says of it, the one that was used last first."""
    return {item["model_path"].rpartition("/")[2].removesuffix(".json"): item for item in server.status()["models"]}


@pytest.fixture
def begin_call():
    """A call that runs beside the test; its answer comes from what is returned."""
    threads = []

    def begin(server, model, text="Hi"):
        answers = []
        thread = threading.Thread(target=lambda: answers.append(call(server, model, text)))
        thread.start()
        threads.append(thread)

        def wait():
            thread.join(60)
            return answers[0]

        return wait

    yield begin
    for thread in threads:
        thread.join(60)


def test_two_models_answer_side_by_side_and_the_last_that_was_used_is_the_model(serve, script):
    one, two = script(["One"], name="one"), script(["Two"], name="two")
    server = serve(one)
    assert said(call(server, "one")) == "One" and said(call(server, "two")) == "Two"
    assert list(loaded(server)) == ["two", "one"]
    pids = {name: server.engine_pid() for name in ("two",)}
    assert said(call(server, "one")) == "One"
    status = server.status()
    assert status["state"] == "ready" and status["model_path"] == str(one.path) and status["loaded"]
    assert list(loaded(server)) == ["one", "two"] and status["engine_pid"] != pids["two"]
    assert server.stderr().count("model_load") == 2, "none was loaded again"
    assert str(two.path) in [item["model_path"] for item in status["models"]]


def test_an_answer_of_one_goes_on_while_another_is_loaded_and_answers(serve, script, begin_call):
    slow = script(name="slow").gate(3)
    script(["Quick"], name="quick")
    server = serve(slow)
    waiting = begin_call(server, "slow")
    wait_until(lambda: loaded(server).get("slow", {}).get("running") == 1)
    assert said(call(server, "quick")) == "Quick"
    assert loaded(server)["slow"]["running"] == 1
    slow.open_all()
    assert said(waiting()) == slow.text


def test_f9_one_that_dies_leaves_the_others_alone(serve, script, begin_call):
    """F9"""
    one, two = script(name="one").gate(3), script(name="two").gate(3)
    server = serve(one)
    server.expects_crash = True
    first = begin_call(server, "one")
    wait_until(lambda: loaded(server).get("one", {}).get("running") == 1)
    pid = server.engine_pid()
    second = begin_call(server, "two")
    wait_until(lambda: loaded(server).get("two", {}).get("running") == 1)
    assert server.engine_pid() != pid
    os.kill(pid, signal.SIGKILL)
    wait_until(lambda: "signal 9" in server.stderr())
    assert loaded(server)["two"]["running"] == 1 and loaded(server)["two"]["state"] == "ready"
    two.open_all()
    assert said(second()) == two.text
    one.open_all()
    assert said(first()) == one.text, "it goes on"
    assert server.stderr().count("model_load") == 2


def test_f10_one_that_hangs_is_killed_and_the_others_answer(serve, script, begin_call, tmp_path):
    """F10"""
    hanging = script(name="hanging").at(2, "hang", once=str(tmp_path / "hung"))
    script(["Fine"], name="fine")
    server = serve(hanging, flags=["--engine-hang-ms", "1500"])
    server.expects_crash = True
    waiting = begin_call(server, "hanging")
    wait_until(lambda: loaded(server).get("hanging", {}).get("running") == 1)
    assert said(call(server, "fine")) == "Fine"
    assert said(waiting()) == hanging.text, "it goes on"
    assert server.stderr().count("model_load") == 2


def test_a_second_request_during_a_load_waits_and_sees_its_progress(serve, script):
    tale = script(load_steps=4)
    tale.faults.append({"load": 3, "do": "gate", "gate": str(tale.gate_path(0))})
    tale.write()
    server = serve(tale)
    with Native(server) as first, Native(server) as second:
        first.begin("One")
        first.until("phase", phase="loading", progress=0.5)
        second.begin("Two")
        assert second.until("phase", phase="loading")["progress"] == 0.5
        tale.open(0)
        for client in (first, second):
            assert client.until("end")["reason"] == "stop"
    assert server.stderr().count("model_load") == 1


def test_the_one_used_longest_ago_makes_room(serve, script):
    """By their number."""
    for name in ("a", "b", "c"):
        script([name], name=name)
    server = serve(script(["d"], name="d"), flags=["--loaded", "2"])
    for name in ("a", "b", "a", "c"):
        assert said(call(server, name)) == name
    assert list(loaded(server)) == ["c", "a"], "b was used longest ago"
    assert said(call(server, "b")) == "b"
    assert list(loaded(server)) == ["b", "c"]


@measures_memory
def test_memory_makes_room_too(serve, script):
    """By what they were seen to take: 400 MB each, and there are 1,000."""
    for name in ("a", "b", "c"):
        script([name], name=name, memory_mb=400)
    server = serve(script(["d"], name="d"), flags=["--memory-mb", "1000"])
    for name in ("a", "b", "c"):
        assert said(call(server, name)) == name
        assert 400 < loaded(server)[name]["memory_usage_mb"] < 600
    wait_until(lambda: list(loaded(server)) == ["c", "b"])
    assert server.stderr().count("model_unload why=room") == 1
    assert said(call(server, "a")) == "a"
    assert list(loaded(server)) == ["a", "c"]


@measures_memory
def test_a_model_is_loaded_when_those_that_made_room_are_gone(serve, script):
    """The engine looks at what is free."""
    for name in ("a", "b"):
        script([name], name=name, memory_mb=400)
    server = serve(script(["c"], name="c"), flags=["--memory-mb", "600"])
    assert said(call(server, "a")) == "a"
    pid = server.engine_pid()
    assert said(call(server, "b")) == "b"
    assert said(call(server, "a")) == "a" and server.engine_pid() != pid
    log = server.stderr()
    exit_of_b = log.rindex("engine_exit")
    assert log.count("engine_spawn") == 3 and log.count("engine_exit") == 2
    assert log.index("engine_spawn", log.index("why=room file=b")) > exit_of_b


def test_one_that_has_work_is_waited_for(serve, script, begin_call):
    busy = script(name="busy").gate(3)
    script(["Other"], name="other")
    server = serve(busy, flags=["--loaded", "1"], log="debug")
    with Native(server) as client:
        client.begin("One")
        client.until_seq(3)
        waiting = begin_call(server, "other")
        wait_until(lambda: "[OPENAI]" in server.stderr())
        assert list(loaded(server)) == ["busy"]
        busy.open_all()
        assert client.until("end")["reason"] == "stop"
    assert said(waiting()) == "Other"
    assert list(loaded(server)) == ["other"]


def test_what_nobody_uses_is_unloaded_and_loaded_again_when_asked(serve, script):
    server = serve(script(["Hello"]), flags=["--unload-after", "1"])
    assert said(call(server, "fake")) == "Hello"
    wait_until(lambda: server.status()["state"] == "none")
    assert "model_unload why=idle" in server.stderr()
    assert said(call(server, "fake")) == "Hello"


def test_an_answer_that_takes_longer_than_that_is_use(serve, script, begin_call):
    tale = script().gate(3)
    server = serve(tale, flags=["--unload-after", "1"])
    waiting = begin_call(server, "fake")
    wait_until(lambda: loaded(server).get("fake", {}).get("running") == 1)
    time.sleep(2.5)  # it must not end by itself, however long this takes
    assert loaded(server)["fake"]["running"] == 1
    tale.open_all()
    assert said(waiting()) == tale.text


def pin(server, name, pinned=True):
    return server.post("/api/model/pin", {"model_path": name, "pinned": pinned})


def test_a_pinned_model_stays_and_after_a_restart_too(serve, script):
    for name in ("a", "b", "c"):
        script([name], name=name)
    server = serve(script(["d"], name="d"), flags=["--loaded", "2"])
    assert pin(server, "a").json()["pinned"] == [str(server.models / "a.json")]
    server.restart()
    for name in ("a", "b", "c"):
        assert said(call(server, name)) == name
    assert list(loaded(server)) == ["c", "a"] and loaded(server)["a"]["pinned"] and not loaded(server)["c"]["pinned"]
    server.flags += ["--unload-after", "1"]
    server.restart()
    for name in ("a", "b"):
        assert said(call(server, name)) == name
    wait_until(lambda: list(loaded(server)) == ["a"])
    assert pin(server, "a", False).json()["pinned"] == []
    wait_until(lambda: server.status()["state"] == "none")


def test_what_does_not_fit_beside_what_is_pinned_says_so(serve, script):
    """F14: what it needs, what there is, and what to do."""
    script(["a"], name="a")
    server = serve(script(["b"], name="b"), flags=["--loaded", "1"])
    pin(server, "a")
    assert said(call(server, "a")) == "a"
    answer = call(server, "b")
    text = answer.json()["error"]["message"]
    assert answer.status_code == 503 and "b.json needs about" in text and "unpin" in text
    answer = server.post("/api/model/load", {"model_path": "b"})
    assert answer.status_code == 503 and "unpin" in answer.json()["error"]
    assert list(loaded(server)) == ["a"] and said(call(server, "a")) == "a"


def test_f14_a_model_larger_than_the_memory_that_was_given_says_what_it_needs(serve, script):
    """F14"""
    tale = script(["a"], name="a")
    with open(tale.path, "ab") as file:
        file.write(b" " * (4 << 20))
    server = serve(script(["b"], name="b"), flags=["--memory-mb", "66"])
    answer = call(server, "a")
    text = answer.json()["error"]["message"]
    assert answer.status_code == 503 and "a.json needs about 69 MB, and there are 66 MB" in text and "--memory-mb" in text
    script(["p"], name="p-00001-of-00002")
    (server.models / "p-00002-of-00002.json").write_bytes(b" " * (8 << 20))
    text = call(server, "p-00001-of-00002").json()["error"]["message"]
    assert "needs about 74 MB" in text, "all parts count"
    assert said(call(server, "b")) == "b"


def test_unload_takes_one_or_all(serve, script):
    for name in ("a", "b", "c"):
        script([name], name=name)
    server = serve(script(["d"], name="d"))
    for name in ("a", "b", "c"):
        assert said(call(server, name)) == name
    status = server.post("/api/model/unload", {"model_path": "b"}).json()["status"]
    assert [item["model_path"] for item in status["models"]] == [str(server.models / f"{name}.json") for name in "ca"]
    status = server.post("/api/model/unload").json()["status"]
    assert status["state"] == "none" and status["models"] == [] and not status["loaded"]


def test_eight_pins_are_all(serve, script):
    for number in range(9):
        script(name=f"m{number}")
    server = serve(script())
    for number in range(8):
        assert pin(server, f"m{number}").status_code == 200
    answer = pin(server, "m8")
    assert answer.status_code == 429 and "unpin" in answer.json()["error"]
    assert server.post("/api/model/pin", {"pinned": True}).status_code == 400
