"""Files that persons send along. [W64] [W65] [N30]"""

import hashlib
import sqlite3

import pytest

from harness.clients import Native
from harness.raw import Raw
from harness.wait import wait_until


def send_file(server, name, content, **arguments):
    return server.http("POST", "/api/attachments", files={"file": (name, content)}, **arguments)


def keep(server, name, content):
    answer = send_file(server, name, content)
    assert answer.status_code == 200, answer.text
    return answer.json()


def place(server, file):
    return server.data / "attachments" / file["id"][:2] / file["id"]


def is_there(server, file):
    return server.get(f"/api/attachments/{file['id']}").status_code == 200


def ref(file, name=None):
    return {"id": file["id"], "name": name or file["name"]}


def test_w64_a_file_is_stored_once_by_its_bytes(serve, script):
    server = serve(script(["ok"]))
    content = "def f():\n    return 'ü'\n".encode()
    file = keep(server, "f.py", content)
    assert file == {
        "id": hashlib.sha256(content).hexdigest(),
        "name": "f.py",
        "type": "text/plain",
        "size": len(content),
        "text_size": len(content),
    }
    assert keep(server, "other.py", content)["id"] == file["id"]
    assert place(server, file).read_bytes() == content and place(server, file).stat().st_mode & 0o777 == 0o600
    assert [path.name for path in (server.data / "attachments").rglob("*") if path.is_file()] == [file["id"]]
    raw = server.http("POST", "/api/attachments?name=a%20b.md", content=b"# hi", headers={"Content-Type": "application/octet-stream"})
    assert raw.json()["name"] == "a b.md"


def test_w65_it_is_read_again_and_never_run(serve, script):
    server = serve(script(["ok"]))
    content = b"<script>alert(1)</script>\n" * 5000
    file = keep(server, "we'ird\u202e.html", content)
    answer = server.get(f"/api/attachments/{file['id']}")
    assert answer.content == content and answer.headers["content-type"] == "text/plain; charset=utf-8"
    assert answer.headers["content-disposition"] == "attachment; filename*=UTF-8''we%27ird%E2%80%AE.html"
    assert answer.headers["x-content-type-options"] == "nosniff" and "sandbox" in answer.headers["content-security-policy"]
    large = b"%PDF-" + bytes(range(256)) * 12000
    pdf = server.get(f"/api/attachments/{keep(server, 'a.pdf', large)['id']}")
    assert pdf.content == large and pdf.headers["content-type"] == "application/pdf"
    assert server.get(f"/api/attachments/{'0' * 64}").status_code == 404
    assert server.get("/api/attachments/..%2F..%2Fkeys.json").status_code == 404


REFUSED = {
    "empty.txt": (b"", 415, "empty"),
    "cat.png": (b"\x89PNG\r\n\x1a\n0000", 415, "can see"),
    "cat.jpg": (b"\xff\xd8\xff\xe0000", 415, "can see"),
    "a.bin": (b"ab\0cd", 415, "no text"),
    "latin.txt": ("für".encode("latin-1"), 415, "UTF-8"),
    "a.docx": (b"PK\x03\x04\xff\xfe", 415, "no text"),
    "long.txt": (b"word " * 60000, 413, "256"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_w64_what_no_model_can_read_is_refused_in_a_sentence(serve, script, name):
    server = serve(script(["ok"]))
    content, status, words = REFUSED[name]
    answer = send_file(server, name, content)
    assert answer.status_code == status and words in answer.json()["error"], answer.text
    assert list((server.data / "attachments").iterdir()) == []


def test_w64_names_and_sizes(serve, script):
    server = serve(script(["ok"]))
    assert keep(server, "../../etc/passwd", b"x")["name"] == "passwd"
    octets = {"Content-Type": "application/octet-stream"}
    for path in ("/api/attachments", "/api/attachments?name=a%00b", "/api/attachments?name=" + "a" * 201):
        assert server.http("POST", path, content=b"x", headers=octets).status_code == 400
    with Raw(server) as raw:
        head = f"POST /api/attachments?name=a HTTP/1.1\r\nHost: 127.0.0.1:{server.port}\r\nContent-Type: application/octet-stream\r\n"
        raw.send(f"{head}Content-Length: {40 << 20}\r\n\r\n".encode())
        assert b" 413 " in raw.read_all() and b"32 MiB" in raw.got
    assert server.http("POST", "/api/attachments", content=b"x", headers={"Content-Type": "text/plain"}).status_code == 415


def test_n30_the_model_reads_the_files_before_the_message(serve, script):
    server = serve(script(tokens=[], echo=True))
    with Native(server) as client:
        first = keep(server, "a.md", b"see ```code``` here")
        second = keep(server, "b.txt", b"plain\n")
        ack = client.begin("What is it?", attachments=[ref(first), ref(second, "renamed.txt")])
        client.until("end")
        said = server.answer_of(ack["conversation"])["content"]
        assert said == "a.md:\n````\nsee ```code``` here\n````\n\nrenamed.txt:\n```\nplain\n```\n\nWhat is it?"
        user = server.conversation(ack["conversation"])["messages"][0]
        assert user["content"] == "What is it?"
        assert [(one["id"], one["name"], one["text_size"]) for one in user["attachments"]] == [
            (first["id"], "a.md", 19),
            (second["id"], "renamed.txt", 6),
        ]
        server.restart()
    with Native(server) as client:
        client.watch(ack["conversation"])
        snapshot = client.until("snapshot")
        assert [one["name"] for one in snapshot["messages"][0]["attachments"]] == ["a.md", "renamed.txt"]
        client.begin("And?", ack["conversation"])
        client.until("end")
    assert server.answer_of(ack["conversation"])["content"] == "And?"


def test_n30_a_file_alone_is_a_message(serve, script):
    server = serve(script(["ok"]))
    with Native(server) as client:
        ack = client.begin("", attachments=[ref(keep(server, "notes.txt", b"abc"))])
        client.until("end")
    assert server.conversation(ack["conversation"])["title"] == "notes.txt"


def test_n30_files_that_cannot_be_sent(serve, script):
    server = serve(script(["ok"]))
    pdf = keep(server, "a.pdf", b"%PDF-1.7 and so on")
    assert pdf["type"] == "application/pdf" and pdf["text_size"] is None
    halves = [keep(server, f"{number}.txt", b"%d" % number + b" word" * 30000) for number in range(2)]
    good = keep(server, "good.txt", b"x")
    wrong = [
        ([{"id": "0" * 64, "name": "x"}], "not_found"),
        ([ref(pdf)], "bad_request"),
        ([ref(one) for one in halves], "too_large"),
        ([ref(good)] * 21, "bad_request"),
        ([{"id": "../x", "name": "x"}], "bad_request"),
        ([ref(good, "a/b")], "bad_request"),
        ([7], "bad_request"),
        ("all", "bad_request"),
    ]
    with Native(server) as client:
        for attachments, code in wrong:
            client.send(type="send", client_msg_id="a", text="x", attachments=attachments)
            error = client.until("error", "ack")
            assert error["type"] == "error" and error["code"] == code and error["text"], (attachments, error)
    assert server.get("/api/conversations").json()["conversations"] == []


def test_n6_other_files_are_another_message(serve, script):
    """A retry is told apart by its files as it is by its text: a conflict in a conversation, another one without."""
    server = serve(script(["ok"]))
    first, second = keep(server, "a.md", b"one"), keep(server, "b.md", b"two")
    with Native(server) as client:

        def send(files, **fields):
            client.send(type="send", client_msg_id="u1", text="Read", attachments=[ref(one) for one in files], **fields)
            return client.until("ack", "error")

        ack = send([first, second])
        client.until("end")
        again = send([first, second])
        assert again["duplicate"] and again["generation"] == ack["generation"]
        for files in ([first], [second, first], []):
            name = send(files)["conversation"]
            assert name != ack["conversation"]
            client.until("end", conversation=name)
            assert send(files, conversation=name)["duplicate"]
            refused = send([first, second], conversation=name)
            assert (refused["type"], refused["code"]) == ("error", "conflict")
        assert len(server.conversation(ack["conversation"])["messages"]) == 2


def test_n21_w52_an_edit_and_a_fork_have_the_files_too(serve, script):
    server = serve(script(tokens=[], echo=True))
    first, second = keep(server, "a.md", b"one"), keep(server, "b.md", b"two")
    read = "{}:\n```\n{}\n```\n\n"
    with Native(server) as client:
        ack = client.begin("Read", attachments=[ref(first)])
        name, message = ack["conversation"], ack["message"]
        client.until("end")
        client.send(type="edit", client_msg_id="e1", conversation=name, message=message, text="Better", attachments=[ref(first, "c.md"), ref(second)])
        edited = client.until("ack")
        client.until("end")
        assert server.answer_of(name)["content"] == read.format("c.md", "one") + read.format("b.md", "two") + "Better"
        client.send(type="edit", client_msg_id="e2", conversation=name, message=message, text="Plain")
        client.until("ack")
        client.until("end")
        assert server.answer_of(name)["content"] == "Plain"
        copy = server.post(f"/api/conversation/{name}/fork", {"message": edited["message"]}).json()["conversation_id"]
    assert server.http("DELETE", f"/api/conversations/{name}?purge=1").status_code == 200
    [forked] = server.conversation(copy)["messages"]
    assert [(one["id"], one["name"]) for one in forked["attachments"]] == [(first["id"], "c.md"), (second["id"], "b.md")]
    assert is_there(server, first) and is_there(server, second)
    with Native(server) as client:
        client.send(type="regenerate", client_msg_id="r1", conversation=copy, message=forked["id"])
        client.until("ack")
        client.watch(copy)
        wait_until(lambda: len(server.conversation(copy)["messages"]) == 2 and server.answer_of(copy)["generation"]["ended"])
    assert server.answer_of(copy)["content"] == read.format("c.md", "one") + read.format("b.md", "two") + "Better"


def test_w65_the_text_of_a_pdf_is_given_by_whoever_can_read_it(serve, script):
    server = serve(script(tokens=[], echo=True))
    pdf = keep(server, "a.pdf", b"%PDF-1.7 and so on")
    path = f"/api/attachments/{pdf['id']}/text"
    assert server.post(path, {"text": " \n"}).status_code == 400
    assert server.post(path, {"text": "a" * 300000}).status_code == 413
    assert server.post(path, {"text": "Page one"}).json() == {"success": True, "text_size": 8}
    text = keep(server, "a.txt", b"mine")
    assert server.post(f"/api/attachments/{text['id']}/text", {"text": "yours"}).status_code == 404
    assert keep(server, "a.pdf", b"%PDF-1.7 and so on")["text_size"] is None
    with Native(server) as client:
        ack = client.begin("Read", attachments=[ref(pdf)])
        client.until("end")
    assert "Page one" in server.answer_of(ack["conversation"])["content"]


def test_w64_a_file_goes_with_the_last_conversation_that_has_it(serve, script):
    server = serve(script(["ok"]))
    file = keep(server, "a.txt", b"shared")
    with Native(server) as client:
        names = []
        for _ in range(2):
            names.append(client.begin("x", attachments=[ref(file)])["conversation"])
            client.until("end", conversation=names[-1])
    server.http("DELETE", f"/api/conversations/{names[0]}?purge=1")
    keep(server, "b.txt", b"another")  # what is done aside is done in its order
    assert is_there(server, file)
    server.http("DELETE", f"/api/conversations/{names[1]}?purge=1")
    wait_until(lambda: not place(server, file).exists())
    assert not is_there(server, file)
    again = keep(server, "a.txt", b"shared")
    assert is_there(server, again) and place(server, again).exists()


def test_w64_kill_9_leaves_no_half_file_and_loses_none(serve, script):
    server = serve(script(["ok"]))
    file = keep(server, "a.txt", b"kept")
    (server.data / "attachments" / "incoming-0123").write_bytes(b"half")
    server.kill()
    server.start()
    assert not (server.data / "attachments" / "incoming-0123").exists()
    assert server.get(f"/api/attachments/{file['id']}").content == b"kept"
    with Native(server) as client:
        client.begin("x", attachments=[ref(file)])
        client.until("end")


def test_w64_a_file_that_nobody_sends_goes_after_a_day(new_server, script):
    server = new_server(script(["ok"])).start()
    file = keep(server, "a.txt", b"never sent")
    server.stop()
    with sqlite3.connect(server.data / "runnel.db") as database:
        database.execute("UPDATE attachment SET added_ms = added_ms - 86400001")
    database.close()
    server.start()
    wait_until(lambda: not place(server, file).exists())
    assert not is_there(server, file)
