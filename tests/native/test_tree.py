"""Branches of a conversation over the whole program. [N20]–[N26] [W52] [W54]"""

import uuid

import pytest

from harness.clients import Native, Watch


def ask(client, text, conversation=None, **fields):
    """A message and its whole answer: the ack."""
    ack = client.begin(text, conversation, **fields)
    client.until("end", generation=ack["generation"])
    return ack


def request(client, kind, conversation, message, **fields):
    client.send(type=kind, client_msg_id=fields.pop("id", uuid.uuid4().hex), conversation=conversation, message=message, **fields)
    return client.until("ack", "error")



def whole(server, name):
    return server.conversation(name)


def answers(snapshot):
    return [m for m in snapshot["messages"] if m["role"] == "assistant"]


def select(client, conversation, message):
    client.send(type="select", conversation=conversation, message=message)
    return client.until("current")


def test_n21_an_edit_is_a_branch_beside_the_message(serve, script):
    server = serve(script(tokens=["a", "b"]))
    with Native(server) as client:
        first = ask(client, "one")
        name = first["conversation"]
        ask(client, "two", name)
        ack = request(client, "edit", name, first["message"], text="other", id="e1")
        assert ack["type"] == "ack" and not ack["duplicate"]
        client.until("end", generation=ack["generation"])
        assert client.of_type("message")[-1]["message"]["parent"] is None
        again = request(client, "edit", name, first["message"], text="other", id="e1")
        assert again["duplicate"] and again["generation"] == ack["generation"]
        assert request(client, "edit", name, first["message"], text="more", id="e1")["code"] == "conflict"
    found = whole(server, name)
    assert len(found["messages"]) == 6
    assert found["content"] == "USER:\nother\n\nASSISTANT:\nab\n\n"
    assert found["current"] == found["messages"][-1]["id"]


def test_n22_another_answer_is_a_branch_beside_the_answer(serve, script):
    server = serve(script(tokens=["a", "b"]).gate(3, when="hold"))
    with Native(server) as client:
        first = ask(client, "one")
        name = first["conversation"]
        message = whole(server, name)["messages"][1]["id"]
        ack = request(client, "regenerate", name, message, id="r1", settings={"temperature": 0.1})
        start = client.until("start", generation=ack["generation"])
        assert start["message"]["parent"] == first["message"] and ack["message"] == start["message"]["id"]
        client.until("end", generation=ack["generation"])
        assert request(client, "regenerate", name, message, id="r1")["duplicate"]
        below = request(client, "regenerate", name, first["message"])
        client.until("end", generation=below["generation"])
        assert request(client, "regenerate", name, "0" * 32)["code"] == "not_found"
        assert request(client, "regenerate", name, message, model="nobody")["code"] == "not_found"
        assert request(client, "edit", name, message, text="x")["code"] == "bad_request"
    found = whole(server, name)
    assert [m["parent"] for m in answers(found)] == [first["message"]] * 3
    assert found["current"] == below["message"]


def test_n22_no_other_answer_while_one_is_made(serve, script):
    answer = script(tokens=["a", "b"])
    answer.gate(2, when="hold")
    server = serve(answer)
    server.post("/api/config", {"when_busy": "queue"})
    with Native(server) as client:
        first = ask(client, "one")
        running = client.begin("hold", first["conversation"])
        assert request(client, "regenerate", first["conversation"], first["message"])["code"] == "busy"
        answer.open_all(when="hold")
        client.until("end", generation=running["generation"])


def test_n20_n23_every_screen_shows_the_branch_that_was_chosen(serve, script):
    server = serve(script(tokens=["a", "b"]))
    with Native(server) as one, Native(server) as two:
        first = ask(one, "one")
        name = first["conversation"]
        ask(one, "two", name)
        edit = request(one, "edit", name, first["message"], text="other")
        one.until("end", generation=edit["generation"])
        two.watch(name)
        snapshot = two.until("snapshot")
        assert snapshot["current"] == answers(snapshot)[-1]["id"] and len(snapshot["messages"]) == 6
        leaf = answers(snapshot)[1]["id"]
        assert select(one, name, first["message"])["message"] == leaf
        assert two.until("current")["message"] == leaf
        assert whole(server, name)["content"] == "USER:\none\n\nASSISTANT:\nab\n\nUSER:\ntwo\n\nASSISTANT:\nab\n\n"
        third = ask(one, "three", name)
        assert one.of_type("message")[-1]["message"]["parent"] == leaf
        assert two.until("end", generation=third["generation"])
        one.send(type="select", conversation=name, message="0" * 32)
        assert one.until("error")["code"] == "not_found"
    server.restart()
    assert whole(server, name)["current"] == whole(server, name)["messages"][-1]["id"]


def test_n23_a_reader_who_comes_back_is_told_the_branch(serve, script):
    server = serve(script(tokens=["a", "b"]))
    with Native(server) as one:
        first = ask(one, "one")
        name = first["conversation"]
        edit = request(one, "edit", name, first["message"], text="other")
        end = one.until("end", generation=edit["generation"])
        cursor = {"generation": edit["generation"], "epoch": one.epoch, "after_seq": end["seq"]}
        leaf = select(one, name, first["message"])["message"]
    with Native(server) as two:
        two.watch(name, cursor)
        assert two.until("resumed", "reset")["type"] == "resumed"
        assert two.until("current")["message"] == leaf
        third = two.begin("three", name)
        assert two.until("message")["message"]["parent"] == leaf
        two.until("end", generation=third["generation"])
        assert len(two.of_type("current")) == 1


def test_the_prompt_is_the_path(serve, script):
    """What the engine is given is counted: the other branch is no part of it."""
    server = serve(script(tokens=["a"]))
    with Native(server) as client:
        first = ask(client, "one")
        name = first["conversation"]
        prompt = client.of_type("end")[-1]["usage"]["prompt_tokens"]
        ask(client, "two " * 50, name)
        edit = request(client, "edit", name, first["message"], text="one")
        assert client.until("end", generation=edit["generation"])["usage"]["prompt_tokens"] == prompt


def test_w13_the_original_watch_shows_the_branch(serve, script):
    server = serve(script(tokens=["a", "b"]))
    with Native(server) as client:
        first = ask(client, "one")
        name = first["conversation"]
        with Watch(server, name) as watch:
            assert "one" in watch.until("update")["content"]
            edit = request(client, "edit", name, first["message"], text="other")
            client.until("end", generation=edit["generation"])
            while watch.until("update")["content"] != "USER:\nother\n\nASSISTANT:\nab\n\n":
                pass
            select(client, name, first["message"])
            assert watch.until("update")["content"] == "USER:\none\n\nASSISTANT:\nab\n\n"


def test_w54_a_message_is_deleted_with_all_below_and_comes_back(serve, script):
    server = serve(script(tokens=["a", "b"]))
    with Native(server) as client:
        first = ask(client, "one")
        name = first["conversation"]
        second = ask(client, "two", name)
        answer = server.http("DELETE", f"/api/messages/{second['message']}").json()
        assert answer["success"] and answer["conversation_id"] == name and len(answer["messages"]) == 2
        removed = client.until("removed")
        snapshot = client.until("snapshot")
        assert removed["messages"] == answer["messages"] and removed["current"] == snapshot["current"]
        assert [m["role"] for m in snapshot["messages"]] == ["user", "assistant"]
        assert whole(server, name)["content"] == "USER:\none\n\nASSISTANT:\nab\n\n"
        restored = server.post(f"/api/messages/{second['message']}/restore").json()
        assert restored["messages"] == answer["messages"]
        client.until("restored")
        assert len(client.until("snapshot")["messages"]) == 4
        # A cursor of before says nothing of what its reader has.
        end = client.of_type("end")[-1]
        client.watch(name, {"generation": end["generation"], "epoch": client.epoch, "after_seq": end["seq"]})
        assert client.until("reset", "resumed") == {"type": "reset", "conversation": name, "reason": "removed"}
        client.until("snapshot")


def test_w54_what_cannot_be_deleted_is_refused(serve, script):
    answer = script(tokens=["a", "b"]).gate(2)
    server = serve(answer)
    with Native(server) as client:
        ack = client.begin("one")
        assert server.http("DELETE", f"/api/messages/{ack['message']}").status_code == 409
        assert server.http("DELETE", f"/api/messages/{'0' * 32}").status_code == 404
        assert server.http("DELETE", "/api/messages/x").status_code == 400
        assert server.get(f"/api/messages/{ack['message']}").status_code == 405
        answer.open_all()
        client.until("end")
        server.http("DELETE", f"/api/messages/{ack['message']}")
        assert request(client, "edit", ack["conversation"], ack["message"], text="x")["code"] == "not_found"


def test_w52_a_fork_is_a_conversation_of_its_own(serve, script):
    server = serve(script(tokens=["a", "b"]))
    with Native(server) as client:
        first = ask(client, "one")
        name = first["conversation"]
        ask(client, "two", name)
        message = whole(server, name)["messages"][1]["id"]
        forked = server.post(f"/api/conversation/{name}/fork", {"message": message}).json()["conversation_id"]
        assert client.until("conversation", event="created", conversation=forked)["title"] == "one"
        client.watch(forked)
        ask(client, "three", forked)
    assert server.http("DELETE", f"/api/conversations/{name}?purge=1").json()["success"]
    assert whole(server, forked)["content"] == "USER:\none\n\nASSISTANT:\nab\n\nUSER:\nthree\n\nASSISTANT:\nab\n\n"
    assert server.post(f"/api/conversation/{forked}/fork", {"message": "0" * 32}).status_code == 404
    assert server.post(f"/api/conversation/{forked}/fork").status_code == 400


@pytest.mark.parametrize("kind", ["edit", "regenerate"])
def test_p5_an_answer_on_a_branch_goes_on_after_a_kill(serve, script, kind):
    """[P1] [P2] [P5] [N12] hold on any branch."""
    answer = script()
    server = serve(answer)
    with Native(server) as client:
        first = ask(client, "one")
        name = first["conversation"]
        ask(client, "two", name)
    fields = {"text": "other"} if kind == "edit" else {}
    answer.gate(4)
    server.restart()
    with Native(server) as client:
        ack = request(client, kind, name, first["message"], **fields)
        client.watch(name)
        client.until_seq(1) if False else None
        seen = client.until("snapshot")
        while "runs" not in "".join(f["text"] for f in client.of_type("tokens")) + answers(seen)[-1]["content"]:
            client.recv()
        server.kill()
    answer.open_all()
    server.start()
    with Native(server) as client:
        client.watch(name)
        snapshot = client.until("snapshot")
        if not answers(snapshot)[-1]["generation"]["ended"]:
            client.until("end", reason="stop")
    last = whole(server, name)["messages"][-1]
    assert last["content"] == answer.text
    assert whole(server, name)["current"] == last["id"]
    assert last["generation"]["continues"] and ack["generation"] != last["generation"]["id"]
