"""[N14] [N7] [N8] Messages that wait in a conversation, and the limits of waiting."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from harness.clients import Chat, Native
from harness.oracle import Mirror, check_stored
from harness.streams import live, said, sse


@pytest.fixture
def queueing(new_server, script):
    """A server that lets messages wait, and an answer that stands at its third token; the others say their own words."""

    def make(**options):
        tale = script(tokens=[], echo=True).gate(3, when="first")
        server = new_server(tale, **options).start()
        assert server.post("/api/config", {"when_busy": "queue"}).json()["when_busy"] == "queue"
        return server, tale

    return make


def waiting(frame):
    return [message["content"] for message in frame["messages"]]


def queue_of(client, n):
    """Reads until so many wait."""
    while True:
        frame = client.until("queue")
        if len(frame["messages"]) == n:
            return frame


def read_until_ends(client, n):
    while len(client.of_type("end")) < n:
        client.recv()


def test_three_sends_are_answered_in_turn_for_every_watcher(queueing):
    """Two watchers, one who joins in the middle, and one message that is cancelled while it waits."""
    server, tale = queueing()
    with Native(server) as one, Native(server) as two, Native(server) as late:
        first = one.begin("first words of it")
        name = first["conversation"]
        one.until_seq(3)
        two.watch(name)
        two.until("snapshot")
        acks = [one.begin(f"message {number} here", name) for number in range(3)]
        assert [ack["duplicate"] for ack in acks] == [False] * 3
        frame = queue_of(two, 3)
        assert waiting(frame) == [f"message {number} here" for number in range(3)]
        assert [message["generation"] for message in frame["messages"]] == [ack["generation"] for ack in acks]
        assert [message["id"] for message in frame["messages"]] == [ack["message"] for ack in acks]
        late.watch(name)
        snapshot = late.until("snapshot")
        assert [message["content"] for message in snapshot["messages"]] == ["first words of it", "first words"]
        assert waiting(late.until("queue")) == [f"message {number} here" for number in range(3)]
        two.send(type="stop", generation=acks[1]["generation"])
        assert waiting(queue_of(late, 2)) == ["message 0 here", "message 2 here"]
        assert len(one.of_type("message")) == 1, "what waits is in the queue, not in the walk"
        tale.open(3, when="first")
        for client in (one, two, late):
            read_until_ends(client, 4)
            if client.of_type("queue")[-1]["messages"]:
                queue_of(client, 0)
        for client in (one, two, late):
            mirror = Mirror(name).feed(*client.frames)
            check_stored(server, mirror)
            ends = [(frame["generation"], frame["reason"]) for frame in client.of_type("end")]
            assert ends == [(first["generation"], "stop")] + [
                (ack["generation"], reason) for ack, reason in zip(acks, ("stop", "cancelled", "stop"))
            ]
    texts = [message["content"] for message in server.conversation(name)["messages"]]
    assert texts == ["first words of it"] * 2 + ["message 0 here"] * 2 + ["message 1 here", ""] + ["message 2 here"] * 2


def test_without_the_setting_a_send_is_refused_and_nothing_is_stored(serve, script):
    """[N7] when_busy = refuse is the default."""
    tale = script(tokens=[], echo=True).gate(3, when="first")
    server = serve(tale)
    assert server.get("/api/config").json()["when_busy"] == "refuse"
    with Native(server) as client:
        ack = client.begin("first words of it")
        client.until_seq(3)
        client.send(type="send", client_msg_id="b", text="second", conversation=ack["conversation"])
        assert client.until("ack", "error")["code"] == "busy"
        refused = server.post("/api/chat", {"message": "third", "conversation_id": ack["conversation"]})
        assert refused.status_code == 409
        tale.open(3, when="first")
        client.until("end")
        assert client.of_type("queue") == []
    assert len(server.conversation(ack["conversation"])["messages"]) == 2


def test_a_retry_of_a_send_that_waits_is_the_same_send(queueing):
    """[P10] [N6]"""
    server, tale = queueing()
    with Native(server) as client:
        name = client.begin("first words of it")["conversation"]
        client.until_seq(3)
        ack = client.begin("second", name, "s-1")
        again = client.begin("second", name, "s-1")
        assert again["duplicate"] is True and again["generation"] == ack["generation"]
        client.send(type="send", client_msg_id="s-1", text="other", conversation=name)
        assert client.until("ack", "error")["code"] == "conflict"
        assert [waiting(frame) for frame in client.of_type("queue")] == [["second"]]
        tale.open(3, when="first")
        read_until_ends(client, 2)
    assert len(server.conversation(name)["messages"]) == 4


def test_a_queue_of_sixteen_is_full(queueing):
    """429 with Retry-After in REST and event streams; queue_full in the WebSockets."""
    server, tale = queueing()
    with Native(server) as client, Chat(server) as chat:
        name = client.begin("first words of it")["conversation"]
        client.until_seq(3)
        n_waiting = 0
        while True:
            client.send(type="send", client_msg_id=f"q-{n_waiting}", text=f"m{n_waiting}", conversation=name)
            frame = client.until("ack", "error")
            if frame["type"] == "error":
                break
            n_waiting += 1
        assert frame["code"] == "queue_full" and frame["text"] and 15 <= n_waiting <= 16
        for path in ("/api/chat", "/api/chat/stream"):
            refused = server.post(path, {"message": "one more", "conversation_id": name})
            assert refused.status_code == 429 and int(refused.headers["retry-after"]) >= 1 and refused.json()["error"]
        chat.ask("one more", name)
        assert chat.until("error", "token", "done")["type"] == "error"
        tale.open(3, when="first")
        read_until_ends(client, n_waiting + 1)
    texts = [m["content"] for m in server.conversation(name)["messages"] if m["role"] == "user"]
    assert texts == ["first words of it"] + [f"m{number}" for number in range(n_waiting)]


def test_a_server_with_enough_to_do_says_429(queueing):
    """[O3] [W7] `--queue` answers are made or wait; the compatible API has its own shape."""
    server, tale = queueing(flags=["--queue", "2"])
    with Native(server) as client:
        client.begin("first words of it")
        client.until_seq(3)
        client.begin("first of another")
        client.send(type="send", client_msg_id="x", text="too much")
        assert client.until("error")["code"] == "queue_full"
        refused = server.post("/api/chat", {"message": "too much"})
        assert refused.status_code == 429 and int(refused.headers["retry-after"]) >= 1
        for stream in (False, True):
            body = {"messages": [{"role": "user", "content": "too much"}], "stream": stream}
            refused = server.post("/v1/chat/completions", body)
            error = refused.json()["error"]
            assert refused.status_code == 429 and int(refused.headers["retry-after"]) >= 1
            assert error["type"] == "rate_limit_error" and error["code"] == "rate_limit_exceeded" and error["message"]
        tale.open(3, when="first")
        read_until_ends(client, 2)
        assert server.post("/api/chat", {"message": "now"}).status_code == 200


def test_messages_into_conversations_that_are_read_first_count_too(queueing):
    """[N14] `--queue` holds for all who ask at once, also while their conversations are still on the disk."""
    server, tale = queueing(flags=["--queue", "2"])
    tale.open(3, when="first")
    names = [server.post("/api/chat", {"message": f"first {number}"}).json()["conversation_id"] for number in range(6)]
    for gate in tale.folder.glob("gate-*"):
        gate.unlink()
    server.restart()
    with Native(server) as client:
        for number, name in enumerate(names):
            client.send(type="send", client_msg_id=f"s-{number}", text="first again and more", conversation=name)
        frames = [client.until("ack", "error") for _ in names]
        assert sorted(frame["type"] for frame in frames) == ["ack"] * 2 + ["error"] * 4, frames
        assert {frame["code"] for frame in frames if frame["type"] == "error"} == {"queue_full"}
    tale.open(3, when="first")


@pytest.mark.parametrize("how", ["killed", "stopped"])
def test_what_waits_is_answered_in_order_after_a_restart(queueing, how):
    server, tale = queueing()
    with Native(server) as client:
        name = client.begin("first words of it")["conversation"]
        client.until_seq(3)
        acks = [client.begin(f"later {number}", name) for number in range(2)]
        queue_of(client, 2)
        server.kill() if how == "killed" else server.stop()
    tale.open(3, when="first")
    server.start()
    with Native(server) as client:
        client.watch(name)
        snapshot = client.until("snapshot")
        known = {m["generation"]["id"] for m in snapshot["messages"] if m.get("generation", {}).get("ended")}
        while acks[1]["generation"] not in known:
            frame = client.recv()
            if frame["type"] == "end":
                known.add(frame["generation"])
    messages = server.conversation(name)["messages"]
    assert [message["content"] for message in messages] == ["first words of it"] * 2 + ["later 0"] * 2 + ["later 1"] * 2
    assert [message["generation"]["reason"] for message in messages[1::2]] == ["stop"] * 3
    assert [message["generation"]["id"] for message in messages[3::2]] == [ack["generation"] for ack in acks]


def test_the_original_protocols_wait_too(queueing):
    """[W12] [W14] in a busy conversation with when_busy = queue: the answer comes in its turn."""
    server, tale = queueing()
    with Native(server) as client, Chat(server) as chat, ThreadPoolExecutor(1) as pool:
        name = client.begin("first words of it")["conversation"]
        client.until_seq(3)
        chat.ask("second question", name)
        queue_of(client, 1)
        rest = pool.submit(server.post, "/api/chat", {"message": "third question", "conversation_id": name})
        queue_of(client, 2)
        tale.open(3, when="first")
        tokens, done = chat.answer()
        assert "".join(frame["token"] for frame in tokens) == "second question" and done["type"] == "done"
        assert rest.result().json()["message"]["content"] == "third question"


def test_readers_of_what_waits_are_told_when_the_server_stops(queueing):
    """[W8] [W14] [W15] [W27] It has no end yet, and it is answered after the next start."""
    server, tale = queueing()
    with Native(server) as client, ThreadPoolExecutor(3) as pool:
        name = client.begin("first words of it")["conversation"]
        client.until_seq(3)
        second = client.begin("second", name)["generation"]
        queue_of(client, 1)
        whole = pool.submit(server.post, "/api/chat", {"message": "third", "conversation_id": name})
        queue_of(client, 2)
        body = {"message": "fourth", "conversation_id": name}
        stream = pool.submit(lambda: said(sse(server, "/api/chat/stream", "POST", json=body)))
        queue_of(client, 3)
        path, headers = f"/api/generations/{second}/events", {"Accept": "text/event-stream"}
        kinds = []
        begun = threading.Event()

        def read():
            for event in sse(server, path, headers=headers):
                kinds.append(event and event[1])
                begun.set()

        events = pool.submit(read)
        assert begun.wait(30)
        server.stop()
        refused = whole.result()
        assert refused.status_code == 503 and "stopping" in refused.json()["error"]
        assert stream.result() == ([], ["error", "done"])
        events.result()
        assert kinds[0] == "start" and "end" not in kinds
    tale.open(3, when="first")
    server.start()
    assert [event["type"] for event in live(server, second)][-1] == "end"
    assert server.post("/api/chat", {"message": "fifth", "conversation_id": name}).status_code == 200
    texts = [message["content"] for message in server.conversation(name)["messages"]]
    assert texts == [text for text in ("first words of it", "second", "third", "fourth", "fifth") for _ in range(2)]


def test_stop_of_a_conversation_ends_what_runs_and_what_waits(queueing):
    """[N8]"""
    server, _ = queueing()
    with Native(server) as client:
        name = client.begin("first words of it")["conversation"]
        client.until_seq(3)
        client.begin("second", name)
        client.begin("third", name)
        client.send(type="stop", conversation=name)
        read_until_ends(client, 3)
        assert [frame["reason"] for frame in client.of_type("end")] == ["cancelled"] * 3
