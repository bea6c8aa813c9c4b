"""[W85] to [W87] Ollama's API on a port of its own, with Ollama's own client."""

import asyncio
import json
from datetime import UTC, datetime

import httpx
import ollama
import pytest

from clients.conftest import free_port
from harness.script import WEATHER
from harness.wait import wait_until

HELLO = [{"role": "user", "content": "Hi there"}]
TOOL = {"type": "function", "function": {"name": "get_weather", "description": "", "parameters": WEATHER}}


@pytest.fixture
def door_of(serve):
    """Starts a server that has the port; returns its address."""

    def make(script):
        port = free_port()
        serve(script, flags=["--ollama", port])
        return f"http://127.0.0.1:{port}"

    return make


@pytest.fixture
def words(script):
    return script(tokens=[" one", " two", " three"], prompt_tokens=5)


@pytest.fixture
def kinds(script):
    """Thoughts, text, a call."""
    return script(tokens=[{"reasoning": "Hm."}, "I", " ask", {"tool": {"index": 0, "id": "c", "name": "get_weather"}}, {"tool": {"index": 0, "arguments": '{"city": "Bern"}'}}])


def test_w85_a_chat(door_of, words):
    answer = ollama.Client(door_of(words)).chat("default", HELLO, options={"temperature": 0, "num_ctx": 4096})
    assert answer.message.content == " one two three" and answer.done and answer.done_reason == "stop"
    assert (answer.prompt_eval_count, answer.eval_count) == (5, 3) and answer.total_duration >= answer.eval_duration > 0
    assert answer.created_at.endswith("Z")


def test_w85_a_stream_of_lines(door_of, words):
    url = door_of(words)
    parts = list(ollama.Client(url).chat("default:latest", HELLO, stream=True, options={"num_predict": 2}))
    assert [part.message.content for part in parts] == [" one", " two", ""]
    assert [part.done for part in parts] == [False, False, True] and parts[-1].done_reason == "length"
    raw = httpx.post(f"{url}/api/chat", content=json.dumps({"model": "default", "messages": HELLO}))
    assert raw.status_code == 200, raw.text
    assert raw.headers["Content-Type"] == "application/x-ndjson" and len(raw.text.splitlines()) == 4


def test_w85_thoughts_and_calls(door_of, kinds):
    client = ollama.Client(door_of(kinds))
    answer = client.chat("default", HELLO, tools=[TOOL], think=True)
    assert answer.message.thinking == "Hm." and answer.message.content == "I ask"
    (call,) = answer.message.tool_calls
    assert call.function.name == "get_weather" and call.function.arguments == {"city": "Bern"}
    parts = list(client.chat("default", HELLO, tools=[TOOL], think=True, stream=True))
    assert parts[0].message.thinking == "Hm." and parts[-2].message.tool_calls[0].function.arguments == {"city": "Bern"}


def test_w85_answers_of_tools_reach_the_prompt(door_of, script):
    called = {"role": "assistant", "content": "", "tool_calls": [{"function": {"name": "get_weather", "arguments": {"city": "Bern"}}}]}
    result = {"role": "tool", "tool_name": "get_weather", "content": "rain in Bern"}
    answer = ollama.Client(door_of(script(echo=True))).chat("default", HELLO + [called, result])
    assert answer.message.content == "rain in Bern" and answer.prompt_eval_count == 5


def test_w86_generate(door_of, script):
    client = ollama.Client(door_of(script(echo=True)))
    answer = client.generate("default", "Once upon a time", system="Be short")
    assert answer.response == "Once upon a time" and answer.prompt_eval_count == 6
    assert client.generate("default", "Once", raw=True).response == "Once"
    assert "".join(part.response for part in client.generate("default", "a b c", stream=True)) == "a b c"


def test_w86_an_empty_one_loads_and_unloads(door_of, words):
    client = ollama.Client(door_of(words))
    assert client.ps().models == []
    assert client.generate("default").done_reason == "load"
    (model,) = client.ps().models
    assert model.context_length == 8192
    assert client.generate("default", keep_alive=0).done_reason == "unload"
    assert client.ps().models == []


def test_w87_what_there_is(door_of, words):
    url = door_of(words)
    client = ollama.Client(url)
    (model,) = client.list().models
    assert model.size > 0 and len(model.digest) == 64 and model.modified_at.year > 2000
    shown = client.show(model.model)
    assert shown.modelinfo["general.architecture"] == "fake" and shown.modelinfo["fake.context_length"] == 8192
    assert httpx.get(f"{url}/api/version").json()["version"] and httpx.head(url).status_code == 200
    assert httpx.get(url).text == "Ollama is running"


def test_w85_async(door_of, words):
    async def ask(url):
        return [part.message.content async for part in await ollama.AsyncClient(url).chat("default", HELLO, stream=True)]

    assert asyncio.run(ask(door_of(words))) == [" one", " two", " three", ""]


def test_w85_errors_are_a_text(door_of, words):
    url = door_of(words)
    client = ollama.Client(url)
    for wrong, status in [
        (lambda: client.chat("none", HELLO), 404),
        (lambda: list(client.chat("none", HELLO, stream=True)), 404),
        (lambda: client.show("none"), 404),
        (lambda: client.chat("default", HELLO, options={"temperature": "hot"}), 400),
        (lambda: client.generate("default", "a", suffix="b"), 400),
    ]:
        with pytest.raises(ollama.ResponseError) as caught:
            wrong()
        assert caught.value.status_code == status and isinstance(caught.value.error, str) and caught.value.error


def test_w85_the_doors_are_the_same(door_of, words):
    url = door_of(words)
    body = {"model": "default", "messages": HELLO}
    assert httpx.post(f"{url}/api/chat", json=body, headers={"Origin": "http://evil.example"}).status_code == 403
    assert httpx.post(f"{url}/api/chat", json=body, headers={"Host": "evil.example"}).status_code == 421


def test_w85_the_main_port_keeps_its_own_chat(plain):
    assert plain.post("/api/chat", {"model": "default", "messages": HELLO}).status_code == 400
    assert plain.post("/api/chat", {"message": "Hi"}).json()["message"]["content"] == " one two three"
    assert plain.post("/api/generate", {"model": "default", "prompt": "Hi", "stream": False}).json()["response"] == " one two three"


def expires(server):
    return {model["name"]: (datetime.fromisoformat(model["expires_at"].replace("Z", "+00:00")) - datetime.now(UTC)).total_seconds() for model in server.get("/api/ps").json()["models"]}


def test_w104_keep_alive_says_how_long_a_model_stays(plain):
    client = ollama.Client(plain.url)
    name = client.generate("default", "Hi").model
    assert 1700 < expires(plain)[name] <= 1800, "the server's own time"
    client.generate("default", "Hi", keep_alive="1h30m")
    assert 5300 < expires(plain)[name] <= 5400
    client.embed("default", "Hi", keep_alive=600)
    assert 500 < expires(plain)[name] <= 600
    client.generate("default", "", keep_alive=-1)
    assert expires(plain)[name] > 1e9
    for wrong in ("soon", "5", "5m later", "m"):
        with pytest.raises(ollama.ResponseError) as caught:
            client.generate("default", "Hi", keep_alive=wrong)
        assert caught.value.status_code == 400 and "keep_alive" in caught.value.error, wrong
    assert client.generate("default", "Hi", keep_alive=0).response == " one two three"
    wait_until(lambda: client.ps().models == [], why="it goes when its answer is made")
    assert client.generate("default", "Hi").response and 1700 < expires(plain)[name] <= 1800
