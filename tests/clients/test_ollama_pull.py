"""[W102] [W103] model files come, get a second name, and go, with Ollama's own client."""

import os

import httpx
import ollama
import pytest

from harness.file_server import FileServer
from harness.wait import wait_until

MB = 1 << 20
NO_PROXY = {"no_proxy": "127.0.0.1", "NO_PROXY": "127.0.0.1"}
NAME = "hub.example/some-one/Tiny-GGUF"
FILE = "Tiny-Q4_K_M"


@pytest.fixture
def hub():
    """A hub with one file, a script of the fake engine; it holds the second half back until it is let go."""
    body = ('{"name": "pulled", "tokens": [" pulled"], "token_ms": 0, "note": "%s"}' % ("x" * MB)).encode()
    files = FileServer(body)
    made = FileServer(b"", plan=[f"moved {files.url}/blob"], headers={"X-Linked-ETag": f'"{files.sha256}"'})
    made.files = files
    yield made
    made.close()
    files.close()


@pytest.fixture
def server(new_server, hub):
    server = new_server(env=NO_PROXY).start()
    assert server.post("/api/config", {"hub_url": hub.url}).status_code == 200
    return server


def states(server):
    return [download["state"] for download in server.get("/api/downloads").json()["downloads"]]


def test_w102_a_pull_tells_how_far_it_is(server, hub):
    client = ollama.Client(server.url)
    parts = list(client.pull(NAME, stream=True))
    told = [part.status for part in parts]
    digest = f"sha256:{hub.files.sha256}"
    assert told[0] == "pulling manifest" and told[-3:] == ["verifying sha256 digest", "writing manifest", "success"]
    progress = [part for part in parts if part.digest]
    assert progress and {part.digest for part in progress} == {digest} and progress[-1].completed == progress[-1].total == len(hub.files.body)
    assert progress[0].status == f"pulling {hub.files.sha256[:12]}"
    assert hub.paths == [f"/some-one/Tiny-GGUF/resolve/main/{FILE}.json"]
    assert [model.model for model in client.list().models] == [FILE]
    for name in (NAME, NAME + ":latest", NAME + ":Q4_K_M", f"{NAME}/{FILE}.json", f"{NAME}:{FILE}.json", FILE):
        assert client.generate(name, "Hi").response == " pulled", name
        assert client.pull(name).status == "success"
    assert len(hub.paths) == 1


def test_w102_in_one_piece_and_by_the_files_name(server, hub):
    answer = httpx.post(f"{server.url}/api/pull", json={"name": f"https://{NAME}:other.json", "stream": False, "insecure": True}, timeout=60)
    assert answer.status_code == 200 and answer.json() == {"status": "success"}
    assert hub.paths == ["/some-one/Tiny-GGUF/resolve/main/other.json"] and (server.models / "other.json").exists()


def test_w102_one_that_leaves_stops_it_and_another_goes_on(server, hub):
    hub.files.plan = ["hold", "send"]
    with httpx.stream("POST", f"{server.url}/api/pull", json={"model": NAME}, timeout=60) as answer:
        assert answer.headers["Content-Type"] == "application/x-ndjson"
        assert hub.files.held.wait(60)
        assert states(server) == ["running"]
    wait_until(lambda: states(server) == ["paused"], why=lambda: states(server))
    hub.files.let_go.set()
    assert ollama.Client(server.url).pull(NAME).status == "success"
    assert (server.models / f"{FILE}.json").read_bytes() == hub.files.body


def test_w102_what_somebody_else_began_goes_on(server, hub):
    hub.files.plan = ["hold"]
    began = server.post("/api/downloads", {"repo": "some-one/Tiny-GGUF", "file": f"{FILE}.json"})
    assert began.status_code == 200 and hub.files.held.wait(60)
    with httpx.stream("POST", f"{server.url}/api/pull", json={"model": NAME}, timeout=60) as answer:
        assert "pulling manifest" in next(answer.iter_lines())
    hub.files.let_go.set()
    assert ollama.Client(server.url).pull(NAME).status == "success"


def test_w102_a_failure_is_a_line_or_a_status(server, hub):
    hub.plan = [404]
    client = ollama.Client(server.url)
    with pytest.raises(ollama.ResponseError) as caught:
        list(client.pull(NAME, stream=True))
    assert "404" in caught.value.error
    with pytest.raises(ollama.ResponseError) as caught:
        client.pull(NAME)
    assert caught.value.status_code == 500 and "404" in caught.value.error
    for name in ("llama3.2", "library/llama3.2:1b", "owner/model"):
        with pytest.raises(ollama.ResponseError) as caught:
            client.pull(name)
        assert caught.value.status_code == 400 and "HOST/OWNER/REPO" in caught.value.error, name
    for name in ("hub.example/../x:m.json", "hub.example/a/b/../m.json", "hub.example/a/b/c.gguf"):
        assert httpx.post(f"{server.url}/api/pull", json={"model": name}).status_code == 400, name
    assert httpx.post(f"{server.url}/api/pull", json={}).status_code == 400


def test_w103_copy_and_delete(serve, script):
    server = serve(script(name="first", tokens=[" one"]))
    client = ollama.Client(server.url)
    assert client.copy("first", "second:latest").status == "success"
    assert (server.models / "second.json").samefile(server.models / "first.json")
    assert client.generate("second", "Hi").response == " one"
    refused = [
        (lambda: client.copy("first", "second"), 409),
        (lambda: client.copy("none", "third"), 404),
        (lambda: client.copy("first", "../third"), 400),
        (lambda: client.copy("first", ".third"), 400),
        (lambda: client.delete("none"), 404),
        (lambda: client.delete("second"), 409),
    ]
    for wrong, status in refused:
        with pytest.raises(ollama.ResponseError) as caught:
            wrong()
        assert caught.value.status_code == status and caught.value.error
    client.generate("second", "", keep_alive=0)
    wait_until(lambda: client.ps().models == [], why="the model goes")
    assert client.delete("second").status == "success"
    assert sorted(os.listdir(server.models)) == ["first.json"]
