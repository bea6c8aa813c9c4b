"""What a conversation has of its own, the trash, views and folders. [N27] [W50] [W51] [W53] [W55]"""

import pytest

from harness.clients import Native


def ask(client, text, conversation=None, **fields):
    ack = client.begin(text, conversation, **fields)
    client.until("end", generation=ack["generation"])
    return ack["conversation"]


def names(server, query=""):
    return [row["name"] for row in server.get(f"/api/conversations{query}").json()["conversations"]]


def row_of(server, name, query="?view=all"):
    return next(row for row in server.get(f"/api/conversations{query}").json()["conversations"] if row["name"] == name)


def change(server, name, **fields):
    return server.post(f"/api/conversation/{name}", fields)


def test_w50_a_change_changes_what_it_names(serve, script):
    server = serve(script(tokens=["a"]))
    with Native(server) as client:
        name = ask(client, "old words")
        assert row_of(server, name)["title_by"] == "text"
        whole = change(server, name, title="new words", pinned=True, folder="work").json()
        assert client.until("conversation", event="renamed")["pinned"] is True
        assert (whole["title"], whole["title_by"], whole["folder"]) == ("new words", "person", "work")
        assert (whole["archived"], whole["deleted"], whole["settings"], whole["model"]) == (False, None, None, None)
        settings = {"temperature": 0.2, "system_prompt": "Be short."}
        assert change(server, name, settings=settings).json()["settings"] == settings
        client.until("conversation", event="changed")
        assert change(server, name, settings={"temperature": None}).json()["settings"] == {"system_prompt": "Be short."}
        assert change(server, name, detach_seconds=5).json()["detach_seconds"] == 5
        assert change(server, name, archived=True, folder=None).json()["folder"] is None
    assert names(server, "?q=old") == [] and names(server, "?q=new&view=all") == [name]
    assert names(server) == [] and names(server, "?view=archived") == [name]
    server.restart()
    found = server.conversation(name)
    assert found["settings"] == {"system_prompt": "Be short."} and found["title"] == "new words" and found["pinned"]


WRONG = [
    {},
    {"title": ""},
    {"title": " \n"},
    {"title": "x" * 1001},
    {"title": 7},
    {"pinned": None},
    {"archived": 1},
    {"folder": "x" * 201},
    {"settings": {"colour": 1}},
    {"settings": {"temperature": 3}},
    {"settings": {"context_size": 512}},
    {"settings": 1},
    {"current": "x"},
    {"detach_seconds": -2},
]


@pytest.mark.parametrize("fields", WRONG)
def test_w50_a_wrong_change_changes_nothing(serve, script, fields):
    server = serve(script(tokens=["a"]))
    with Native(server) as client:
        name = ask(client, "one")
    before = server.conversation(name)
    answer = change(server, name, **{**fields, **({"pinned": True} if fields and "pinned" not in fields else {})})
    assert answer.status_code == 400 and answer.json()["error"]
    assert server.conversation(name) == before


def test_w50_what_is_not_there_is_a_404(serve, script):
    server = serve(script(tokens=["a"]))
    with Native(server) as client:
        name = ask(client, "one")
    assert change(server, "chat_1999-01-01-00-00-00-000.txt", pinned=True).status_code == 404
    assert change(server, name, model="nobody").status_code == 404
    assert change(server, name, current="0" * 32).status_code == 404


def test_w50_an_answer_is_made_with_what_the_conversation_has(serve, script):
    """A system prompt takes room in the prompt; a model of its own makes the answer."""
    script(tokens=["x", "y"], name="second")
    server = serve(script(tokens=["a"]))
    with Native(server) as client:
        name = ask(client, "one")
        first = client.of_type("end")[-1]["usage"]["prompt_tokens"]
        change(server, name, settings={"system_prompt": "word " * 40}, model="second")
        client.begin("two", name)
        end = client.until("end")
        assert end["usage"]["prompt_tokens"] > first + 40
        assert server.answer_of(name)["content"] == "xy"
        assert server.answer_of(name)["generation"]["model"].startswith("second")
        change(server, name, model=None)
        ask(client, "three", name)
        assert server.answer_of(name)["content"] == "a"


def test_n27_a_new_conversation_has_what_its_first_message_brings(serve, script):
    script(tokens=["x", "y"], name="second")
    server = serve(script(tokens=["a"]))
    own = {"folder": "work", "model": "second", "settings": {"system_prompt": "Be short."}}
    with Native(server) as client:
        name = ask(client, "one", own=own)
        assert client.of_type("conversation")[0]["folder"] == "work"
        client.send(type="send", client_msg_id="x", conversation=name, text="two", own={"folder": "home"})
        assert client.until("error")["code"] == "bad_request"
        client.send(type="send", client_msg_id="x", text="two", own={"settings": {"colour": 1}})
        assert client.until("error")["code"] == "bad_request"
    found = server.conversation(name)
    assert found["settings"] == own["settings"] and found["folder"] == "work"
    assert [m["role"] for m in found["messages"]] == ["system", "user", "assistant"]
    assert found["messages"][2]["content"] == "xy"


def test_n27_a_temporary_conversation_is_in_no_list(serve, script):
    server = serve(script(tokens=["a"]))
    with Native(server) as client:
        name = ask(client, "quietly", temporary=True)
        assert client.of_type("conversation")[0]["temporary"] is True
        ask(client, "more", name)
    for query in ("", "?view=all", "?view=trash", "?q=quietly"):
        assert names(server, query) == []
    assert server.conversation(name)["temporary"] is True


def test_w51_the_trash_keeps_a_conversation_until_it_is_taken_out(serve, script):
    server = serve(script(tokens=["a"]))
    with Native(server) as client:
        name = ask(client, "one")
        assert server.http("DELETE", f"/api/conversations/{name}").json() == {"success": True}
        client.until("conversation", event="deleted")
        assert server.http("DELETE", f"/api/conversations/{name}").status_code == 404
        assert server.get(f"/api/conversation/{name}").status_code == 404
        assert names(server) == [] and names(server, "?view=trash") == [name]
        assert row_of(server, name, "?view=trash")["deleted"]
        client.send(type="send", client_msg_id="x", conversation=name, text="two")
        assert client.until("error")["code"] == "not_found"
        server.restart()
    assert server.post(f"/api/conversations/{name}/restore").json()["deleted"] is None
    assert names(server) == [name] and len(server.conversation(name)["messages"]) == 2
    assert server.http("DELETE", f"/api/conversations/{name}?purge=1").json() == {"success": True}
    assert names(server, "?view=trash") == []
    assert server.post(f"/api/conversations/{name}/restore").status_code == 404
    assert server.http("DELETE", f"/api/conversations/{name}?purge=2").status_code == 400


def test_w51_what_is_in_the_trash_can_be_deleted_for_ever(serve, script):
    server = serve(script(tokens=["a"]))
    with Native(server) as client:
        one, other = ask(client, "one"), ask(client, "other")
    server.http("DELETE", f"/api/conversations/{one}")
    assert server.http("DELETE", f"/api/conversations/{one}?purge=1").json() == {"success": True}
    assert names(server, "?view=trash") == [] and names(server) == [other]


def test_w51_a_running_answer_is_cancelled_first(serve, script):
    answer = script(tokens=["a", "b"]).gate(2)
    server = serve(answer)
    with Native(server) as client:
        ack = client.begin("one")
        client.until("tokens")
        name = ack["conversation"]
        assert server.http("DELETE", f"/api/conversations/{name}").json() == {"success": True}
    server.post(f"/api/conversations/{name}/restore")
    assert server.answer_of(name)["generation"]["reason"] == "cancelled"
    assert server.answer_of(name)["content"] == "a"


def test_w53_bulk_does_all_and_says_what_it_could_not(serve, script):
    server = serve(script(tokens=["a"]))
    unknown = "chat_1999-01-01-00-00-00-000.txt"
    with Native(server) as client:
        some = [ask(client, f"n {i}") for i in range(3)]

    def bulk(action, ids=some, **fields):
        return server.post("/api/conversations/bulk", {"ids": ids, "action": action, **fields})

    assert bulk("pin").json() == {"success": True, "done": 3, "failed": []}
    assert all(row_of(server, name)["pinned"] for name in some)
    assert bulk("move", folder="work").json()["done"] == 3
    assert server.get("/api/folders").json() == {"folders": [{"name": "work", "count": 3}]}
    answer = bulk("archive", [unknown, *some]).json()
    assert not answer["success"] and answer["done"] == 3
    assert [one["id"] for one in answer["failed"]] == [unknown] and answer["failed"][0]["error"]
    assert names(server) == [] and len(names(server, "?view=archived")) == 3
    bulk("unarchive")
    bulk("delete")
    assert len(names(server, "?view=trash")) == 3
    bulk("restore", some[:1])
    bulk("purge", some[1:])
    assert names(server, "?view=all") == some[:1] and names(server, "?view=trash") == []
    for wrong in ({}, {"ids": [], "action": "pin"}, {"ids": some, "action": "burn"}, {"ids": ["x"], "action": "pin"}):
        assert server.post("/api/conversations/bulk", wrong).status_code == 400
    assert bulk("pin", [unknown] * 1001).status_code == 400


def test_w55_folders_are_where_conversations_are(serve, script):
    server = serve(script(tokens=["a"]))
    with Native(server) as client:
        one, other = ask(client, "one"), ask(client, "other")
    change(server, one, folder="Käse & Brot")
    assert names(server, "?folder=K%C3%A4se%20%26%20Brot") == [one]
    assert server.post("/api/folders/rename", {"from": "Käse & Brot", "to": "Essen"}).json() == {"success": True}
    assert row_of(server, one)["folder"] == "Essen" and row_of(server, other)["folder"] is None
    assert server.post("/api/folders/rename", {"from": "Käse & Brot", "to": "x"}).status_code == 404
    assert server.post("/api/folders/rename", {"from": "Essen"}).status_code == 400
    assert server.get("/api/conversations?view=all&folder=").status_code in (200, 400)
    assert server.get("/api/conversations?view=odd").status_code == 400
