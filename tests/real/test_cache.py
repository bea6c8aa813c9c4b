"""The KV cache on disk, drafts and long conversations with the real model, as clients of the wire see them."""

import time
from pathlib import Path

import pytest

from harness.clients import Native
from harness.wait import wait_until

pytestmark = [pytest.mark.real, pytest.mark.timeout(300)]

DOCUMENT = "".join(f"Paragraph {i}: the river runs from hill {i * 7 % 31} to the sea, past mill {i}.\n" for i in range(30))


def configure(server, **more):
    answer = server.post("/api/config", {"sampler_type": "Greedy", "max_tokens": 12, **more})
    assert answer.status_code == 200, answer.text


def say(server, text, conversation=None):
    """Returns the conversation and the usage of the answer."""
    with Native(server) as client:
        ack, end = ask(client, text, conversation)
        phases = client.of_type("phase")
    return ack["conversation"], end["usage"], phases


def ask(client, text, conversation=None):
    if conversation:
        client.watch(conversation)
        client.until("snapshot")
    ack = client.begin(text, conversation=conversation)
    return ack, client.until("end", seconds=200)


def computed(usage):
    return usage["prompt_tokens"] - usage["cached_tokens"]


def files(server):
    return sorted((server.data / "kv").glob("*/*.kv"))


def cpu_ticks(pid):
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return int(fields[11]) + int(fields[12])


def wait_until_idle(server):
    """A draft says nothing when it is done: the engine has worked, and then nothing more for a second."""
    pid = server.engine_pid()
    begun, last, since = cpu_ticks(pid), 0, time.monotonic()
    until = since + 120
    while last < begun + 20 or time.monotonic() - since < 1:
        assert time.monotonic() < until, "the engine never came to an end"
        time.sleep(0.1)
        now = cpu_ticks(pid)
        since = time.monotonic() if now != last else since
        last = now


def test_a_turn_after_a_restart_pays_for_what_is_new(real):
    """[E31]: also after kill -9, a moment later, and after an unload. [W21] [E34]: what was chosen is said."""
    configure(real)
    name, usage, _ = say(real, DOCUMENT + "What about mill 5?")
    assert computed(usage) > 700
    status = real.status()
    memory = status["memory"]
    assert status["context_size"] == 8192 and memory["kv_bytes"] > 100_000_000 and memory["available_bytes"] > 0
    assert (memory["kv_type"], memory["flash_attention"], memory["gpu_layers"]) == ("f16", "on", 0)
    real.restart()
    _, usage, _ = say(real, "And mill 7?", name)
    assert computed(usage) < 40
    n_files = len(files(real))
    wait_until(lambda: len(files(real)) > n_files, why="nothing was saved while it was idle")
    real.kill()
    real.start()
    _, usage, _ = say(real, "And mill 9?", name)
    assert computed(usage) < 40
    assert real.post("/api/model/unload").json()["success"]
    _, usage, _ = say(real, "And mill 2?", name)
    assert computed(usage) < 40


def test_a_deleted_conversation_leaves_nothing_behind(real):
    """[E32] [W19]. And [E31] with part 5, kv_disk_mb 0."""
    configure(real)
    name, _, _ = say(real, DOCUMENT + "What about mill 5?")
    real.restart()
    assert files(real)
    assert real.http("DELETE", f"/api/conversations/{name}").json() == {"success": True}
    wait_until(lambda: not files(real), why="the states are still there")
    configure(real, kv_disk_mb=0)
    real.restart()
    say(real, DOCUMENT)
    real.restart()
    assert not files(real)


def test_what_is_typed_costs_one_token_when_it_is_sent(real):
    """[N16] [E33]"""
    configure(real)
    name, _, _ = say(real, "Hello.")
    with Native(real) as client:
        client.send(type="draft", conversation=name, text=DOCUMENT + "What about mill 5?")
        wait_until_idle(real)
        _, end = ask(client, DOCUMENT + "What about mill 5?", name)
    assert computed(end["usage"]) == 1


def test_a_long_conversation_goes_on_without_its_oldest_turns(real):
    """[E35]: and everybody is told."""
    configure(real, context_size=512, overflow="drop_oldest", system_prompt="You know rivers.")
    name, usage, _ = say(real, "The river is long. " * 40)
    assert "dropped_messages" not in usage
    for i in range(3):
        _, usage, phases = say(real, f"{i}: " + "The river is deep. " * 25, name)
    assert usage["dropped_messages"] >= 2 and usage["prompt_tokens"] <= 448
    told = [frame["dropped"] for frame in phases if frame["phase"] == "prefill"]
    assert set(told) == {usage["dropped_messages"]}
    assert real.answer_of(name)["generation"]["usage"]["dropped_messages"] == usage["dropped_messages"]
