"""The native protocol beyond the promise: hello, several conversations, side bar, phases, errors. [N1] [N5] [N6] [N9] [N11]"""

import json

import pytest

from harness.clients import Native
from harness.oracle import Mirror, follow


def test_hello_tells_epoch_version_and_model(serve, script):
    server = serve(script())
    with Native(server) as client:
        hello = client.frames[0]
        assert hello["protocol"] == 1 and len(hello["epoch"]) == 16 and hello["version"]
        assert hello["model"]["state"] == "none" and "model_path" in hello["model"]


NO_HELLOS = ["{", "[]", "{}", "7", '{"type":"watch"}', '{"type":"hello"}', '{"type":"hello","protocol":2}']


@pytest.mark.parametrize("first", NO_HELLOS)
def test_a_first_frame_that_is_no_hello_closes_with_4000(serve, script, first):
    server = serve(script())
    with Native(server, hello=False) as client:
        client.send_text(first)
        assert client.close_code() == 4000
    assert server.is_serving()


def test_no_hello_at_all_closes_with_4000(serve, script):
    server = serve(script())
    with Native(server, hello=False) as client:
        assert client.close_code() == 4000


def test_unknown_types_are_ignored_and_bad_json_is_an_error(serve, script):
    """[N1]"""
    server = serve(script())
    with Native(server) as client:
        client.send(type="dance", with_whom="nobody")
        client.send_text('{"type":')
        assert client.until("error")["code"] == "bad_json"
        client.send_text("[" * 100 + "]" * 100)
        assert client.until("error")["code"] == "bad_json"
        client.send(type="ping")
        client.until("ping")
        assert len(client.of_type("error")) == 2


def test_errors_say_what_they_are_about(serve, script):
    """[N11]"""
    server = serve(script())
    unknown = "chat_1999-01-01-00-00-00-000.txt"
    wrong = [
        ({"type": "watch", "conversation": unknown}, "not_found"),
        ({"type": "watch", "conversation": "../../etc/passwd"}, "bad_request"),
        ({"type": "watch"}, "bad_request"),
        ({"type": "send", "client_msg_id": "a", "text": "x", "conversation": unknown}, "not_found"),
        ({"type": "send", "client_msg_id": "a", "text": "x", "conversation": "../x"}, "bad_request"),
        ({"type": "send", "client_msg_id": "a", "text": ""}, "bad_request"),
        ({"type": "send", "client_msg_id": "a"}, "bad_request"),
        ({"type": "send", "client_msg_id": "ö", "text": "x"}, "bad_request"),
        ({"type": "send", "client_msg_id": "a" * 65, "text": "x"}, "bad_request"),
        ({"type": "send", "text": "x"}, "bad_request"),
        ({"type": "send", "client_msg_id": "a", "text": "x", "settings": {"temperature": 3}}, "bad_request"),
        ({"type": "send", "client_msg_id": "a", "text": "x", "settings": {"colour": 3}}, "bad_request"),
        ({"type": "send", "client_msg_id": "a", "text": "x", "settings": {"context_size": 512}}, "bad_request"),
        ({"type": "send", "client_msg_id": "a", "text": "x", "parent": "nobody"}, "bad_request"),
        ({"type": "stop"}, "bad_request"),
        ({"type": "hello", "protocol": 1}, "bad_request"),
    ]
    with Native(server) as client:
        for request, code in wrong:
            client.send(**request)
            error = client.until("error", "ack", "snapshot")
            assert error["type"] == "error" and error["code"] == code, (request, error)
            assert error["text"]
            keys = ("type", "client_msg_id", "conversation")
            assert error["about"] == {key: request[key] for key in keys if key in request}
    assert server.get("/api/conversations").json()["conversations"] == []


def test_several_conversations_share_a_socket(serve, script):
    server = serve(script(tokens=[], echo=True))
    with Native(server) as client:
        acks = [client.begin(" ".join(f"c{number}w{word}" for word in range(40))) for number in range(5)]
        mirrors = [Mirror(ack["conversation"]) for ack in acks]
        for number, mirror in enumerate(mirrors):
            follow(client, mirror)
            assert mirror.text.startswith(f"c{number}w0 ") and mirror.text.endswith(f" c{number}w39")


def test_more_than_64_watches_are_refused(serve, script):
    server = serve(script(tokens=["x"]))
    with Native(server) as client:
        names = []
        for number in range(64):
            names.append(client.begin(f"conversation {number}")["conversation"])
            client.until("end", conversation=names[-1])
        client.send(type="send", client_msg_id="one-more", text="x")
        error = client.until("error", "ack")
        assert error["code"] == "queue_full" and error["about"]["client_msg_id"] == "one-more"
        client.send(type="unwatch", conversation=names[0])
        client.begin("fits again")
        client.until("end")


def test_unwatch_ends_the_frames_of_a_conversation(serve, script):
    tale = script().gate(2)
    server = serve(tale)
    with Native(server) as client, Native(server) as other:
        ack = client.begin("One")
        client.until_seq(2)
        other.watch(ack["conversation"])
        other.until("snapshot")
        other.send(type="unwatch", conversation=ack["conversation"])
        other.send(type="ping")
        other.until("ping")
        tale.open_all()
        client.until("end")
        other.send(type="ping")
        other.until("ping")
        assert other.of_type("tokens", "end") == []


def test_the_side_bar_is_told_of_every_conversation(serve, script):
    tale = script().gate(2)
    server = serve(tale)
    with Native(server) as client, Native(server) as other:
        ack = client.begin("Rivers of the north\nand more")
        created = other.until("conversation")
        assert created["event"] == "created" and created["conversation"] == ack["conversation"]
        assert created["title"] == "Rivers of the north" and created["running"] is True
        assert created["timestamp"].endswith("Z") and "T" in created["timestamp"]
        tale.open_all()
        assert other.until("conversation", event="running")["running"] is False
        client.begin("More", ack["conversation"])
        assert other.until("conversation", event="running")["running"] is True
        other.until("conversation", event="running", running=False)
        server.http("DELETE", f"/api/conversations/{ack['conversation']}")
        other.until("conversation", event="deleted", conversation=ack["conversation"])


def test_the_phases_of_a_first_answer_are_loading_then_prefill(serve, script):
    """[N5], and the model's own frames."""
    tale = script(load_ms=200, load_steps=4, prompt_tokens=1000, prefill_chunk=250).gate(0).gate(1)
    server = serve(tale)
    with Native(server) as client, Native(server) as late:
        ack = client.begin("One")
        client.until("phase", phase="loading")
        late.watch(ack["conversation"])
        late.until("phase", phase="loading")
        tale.open(0)
        client.until("phase", phase="prefill", done=1000)
        tale.open_all()
        client.until("end")
        phases = client.of_type("phase")
        kinds = [frame["phase"] for frame in phases]
        assert kinds == sorted(kinds), "loading, then prefill"
        assert "prefill" in kinds and phases[-1]["total"] == 1000
        progress = [frame["progress"] for frame in phases if frame["phase"] == "loading"]
        assert progress == sorted(progress) and all(0 <= value <= 1 for value in progress)
        order = [frame["type"] for frame in client.frames if frame["type"] in ("start", "phase", "tokens")]
        assert order[0] == "start" and "phase" not in order[order.index("tokens") :]
        states = [frame["state"] for frame in client.of_type("model")]
        assert states[-1] == "ready" and "loading" in states


def test_settings_of_one_send_reach_the_engine_and_change_nothing_else(serve, script):
    tale = script(tokens=["x"], count=50)
    server = serve(tale)
    with Native(server) as client:
        before = server.get("/api/config").json()
        before.pop("model_history")
        client.begin("Five", settings={"max_tokens": 5, "temperature": 0, "stop_tokens": []})
        end = client.until("end")
        assert end["reason"] == "length" and end["usage"]["completion_tokens"] == 5
        after = server.get("/api/config").json()
        after.pop("model_history")
        assert after == before
        client.begin("All")
        assert client.until("end")["usage"]["completion_tokens"] == 50


def test_an_end_has_usage_and_timings(serve, script):
    server = serve(script(prompt_tokens=9), flags=["--context", "4096"])
    with Native(server) as client:
        client.begin("One")
        end = client.until("end")
        assert end["usage"]["prompt_tokens"] == 9 and end["usage"]["completion_tokens"] == 13
        assert set(end["timings"]) >= {"queued_ms", "prefill_ms", "decode_ms"}
        last = client.of_type("tokens")[-1]
        assert last["tokens_used"] == 22 and last["max_tokens"] == 4096


def test_a_conversation_of_megabytes_is_one_snapshot(serve, script):
    text = "".join(f"line {number} \u2028<b>\n" for number in range(30000))
    server = serve(script(tokens=["ok"], prompt_tokens=5))
    with Native(server) as client:
        ack = client.begin(text)
        client.until("end")
        for _ in range(3):
            client.begin(text, ack["conversation"])
            client.until("end")
    with Native(server) as client:
        client.watch(ack["conversation"])
        messages = client.until("snapshot")["messages"]
        assert [message["content"] for message in messages] == [text, "ok"] * 4
        assert len(json.dumps(messages)) > 2_000_000


def test_a_large_answer_comes_in_frames_of_bounded_text(serve, script):
    server = serve(script(tokens=["y" * 5000], count=200))
    with Native(server) as client:
        ack = client.begin("Much")
        mirror = follow(client, Mirror(ack["conversation"]))
        assert len(mirror.text) == 1_000_000
        assert max(len(frame["text"]) for frame in client.of_type("tokens")) <= 32 << 10
