"""Conversations as files, and from files: ours and those of other programs. [W61] [W62] [W63]"""

import base64
import hashlib
import json
import uuid
from random import Random

import pytest

from harness.clients import Native
from harness.raw import Raw


def ask(client, text, conversation=None, **fields):
    ack = client.begin(text, conversation, **fields)
    client.until("end", generation=ack["generation"])
    return ack


def take(server, text, kind="application/json"):
    content = text if isinstance(text, bytes | str) else json.dumps(text)
    return server.http("POST", "/api/import", content=content, headers={"Content-Type": kind})


def imported(server, text, kind="application/json"):
    answer = take(server, text, kind)
    assert answer.status_code == 200, answer.text
    body = answer.json()
    assert body["success"] is True and body["failed_count"] >= len(body["failed"])
    return body["imported"], body["skipped"], body["failed"]


def said(server, name):
    return [(message["role"], message["content"]) for message in server.conversation(name)["messages"]]


def without_events(export):
    """How an answer was cut into events is not exported: it comes back as one."""
    for conversation in export:
        for message in conversation["messages"]:
            for generation in [message.get("generation", {}), *message.get("generations", [])]:
                generation.pop("seq", None)
    return sorted(export, key=lambda one: one["id"])


def names(server):
    return [row["name"] for row in server.get("/api/conversations").json()["conversations"]]


def test_w61_one_conversation_in_three_forms(serve, script):
    server = serve(script(["A", " river", "."]))
    with Native(server) as client:
        name = ask(client, "What is\nlong?")["conversation"]
    text = server.get(f"/api/conversation/{name}/export?format=text")
    assert text.text == "USER:\nWhat is\nlong?\n\nASSISTANT:\nA river.\n\n"
    assert text.headers["content-disposition"] == "attachment; filename*=UTF-8''What%20is.txt"
    markdown = server.get(f"/api/conversation/{name}/export?format=markdown")
    assert markdown.text == "# What is\n\n## You\n\nWhat is\nlong?\n\n## Assistant\n\nA river.\n\n"
    whole = server.get(f"/api/conversation/{name}/export").json()
    assert whole["format"] == "runnel-conversation" and whole["version"] == 1 and whole["id"] == name
    user, answer = whole["messages"]
    assert answer["parent"] == user["id"] and user["parent"] is None
    (generation,) = answer["generations"]
    assert generation["content"] == "A river." and generation["reason"] == "stop"
    assert generation["usage"]["completion_tokens"] == 3 and generation["settings"]["temperature"] == 0.7
    assert server.get(f"/api/conversation/{name}/export?format=pdf").status_code == 400
    assert server.get("/api/conversation/chat_1999-01-01-00-00-00-000/export").status_code == 404


def test_w62_w63_all_go_out_and_come_back_the_same(serve, script, new_server):
    tale = script(["Well", ",", " a", " river"])
    server = serve(tale)
    with Native(server) as client:
        first = ask(client, "One")["conversation"]
        ask(client, "Two", first)
        second = ask(client, "Ünï 🌊")["conversation"]
    export = server.get("/api/export")
    assert export.headers["content-disposition"] == 'attachment; filename="runnel-export.json"'
    assert sorted(entry["id"] for entry in export.json()) == sorted([first, second])
    assert imported(server, export.text) == (0, 2, []), "what is there is not taken twice"
    other = new_server(tale, data="other").start()
    with Native(other) as watcher:
        assert imported(other, export.text) == (2, 0, [])
        rows = [watcher.until("conversation", event="created")["title"] for _ in range(2)]
    assert sorted(rows) == ["One", "Ünï 🌊"]
    assert imported(other, export.text) == (0, 2, [])
    assert without_events(other.get("/api/export").json()) == without_events(export.json())
    assert [hit["snippet"] for hit in other.get("/api/search?q=river").json()["hits"]] == ["Well, a river"] * 3
    other.restart()
    assert said(other, first) == said(server, first)
    with Native(other) as client:
        client.watch(first)
        ask(client, "Three", first)
    assert len(said(other, first)) == 6


def put_file(server, name, content):
    return server.http("POST", "/api/attachments", files={"file": (name, content)}).json()


def asked(client, **frame):
    client.send(client_msg_id=uuid.uuid4().hex, **frame)
    ack = client.until("ack")
    client.until("end", generation=ack["generation"])
    return ack


def grow(server, random):
    """A conversation by chance: branches, files, a system prompt, what it has of its own."""
    files = [put_file(server, "a.md", b"# one\n"), put_file(server, "b\u00fc.txt", b"\xef\xbb\xbfwith a mark")]
    pdf = put_file(server, "c.pdf", b"%PDF-1.7 " + random.randbytes(3000))
    server.post(f"/api/attachments/{pdf['id']}/text", {"text": "said in the PDF"})
    files.append(pdf)
    with Native(server) as client:
        name = ask(client, "Root", attachments=[{"id": pdf["id"], "name": "d.pdf"}])["conversation"]
        for _ in range(8):
            messages = server.conversation(name)["messages"]
            user = random.choice([m for m in messages if m["role"] == "user"])
            answer = random.choice([m for m in messages if m["role"] == "assistant"])
            some = [{"id": f["id"], "name": f["name"]} for f in random.sample(files, random.randrange(3))]
            frame = random.choice(
                [
                    {"type": "send", "parent": answer["id"], "text": "On", "attachments": some},
                    {"type": "send", "parent": None, "text": "Another root"},
                    {"type": "edit", "message": user["id"], "text": "Else", "attachments": some},
                    {"type": "regenerate", "message": answer["id"]},
                ]
            )
            asked(client, conversation=name, **frame)
    messages = server.conversation(name)["messages"]
    changes = {
        "pinned": random.random() < 0.5,
        "archived": random.random() < 0.5,
        "folder": random.choice([None, "Rivers", "M\u00fchlen"]),
        "settings": random.choice([None, {"temperature": 0.1, "system_prompt": "Be brief."}]),
        "detach_seconds": random.choice([None, 0, 60]),
        "title": random.choice(["Mine", "Unsere \u6cb3"]),
        "current": random.choice(messages)["id"],
    }
    assert server.post(f"/api/conversation/{name}", changes).status_code == 200
    return name


def test_w61_w63_whatever_a_conversation_has_comes_back(serve, script, new_server, seed):
    random = Random(seed)
    tale = script(["Well", ",", " a", " river"])
    server = serve(tale)
    made = [grow(server, random) for _ in range(3)]
    export = server.get("/api/export").json()
    files = [entry for entry in export if entry["format"] == "runnel-attachment"]
    assert len(files) == len({entry["id"] for entry in files}) >= 3, "each file is there once"
    assert sum(entry["format"] == "runnel-conversation" for entry in export) == 3
    other = new_server(tale, data="other").start()
    assert imported(other, export) == (3, 0, []) and imported(other, export) == (0, 3, [])
    again = other.get("/api/export").json()
    conversations = lambda list_: without_events([one for one in list_ if "messages" in one])  # noqa: E731
    assert conversations(again) == conversations(export)
    assert sorted(one["data"] for one in again if "data" in one) == sorted(one["data"] for one in files)
    for name in made:
        before, after = server.conversation(name), other.conversation(name)
        assert {key: after[key] for key in OWN} == {key: before[key] for key in OWN}
        for file in [file for message in before["messages"] for file in message.get("attachments", [])]:
            path = f"/api/attachments/{file['id']}"
            assert other.get(path).content == server.get(path).content
    # One alone is a list when it has such files, and the transcript is of the branch that was shown.
    one = server.get(f"/api/conversation/{made[0]}/export").json()
    assert [entry["format"] for entry in one][-1] == "runnel-conversation"
    texts = [server.get(f"/api/conversation/{made[0]}/export?format=text").text for server in (server, other)]
    assert texts[0] == texts[1]


OWN = ("title", "title_by", "pinned", "archived", "folder", "model", "settings", "detach_seconds", "current")


def test_w63_files_that_are_not_what_they_say_are_told(serve, script):
    server = serve(script(["ok"]))
    file = {"format": "runnel-attachment", "version": 1, "name": "a.pdf", "type": "application/pdf"}
    content = b"%PDF-1.4 x"
    good = {**file, "id": hashlib.sha256(content).hexdigest(), "data": base64.b64encode(content).decode()}
    wrong = [
        {**good, "name": "other bytes", "data": base64.b64encode(b"%PDF-1.4 y").decode()},
        {**good, "name": "no base64", "data": good["data"] + "!"},
        {**good, "name": "no path", "id": "../../../../etc/passwd"},
        {**good, "name": "picture", "id": hashlib.sha256(b"GIF89a").hexdigest(), "data": base64.b64encode(b"GIF89a").decode()},
    ]
    whole = own(folder="F" * 201)
    n, skipped, failed = imported(server, [good, *wrong, whole, own()])
    assert (n, skipped) == (1, 0)
    assert [row["title"] for row in failed] == ["other bytes", "no base64", "no path", "picture", "T"]
    assert server.get(f"/api/attachments/{good['id']}").content == content
    assert take(server, wrong[0]).status_code == 400
    assert [path.name for path in (server.data / "attachments").rglob("*") if path.is_file()] == [good["id"]]


def test_w63_multipart_as_a_page_sends_it(serve, script):
    server = serve(script(["ok"]))
    files = {"file": ("chat.txt", b"USER:\nHello\n\nASSISTANT:\nHi.\nUSER: no head\n\n")}
    assert server.http("POST", "/api/import", files=files).json()["imported"] == 1
    assert said(server, names(server)[0]) == [("user", "Hello"), ("assistant", "Hi.\nUSER: no head")]
    assert server.http("POST", "/api/import", files=files).json()["skipped"] == 1


CHATGPT = {
    "title": "Bridges",
    "create_time": 1700000000.5,
    "update_time": 1700000100,
    "conversation_id": "abc-1",
    "current_node": "d",
    "mapping": {
        "root": {"id": "root", "message": None, "parent": None, "children": ["s"]},
        "s": {"message": {"author": {"role": "system"}, "content": {"content_type": "text", "parts": [""]}}, "parent": "root", "children": ["a"]},
        "a": {
            "message": {"author": {"role": "user"}, "create_time": 1700000001, "content": {"content_type": "text", "parts": ["Why?"]}},
            "parent": "s",
            "children": ["b", "c"],
        },
        "b": {
            "message": {
                "author": {"role": "assistant"},
                "content": {"content_type": "text", "parts": ["Because.", {"asset_pointer": "x"}]},
                "metadata": {"model_slug": "gpt-x"},
                "recipient": "all",
            },
            "parent": "a",
            "children": ["d"],
        },
        "c": {
            "message": {"author": {"role": "assistant"}, "content": {"content_type": "text", "parts": ["Another try."]}},
            "parent": "a",
            "children": ["b", "a"],
        },
        "d": {"message": {"author": {"role": "tool"}, "content": {"content_type": "text", "parts": ["out"]}}, "parent": "b", "children": []},
    },
}


def test_w63_chatgpt_with_its_branches(serve, script):
    server = serve(script(["ok"]))
    assert imported(server, [CHATGPT, {**CHATGPT, "title": "again"}]) == (1, 1, [])
    (name,) = names(server)
    assert name.startswith("chat_2023-11-14-22-13-20-500")
    messages = server.get(f"/api/conversation/{name}/export").json()["messages"]
    assert [(message["role"], message["content"]) for message in messages] == [
        ("user", "Why?"),
        ("assistant", "Another try."),
        ("assistant", "Because."),
    ]
    assert messages[1]["parent"] == messages[2]["parent"] == messages[0]["id"]
    assert messages[2]["generation"]["model"] == "gpt-x" and messages[2]["generation"]["reason"] == "stop"


def test_w63_open_webui(serve, script):
    node = lambda role, text, parent, children: {  # noqa: E731
        "role": role,
        "content": text,
        "parentId": parent,
        "childrenIds": children,
        "timestamp": 1700000000,
    }
    history = {"messages": {"1": node("user", "Hi", None, ["2"]), "2": node("assistant", "Hello", "1", [])}, "currentId": "2"}
    chats = [
        {"id": "u1", "title": "Tree", "created_at": 1700000000, "updated_at": 1700000009, "chat": {"history": history}},
        {"id": "u2", "chat": {"title": "List", "messages": [{"role": "user", "content": "Old"}, {"role": "assistant", "content": "Yes"}]}},
        {"id": "u3", "title": "Nothing", "chat": {"messages": []}},
    ]
    n, skipped, failed = imported(server := serve(script(["ok"])), chats)
    assert (n, skipped) == (2, 0) and [row["title"] for row in failed] == ["Nothing"] and failed[0]["error"]
    assert {tuple(said(server, name)) for name in names(server)} == {
        (("user", "Hi"), ("assistant", "Hello")),
        (("user", "Old"), ("assistant", "Yes")),
    }


def own(**changes):
    user = {"id": "1" * 32, "parent": None, "role": "user", "content": "Q", "timestamp": "2026-01-01T00:00:00.000Z"}
    generation = {"id": "3" * 32, "content": "A", "reason": "stop", "model": "m"}
    answer = {"id": "2" * 32, "parent": "1" * 32, "role": "assistant", "content": "A", "generations": [generation]}
    return {"format": "runnel-conversation", "version": 1, "title": "T", "messages": [user, answer], **changes}


def test_w63_thoughts_calls_and_files_come_back(serve, script):
    server = serve(script(["ok"]))
    whole = own()
    calls = [{"id": "c1", "name": "look", "arguments": '{"at":1}'}]
    whole["messages"][1]["generation"] = {"reasoning": "hm", "tool_calls": calls}
    whole["messages"][0]["attachments"] = [{"id": "ab" * 32, "name": "a.txt", "type": "text/plain", "size": 3, "text": "abc"}]
    assert imported(server, whole) == (1, 0, [])
    user, answer = server.get(f"/api/conversation/{names(server)[0]}/export").json()["messages"]
    assert answer["generation"]["reasoning"] == "hm" and answer["generation"]["tool_calls"] == calls
    assert user["attachments"] == [{"id": "ab" * 32, "name": "a.txt", "type": "text/plain", "size": 3, "text_size": 3, "text": "abc"}]
    missing = server.get(f"/api/attachments/{'ab' * 32}")  # other bytes than this text had this id
    assert missing.status_code == 404 and "text is kept" in missing.json()["error"]


HOSTILE = {
    "nothing": b"",
    "blanks": b" \n ",
    "cut in a string": b'[{"title":"x',
    "cut between": b'[{"a":1},',
    "no end of the list": b'[{"a":1}',
    "more behind": b'[{"a":1}] {"b":2}',
    "no list": b"[1,2,3]",
    "archive": b"PK\x03\x04" + b"0" * 100,
    "no UTF-8": b"USER:\n\xff\n",
    "no transcript": b"Dear diary",
    "deep": b'{"format":' + b"[" * 100000 + b"]" * 100000 + b"}",
    "wrong types": json.dumps(own(messages=[7])).encode(),
    "no messages": json.dumps(own(messages={"a": 1})).encode(),
    "newer": json.dumps(own(version=2)).encode(),
    "strange role": json.dumps(own(messages=[{**own()["messages"][0], "role": "owner"}])).encode(),
    "parent behind": json.dumps(own(messages=own()["messages"][::-1])).encode(),
    "an id twice": json.dumps(own(messages=own()["messages"][:1] * 2)).encode(),
    "bad id": json.dumps(own(messages=[{**own()["messages"][0], "id": "../../x"}])).encode(),
    "NUL": json.dumps(own(messages=[{**own()["messages"][0], "content": "a\0b"}])).encode(),
    "a mapping of nonsense": json.dumps({"mapping": {"a": 1, "b": {"message": 2, "children": 3}}}).encode(),
    "unknown": b'{"a":{"b":[]}}',
}


@pytest.mark.parametrize("name", HOSTILE)
def test_w63_a_file_that_is_none_is_refused_in_a_sentence(serve, script, name):
    server = serve(script(["ok"]))
    kind = "application/json" if HOSTILE[name][:1] in b"[{" and HOSTILE[name] else "application/octet-stream"
    answer = take(server, HOSTILE[name], kind)
    assert answer.status_code == 400 and len(answer.json()["error"]) > 10, answer.text
    assert names(server) == []


def test_w63_what_is_wrong_with_one_does_not_stop_the_others(serve, script):
    server = serve(script(["ok"]))
    clash = own(title="Clash", messages=[{**own()["messages"][0], "id": "9" * 32}, {**own()["messages"][0]}])
    n, skipped, failed = imported(server, [own(), {"title": "Odd"}, clash])
    assert (n, skipped) == (1, 0) and [row["title"] for row in failed] == ["Odd", "Clash"]
    assert len(names(server)) == 1


def test_w63_other_bodies_and_sizes(serve, script):
    server = serve(script(["ok"]))
    assert take(server, b"x", "text/html").status_code == 415
    assert take(server, b"x", "multipart/form-data").status_code == 400
    with Raw(server) as raw:
        raw.send(f"POST /api/import HTTP/1.1\r\nHost: 127.0.0.1:{server.port}\r\nContent-Type: text/plain\r\nContent-Length: {300 << 20}\r\n\r\n".encode())
        assert b" 413 " in raw.read_all() and b"256 MiB" in raw.got


def test_w63_a_large_file_does_not_grow_the_server(serve, script):
    """One conversation is in memory at a time, and the loop answers meanwhile."""
    server = serve(script(["ok"]))
    before = server.memory_kb()
    text = "line of a conversation\n" * 40000
    lines = (
        json.dumps(
            own(
                title=f"Conversation {number}",
                messages=[{**own()["messages"][0], "id": hashlib.md5(b"%d" % number).hexdigest(), "content": text}],
            )
        )
        for number in range(60)
    )
    assert imported(server, "[" + ",".join(lines) + "]") == (60, 0, [])
    if not server.is_sanitized:
        assert server.memory_kb() - before < 40_000
    assert not list((server.data / "attachments").iterdir())
