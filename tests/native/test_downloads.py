"""[W71] [W72] [N34] Model files that are fetched from servers that misbehave."""

import json
import os

import pytest

from harness.clients import Native
from harness.file_server import FileServer
from harness.wait import wait_until

MB = 1 << 20
NO_PROXY = {"no_proxy": "127.0.0.1", "NO_PROXY": "127.0.0.1"}


def model_bytes(name="fetched", size=MB // 2):
    """A script of the fake engine, as large as a test wants it."""
    head = json.dumps({"name": name, "tokens": ["Fetched"], "token_ms": 0})
    return (head[:-1] + ', "note": "' + "x" * (size - len(head) - 13) + '"}').encode()


@pytest.fixture
def file_server():
    made = []

    def make(*arguments, **fields):
        made.append(FileServer(*arguments, **fields))
        return made[-1]

    yield make
    for one in made:
        one.close()


@pytest.fixture
def fetching(new_server):
    """A server that is started; a proxy that the developer uses is none of its business."""
    return new_server(env=NO_PROXY).start()


def begin(server, url, **fields):
    answer = server.post("/api/downloads", {"url": url, **fields})
    assert answer.status_code == 200, answer.text
    return answer.json()["id"]


def listed(server):
    return {download["id"]: download for download in server.get("/api/downloads").json()["downloads"]}


def wait_state(server, download, *states):
    found = {}

    def is_there():
        found.update(listed(server)[download])
        return found["state"] in states

    wait_until(is_there, why=lambda: f"{states} is not {found}\n{server.stderr()[-2000:]}")
    return found


def act(server, download, what):
    return server.post(f"/api/downloads/{download}/{what}", {})


def part(server, name="m.json"):
    return server.models / (name + ".download")


def test_a_file_comes_whole_is_checked_and_can_be_loaded(fetching, file_server):
    source = file_server(model_bytes())
    with Native(fetching) as client:
        download = begin(fetching, source.url + "/folder/m%2Ejson?secret=1", sha256=source.sha256.upper())
        done = wait_state(fetching, download, "done")
        states = [frame["downloads"][0]["state"] for frame in client.of_type("downloads")]
        last = client.until("downloads")
        while last["downloads"][0]["state"] != "done":
            last = client.until("downloads")
    assert states == [] or states[-1] != "done"
    assert done["file"] == "m.json" and done["done"] == done["total"] == len(source.body) and done["error"] is None
    assert done["url"] == source.url + "/folder/m%2Ejson", "what opens the door is nobody else's business"
    assert (fetching.models / "m.json").read_bytes() == source.body and not part(fetching).exists()
    assert fetching.post("/api/models/load", {"path": str(fetching.models / "m.json")}).status_code == 200
    assert act(fetching, download, "pause").status_code == 409
    assert act(fetching, download, "cancel").status_code == 200 and listed(fetching) == {}
    assert (fetching.models / "m.json").exists()
    assert source.ranges() == [None]


def test_a_cut_connection_goes_on_where_it_was(fetching, file_server):
    source = file_server(model_bytes(), plan=["cut", "cut", 503, "send"], cut_after=150_000)
    download = begin(fetching, source.url + "/m.json", sha256=source.sha256)
    wait_state(fetching, download, "done")
    assert (fetching.models / "m.json").read_bytes() == source.body
    assert source.ranges() == [None, "bytes=150000-", "bytes=300000-", "bytes=300000-"]
    assert source.asked[1]["if-range"] == '"one"'


def test_what_cannot_be_gone_on_with_begins_anew(fetching, file_server):
    """A server that ignores Range, one that gives nothing to know the file by, and one whose mark may stand for two files."""
    for name, etag in (("tag", '"one"'), ("none", None), ("weak", 'W/"weak"')):
        source = file_server(model_bytes(), plan=["cut", "ignore range"], etag=etag)
        download = begin(fetching, f"{source.url}/{name}.json", sha256=source.sha256)
        wait_state(fetching, download, "done")
        assert (fetching.models / f"{name}.json").read_bytes() == source.body
        assert source.ranges() == [None, f"bytes={len(source.body) // 2}-" if name == "tag" else None]


def test_a_file_that_changed_meanwhile_is_never_mixed(fetching, file_server):
    source = file_server(model_bytes("old"), plan=["hold", "send"])
    download = begin(fetching, source.url + "/m.json")
    assert source.held.wait(30)
    act(fetching, download, "pause")
    wait_state(fetching, download, "paused")
    source.body, source.etag = model_bytes("new"), '"two"'
    source.let_go.set()
    act(fetching, download, "resume")
    wait_state(fetching, download, "done")
    assert (fetching.models / "m.json").read_bytes() == source.body


def test_a_server_that_mixes_them_itself_is_seen(fetching, file_server):
    """It answers with a part of another file than the one that was begun."""
    source = file_server(model_bytes("old"), plan=["cut", "send"])
    source.first_byte = lambda request: int((request.headers.get("Range") or "=0-").split("=")[1].split("-")[0])
    answer = source.answer

    def change(request, step):
        answer(request, step)
        source.body, source.etag = model_bytes("new"), '"two"'

    source.answer = change
    download = begin(fetching, source.url + "/m.json")
    wait_state(fetching, download, "done")
    assert (fetching.models / "m.json").read_bytes() == model_bytes("new")
    assert source.ranges()[1] is not None and source.ranges()[2] is None


def test_a_wrong_length_is_no_whole_file(fetching, file_server):
    source = file_server(model_bytes(), plan=["short"])
    download = begin(fetching, source.url + "/m.json")
    failing = wait_state(fetching, download, "retrying")
    assert failing["error"] and not (fetching.models / "m.json").exists()
    assert act(fetching, download, "cancel").status_code == 200
    wait_until(lambda: listed(fetching) == {} and not part(fetching).exists())


def test_a_wrong_hash_is_thrown_away(fetching, file_server):
    source = file_server(model_bytes())
    download = begin(fetching, source.url + "/m.json", sha256="0" * 64)
    failed = wait_state(fetching, download, "failed")
    assert source.sha256 in failed["error"] and failed["done"] == 0
    assert os.listdir(fetching.models) == []


def test_a_refusal_is_told_at_once(fetching, file_server):
    for status, text in [(404, "no such file"), (401, "everybody"), (403, "everybody"), (410, "no such file")]:
        source = file_server(model_bytes(), plan=[status])
        failed = wait_state(fetching, begin(fetching, f"{source.url}/m{status}.json"), "failed")
        assert str(status) in failed["error"] and text in failed["error"] and len(source.asked) == 1


def test_a_server_in_trouble_is_asked_again(fetching, file_server):
    source = file_server(model_bytes(), plan=[500, 429, "send"])
    download = begin(fetching, source.url + "/m.json")
    wait_state(fetching, download, "done")
    assert len(source.asked) == 3


def test_a_body_of_no_known_length_is_refused(fetching, file_server):
    for step in ("endless", "no length"):
        source = file_server(model_bytes(), plan=[step])
        failed = wait_state(fetching, begin(fetching, f"{source.url}/{step[:2]}.json"), "failed")
        assert "how large" in failed["error"]


def test_redirects_are_followed_but_not_in_circles_and_not_to_files(fetching, file_server):
    target = file_server(model_bytes())
    source = file_server(b"", plan=["moved " + target.url + "/elsewhere"])
    wait_state(fetching, begin(fetching, source.url + "/m.json"), "done")
    source.plan = ["moved " + source.url + "/again"]
    failed = wait_state(fetching, begin(fetching, source.url + "/circle.json"), "failed")
    assert "circles" in failed["error"]
    for other in ("file:///etc/passwd", "ftp://127.0.0.1/x", "gopher://127.0.0.1/x"):
        source.plan = ["moved " + other]
        failed = wait_state(fetching, begin(fetching, source.url + "/f.json"), "failed")
        assert "http" in failed["error"], other
        act(fetching, failed["id"], "cancel")
    assert sorted(os.listdir(fetching.models)) == ["circle.json.download", "m.json"]


REFUSED = [
    ({"url": "file:///etc/passwd"}, "http"),
    ({"url": "ftp://host/m.json"}, "http"),
    ({"url": "http:///m.json"}, "host"),
    ({"url": "http://name:password@host/m.json"}, "password"),
    ({"url": "http://host/a b.json"}, "spaces"),
    ({"url": "http://host/" + "x" * 5000 + ".json"}, "bytes"),
    ({"url": "http://host/m.bin"}, ".json"),
    ({"url": "http://host/"}, "file"),
    ({"url": "http://host/m.json", "file": "../.json"}, "point"),
    ({"url": "http://host/%2e%2e%2f.json"}, "point"),
    ({"url": "http://host/m.json", "sha256": "abc"}, "sha256"),
    ({"url": 7}, "url"),
    ({}, "url"),
    ({"url": "http://host/m.json", "repo": "a/b"}, "either"),
    ({"repo": "a/b", "file": "m.json"}, "hub_url"),
]


def test_what_cannot_be_is_refused_before_it_begins(fetching):
    for fields, text in REFUSED:
        answer = fetching.post("/api/downloads", fields)
        assert answer.status_code == 400 and text in answer.json()["error"], (fields, answer.text)
    assert listed(fetching) == {} and os.listdir(fetching.models) == []


def test_a_name_that_is_taken_is_refused(fetching, file_server, script):
    script(name="there")
    source = file_server(model_bytes(), plan=["hold"])
    answer = fetching.post("/api/downloads", {"url": source.url + "/there.json"})
    assert answer.status_code == 409 and "name" in answer.json()["error"]
    begin(fetching, source.url + "/m.json")
    assert fetching.post("/api/downloads", {"url": source.url + "/x", "file": "m.json"}).status_code == 409


def test_what_is_no_model_does_not_get_its_name(fetching, file_server):
    source = file_server(b"<html>sign in first</html>")
    failed = wait_state(fetching, begin(fetching, source.url + "/m.json"), "failed")
    assert failed["error"] and failed["done"] == 0
    assert os.listdir(fetching.models) == []


def test_pause_and_resume_go_on_where_it_was_and_cancel_removes_it(fetching, file_server):
    source = file_server(model_bytes(), plan=["hold", "send"], cut_after=1 << 18)
    download = begin(fetching, source.url + "/m.json")
    assert source.held.wait(30)
    assert act(fetching, download, "pause").status_code == 200
    paused = wait_state(fetching, download, "paused")
    assert 0 < paused["done"] <= 1 << 18 and part(fetching).stat().st_size == paused["done"]
    assert act(fetching, download, "pause").status_code == 200, "again is nothing"
    assert act(fetching, download, "resume").status_code == 200
    wait_state(fetching, download, "done")
    assert source.ranges()[-1] == f"bytes={paused['done']}-"
    assert (fetching.models / "m.json").read_bytes() == source.body
    source.plan = ["hold"]
    source.held.clear()
    second = begin(fetching, source.url + "/other.json")
    assert source.held.wait(30)
    act(fetching, second, "cancel")
    wait_until(lambda: second not in listed(fetching))
    assert not part(fetching, "other.json").exists()
    assert act(fetching, second, "resume").status_code == 404
    assert fetching.post("/api/downloads/x/pause", {}).status_code == 404


def test_they_wait_for_each_other(fetching, file_server):
    source = file_server(model_bytes(), plan=["hold", "send"])
    first, second = begin(fetching, source.url + "/a.json"), begin(fetching, source.url + "/b.json")
    assert source.held.wait(30)
    assert listed(fetching)[second]["state"] == "queued"
    act(fetching, second, "pause")
    source.let_go.set()
    wait_state(fetching, first, "done")
    assert listed(fetching)[second]["state"] == "paused"
    act(fetching, second, "resume")
    wait_state(fetching, second, "done")


def test_it_goes_on_after_a_restart_and_after_a_crash(new_server, model, file_server):
    fetching = new_server(engine="llama", env=NO_PROXY).start()
    source = file_server(model.read_bytes(), plan=["hold", "hold", "send"], cut_after=20 * MB)
    download = begin(fetching, source.url + "/m.gguf", sha256=source.sha256)
    assert source.held.wait(30)
    wait_until(lambda: listed(fetching)[download]["done"] >= 20 * MB - (1 << 18))
    fetching.stop()
    n_there = part(fetching, "m.gguf").stat().st_size
    source.cut_after = 38 * MB
    source.held.clear()
    source.let_go.set()
    fetching.start()
    assert source.held.wait(30)
    wait_until(lambda: listed(fetching)[download]["done"] >= 37 * MB)
    fetching.kill()
    source.let_go.set()
    fetching.start()
    wait_state(fetching, download, "done")
    assert (fetching.models / "m.gguf").read_bytes() == source.body
    offsets = [int(text.removeprefix("bytes=")[:-1]) if text else 0 for text in source.ranges()]
    assert offsets[0] == 0 and offsets[1] == n_there, "a stop loses nothing"
    assert n_there <= offsets[2] <= 38 * MB, "a crash loses what was not on the disk for certain"


def test_a_paused_one_stays_paused_over_a_restart(fetching, file_server):
    source = file_server(model_bytes(), plan=["hold"])
    download = begin(fetching, source.url + "/m.json")
    assert source.held.wait(30)
    act(fetching, download, "pause")
    wait_state(fetching, download, "paused")
    fetching.restart()
    assert listed(fetching)[download]["state"] == "paused" and len(source.asked) == 1


def test_a_hub_is_asked_by_repository_and_its_hash_counts(fetching, file_server):
    files = file_server(model_bytes())
    hub = file_server(b"", plan=["moved " + files.url + "/blob"], headers={"X-Linked-ETag": f'"{files.sha256}"'})
    assert fetching.post("/api/config", {"hub_url": hub.url + "/"}).json()["hub_url"] == hub.url + "/"
    answer = fetching.post("/api/downloads", {"repo": "some-one/Model.1", "file": "sub folder/m.json", "revision": "v1"})
    done = wait_state(fetching, answer.json()["id"], "done")
    assert hub.paths == ["/some-one/Model.1/resolve/v1/sub%20folder/m.json"] and done["sha256"] == files.sha256
    assert done["file"] == "m.json"
    hub.headers = {"X-Linked-ETag": '"' + "0" * 64 + '"'}
    answer = fetching.post("/api/downloads", {"repo": "a/b", "file": "n.json"})
    assert "SHA-256" in wait_state(fetching, answer.json()["id"], "failed")["error"]
    for repo, file in (("../x", "m2.json"), ("a/b", "../m2.json"), ("a?b", "m2.json"), ("", "m2.json"), ("/a", "m2.json")):
        assert fetching.post("/api/downloads", {"repo": repo, "file": file}).status_code == 400


def test_a_file_that_the_disk_has_no_room_for_is_not_begun(fetching, file_server):
    source = file_server(model_bytes(), plan=["huge"])
    failed = wait_state(fetching, begin(fetching, source.url + "/m.json"), "failed")
    assert "MB" in failed["error"] and "room" in failed["error"] and failed["done"] == 0


def test_a_real_model_must_begin_as_one(model, new_server, file_server):
    server = new_server(engine="llama", env=NO_PROXY).start()
    page = file_server(b"<html>" + b"x" * MB)
    failed = wait_state(server, begin(server, page.url + "/page.gguf"), "failed")
    assert "GGUF" in failed["error"]
    cut = file_server(model.read_bytes()[: 3 * MB])
    failed = wait_state(server, begin(server, cut.url + "/cut.gguf"), "failed")
    assert failed["error"] and os.listdir(server.models) == []
    whole = file_server(model.read_bytes())
    wait_state(server, begin(server, whole.url + "/whole.gguf", sha256=whole.sha256), "done")
    assert [entry["name"] for entry in server.get("/api/models").json()["models"]] == ["whole"]


def test_w71_the_token_of_the_hub_goes_to_the_hub_alone(new_server, file_server):
    secret = "hf_" + "s3cret" * 4
    files = file_server(model_bytes())
    hub = file_server(model_bytes("own"), plan=["moved " + files.url + "/blob"])
    server = new_server(env={**NO_PROXY, "RUNNEL_HUB_TOKEN": secret}, log="trace").start()
    server.post("/api/config", {"hub_url": hub.url})
    elsewhere = server.post("/api/downloads", {"repo": "a/b", "file": "m.json"}).json()["id"]
    wait_state(server, elsewhere, "done")
    wait_state(server, begin(server, files.url + "/other.json"), "done")
    assert len(files.asked) == 2 and not any("authorization" in headers for headers in files.asked)
    hub.plan = ["moved " + hub.url + "/blob", "send"]
    within = server.post("/api/downloads", {"repo": "a/b", "file": "own.json"}).json()["id"]
    wait_state(server, within, "done")
    assert [headers.get("authorization") for headers in hub.asked] == [f"Bearer {secret}"] * 3
    said = server.stderr() + server.get("/api/config").text + server.get("/api/downloads").text + server.get("/api/logs").text
    assert secret not in said
    assert not any(secret.encode() in path.read_bytes() for path in server.data.rglob("*") if path.is_file())


def test_w71_a_hub_that_knows_nobody_says_what_to_do(fetching, file_server):
    hub = file_server(b"", plan=[401])
    fetching.post("/api/config", {"hub_url": hub.url})
    download = fetching.post("/api/downloads", {"repo": "a/b", "file": "m.json"}).json()["id"]
    assert "RUNNEL_HUB_TOKEN" in wait_state(fetching, download, "failed")["error"]
    assert "authorization" not in hub.asked[0]
