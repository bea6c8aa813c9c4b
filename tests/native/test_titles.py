"""[N40] Titles that the model makes when it has nothing else to do. The fake engine has an answer for whoever asks for one."""

import re

import pytest

from harness.clients import Native
from harness.wait import wait_until

ASKED = "Write a title"


@pytest.fixture
def titled(serve, script):
    """A server whose model calls each conversation the same; `title` are its tokens."""

    def start(title=('"Rivers', " and", ' mills"'), **fault):
        tale = script(answers=[{"when": ASKED, "tokens": list(title)}])
        if fault:
            tale.at(1, when=ASKED, **fault)
        return serve(tale, titles=True, log="debug")

    return start


def rows(server):
    return server.get("/api/conversations").json()["conversations"]


def test_n40_a_conversation_gets_a_title_of_the_model_after_its_first_answer(titled):
    server = titled()
    with Native(server) as client, Native(server) as other:
        name = client.begin("Tell me about the river")["conversation"]
        client.until("end")
        frame = client.until("conversation", event="renamed")
        assert (frame["conversation"], frame["title"], frame["title_by"]) == (name, "Rivers and mills", "model")
        assert other.until("conversation", event="renamed")["title"] == "Rivers and mills"
        # Nobody sees how it came to be: no frame of it, no message, no answer that runs.
        assert {f["type"] for f in client.frames[client.frames.index(frame) :]} <= {"conversation", "ping"}
        stored = server.conversation(name)
        assert [m["role"] for m in stored["messages"]] == ["user", "assistant"]
        assert stored["title"] == "Rivers and mills" and ASKED not in stored["content"]
        assert rows(server)[0]["title_by"] == "model" and server.get("/api/conversations?q=mills").json()["conversations"]
        # A later answer changes nothing, and is asked as if there had been no title.
        client.begin("And the sea?", conversation=name)
        assert client.until("end")["usage"]["prompt_tokens"] == len("Tell me about the river And the sea?".split()) + 12
        assert server.stderr().count("title_made") == 1


def test_n40_what_is_asked_comes_first_and_the_title_is_tried_again(titled, tmp_path):
    gate = tmp_path / "gate"
    server = titled(["Rivers"], do="gate", gate=str(gate))
    with Native(server) as client:
        name = client.begin("Go")["conversation"]
        for n in range(2):
            client.until("end")
            server.wait_log("title_asked", n + 1)
            assert server.status()["models"][0]["running"] == 0
            client.begin(f"More {n}", conversation=name)
        client.until("end")
        server.wait_log("title_dropped", 2)
        assert rows(server)[0]["title_by"] == "text"
        gate.touch()
        assert client.until("conversation", event="renamed")["title"] == "Rivers"


def test_n40_a_person_s_title_is_never_replaced(titled, tmp_path):
    gate = tmp_path / "gate"
    server = titled(["Rivers"], do="gate", gate=str(gate))
    with Native(server) as client:
        name = client.begin("Go")["conversation"]
        client.until("end")
        server.wait_log("title_asked")
        server.post(f"/api/conversation/{name}", {"title": "Mine"})
        gate.touch()
        server.wait_log("title_made")
        other = client.begin("Another")["conversation"]
        client.until("conversation", event="renamed", conversation=other)
        assert {row["name"]: row["display_name"] for row in rows(server)} == {name: "Mine", other: "Rivers"}


@pytest.mark.parametrize(
    "title",
    [[], ["\n", "\"\"", "\n"], ["I think that this is about a river, but it may be about a mill, or the sea behind it."]],
    ids=["nothing", "marks alone", "a sentence"],
)
def test_n40_what_is_no_title_changes_nothing_and_is_not_tried_again(titled, title):
    server = titled(title)
    with Native(server) as client:
        client.begin("Tell me")
        client.until("end")
        assert server.wait_log(r"title_made.* good=(\d)") == ["0"]
        assert rows(server)[0]["display_name"] == "Tell me"
        other = client.begin("Another")["conversation"]
        client.until("end")
        server.wait_log("title_made", 2)
        assert len(re.findall(rf"title_made conversation={other}", server.stderr())) == 1


def test_n40_the_setting_turns_it_off_and_a_temporary_conversation_has_none(titled):
    server = titled()
    with Native(server) as client:
        client.begin("Once", temporary=True)
        client.until("end")
        assert server.post("/api/config", {"auto_title": "off"}).json()["auto_title"] == "off"
        client.begin("Tell me")
        client.until("end")
        assert server.post("/api/config", {"auto_title": "on"}).json()["auto_title"] == "on"
        titled_one = client.begin("Another")["conversation"]
        client.until("end")
        client.until("conversation", event="renamed", conversation=titled_one)
        assert server.stderr().count("title_asked") == 1
        assert [row["title_by"] for row in rows(server)] == ["model", "text"]


def test_n40_an_engine_that_dies_of_it_is_asked_once(titled):
    server = titled(["Rivers"], do="exit")
    server.expects_crash = True
    with Native(server) as client:
        client.begin("Tell me")
        client.until("end")
        server.wait_log("title_made.* good=0")
        client.begin("Another", conversation=client.frames[-1]["conversation"])
        assert client.until("end")["reason"] == "stop"
        assert rows(server)[0]["title_by"] == "text" and server.stderr().count("title_asked") == 1
