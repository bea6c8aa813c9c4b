"""[W66] GET /api/models and what can be done with a model of it."""

import json

import httpx

from harness.clients import Native
from harness.script import corrupt_model


def models(server):
    """Name → what the list says of it."""
    answer = server.get("/api/models")
    assert answer.status_code == 200, answer.text
    return {model["name"]: model for model in answer.json()["models"]}


def remove(server, path):
    return httpx.request("DELETE", server.url + "/api/models", json={"path": str(path)}, timeout=60, trust_env=False)


def test_each_file_is_told_with_what_it_says_about_itself_and_nothing_is_loaded(serve, script):
    one, two = script(["One"], name="one"), script(["Two"], name="two", context_size=2048)
    corrupt_model(one.folder)
    server = serve(one)
    listed = models(server)
    assert list(listed) == ["corrupt", "one", "two"]
    assert listed["one"]["architecture"] == "fake" and listed["two"]["context_length"] == 2048
    assert listed["one"]["path"] == str(one.path) and listed["one"]["size"] == one.path.stat().st_size
    assert listed["one"]["default"] and not listed["two"]["default"]
    assert listed["corrupt"]["architecture"] is None and "corrupt" in listed["corrupt"]["path"] and listed["corrupt"]["error"]
    memory = listed["two"]["memory"]
    assert memory["context_size"] == 2048 and memory["needs"] > 0 and memory["fits"] and memory["has"] > memory["needs"]
    assert server.get("/api/models").json()["folders"][0] == str(one.folder)
    assert "model_load" not in server.stderr()
    assert two.path.exists()


def test_a_file_that_changes_is_asked_again(serve, script):
    told = script(name="one", context_size=2048)
    server = serve(told)
    assert models(server)["one"]["context_length"] == 2048
    told.fields["context_size"] = 4096
    told.write()
    assert models(server)["one"]["context_length"] == 4096


def test_load_pin_default_unload_by_path(serve, script):
    one, two = script(["One"], name="one"), script(["Two"], name="two")
    server = serve(one)
    assert server.post("/api/models/load", {"path": str(two.path)}).status_code == 200
    assert models(server)["two"]["loaded"] and models(server)["two"]["state"] == "ready" and models(server)["two"]["default"]
    assert server.post("/api/models/pin", {"path": str(two.path)}).json()["pinned"] == [str(two.path)]
    assert server.post("/api/models/default", {"path": str(one.path)}).json() == {"success": True, "default": str(one.path)}
    listed = models(server)
    assert listed["two"]["pinned"] and listed["one"]["default"] and not listed["two"]["default"]
    assert server.post("/api/models/unload", {"path": str(two.path)}).status_code == 200
    assert not models(server)["two"]["loaded"]
    server.restart()
    assert models(server)["two"]["pinned"]


def test_one_that_is_loaded_is_not_deleted_and_one_that_is_not_goes_with_its_pin_and_choice(serve, script):
    script(["One"], name="one")
    two = script(["Two"], name="two")
    server = serve()
    server.post("/api/models/load", {"path": str(two.path)})
    server.post("/api/models/pin", {"path": str(two.path)})
    refused = remove(server, two.path)
    assert refused.status_code == 409 and "unload it first" in refused.json()["error"] and two.path.exists()
    server.post("/api/models/unload", {"path": str(two.path)})
    with Native(server) as client:
        assert remove(server, two.path).json() == {"success": True}
        client.until("model")
    assert not two.path.exists() and list(models(server)) == ["one"] and models(server)["one"]["default"]
    assert server.get("/api/config").json()["model_path"] is None
    assert remove(server, two.path).status_code == 404


def test_what_is_no_model_of_the_folders_is_not_deleted(serve, script, tmp_path):
    server = serve(script(name="one"))
    outside = tmp_path / "outside.json"
    outside.write_text("{}")
    note = tmp_path / "models" / "note.txt"
    note.write_text("a note")
    assert remove(server, outside).status_code == 400 and outside.exists()
    assert remove(server, note).status_code == 400 and note.exists()
    missing = httpx.request("DELETE", server.url + "/api/models", json={}, timeout=60, trust_env=False)
    assert missing.status_code == 400 and '"path"' in missing.json()["error"]


def test_a_model_in_parts_is_one_model_and_goes_as_one(serve, script):
    parts = [script(name=f"big-0000{part}-of-00003") for part in (1, 2, 3)]
    server = serve(script(name="one"))
    listed = models(server)
    assert list(listed) == ["big-00001-of-00003", "one"]
    assert listed["big-00001-of-00003"]["size"] == sum(part.path.stat().st_size for part in parts)
    assert remove(server, parts[0].path).status_code == 200
    assert not any(part.path.exists() for part in parts) and list(models(server)) == ["one"]


def test_a_real_head_tells_weights_and_context(real):
    listed = models(real)
    (model,) = listed.values()
    memory = model["memory"]
    assert model["architecture"] == "llama" and model["parameters"] > 130e6 and "Q4_1" in model["file_type"]
    assert memory["weights"] > 80e6 and memory["kv"] == 23040 * memory["context_size"]
    assert memory["needs"] > memory["weights"] + memory["kv"] and json.dumps(model)
