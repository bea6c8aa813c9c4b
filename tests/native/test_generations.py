"""[W26] [W27] One generation and its events: pages and streams, of any age, at any place."""

import json
import time
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from harness.clients import Native
from harness.streams import live, pages, place, sse


@pytest.fixture
def told(serve, script):
    """A server with one whole answer."""
    tale = script(prompt_tokens=5)
    server = serve(tale, flags=["--context", "4096"])
    with Native(server) as client:
        ack = client.begin("Tell me")
        client.until("end")
        yield server, tale, ack, client.epoch


def test_one_generation_is_described(told):
    server, tale, ack, epoch = told
    answer = server.get(f"/api/generations/{ack['generation']}").json()
    message = server.answer_of(ack["conversation"])
    assert set(answer) == {
        "id", "conversation", "message", "continues", "continued_by", "epoch", "seq", "ended", "reason", "error", "usage", "timings", "model",
    }  # fmt: skip
    assert answer["id"] == ack["generation"] and answer["conversation"] == ack["conversation"] and answer["message"] == message["id"]
    assert answer["epoch"] == epoch and answer["seq"] == len(tale.tokens) + 2
    assert answer["ended"] is True and answer["reason"] == "stop" and answer["error"] is None
    assert answer["continues"] is None and answer["continued_by"] is None
    assert answer["usage"] == message["generation"]["usage"] and answer["model"] == "fake.json"


def test_the_events_of_a_whole_answer(told):
    server, tale, ack, epoch = told
    page = server.get(f"/api/generations/{ack['generation']}/events").json()
    assert page["generation"] == ack["generation"] and page["epoch"] == epoch and page["ended"] is True and page["next"] is None
    start, *tokens, end = page["events"]
    assert start["type"] == "start" and start["seq"] == 1 and start["continues"] is None
    assert [token["text"] for token in tokens] == tale.tokens
    assert [token["seq"] for token in tokens] == list(range(2, len(tale.tokens) + 2))
    assert [token["tokens_used"] for token in tokens] == list(range(6, len(tale.tokens) + 6))
    assert {token["max_tokens"] for token in tokens} == {4096}
    assert [token["token"] for token in tokens] == list(range(len(tale.tokens)))
    assert end["type"] == "end" and end["reason"] == "stop" and end["usage"]["completion_tokens"] == len(tale.tokens)
    assert live(server, ack["generation"]) == page["events"], "the stream says the same"


@pytest.mark.parametrize("limit", [1, 4, 15, 16, 10000])
def test_pages_of_any_size_are_the_same_events(told, limit):
    server, _, ack, _ = told
    whole = server.get(f"/api/generations/{ack['generation']}/events").json()["events"]
    assert pages(server, ack["generation"], limit=limit) == whole
    server.restart()
    assert pages(server, ack["generation"], limit=limit) == whole, "from the disk"


@pytest.mark.parametrize("after", range(0, 16))
def test_every_place_can_be_gone_on_from(told, after):
    server, _, ack, epoch = told
    whole = server.get(f"/api/generations/{ack['generation']}/events").json()["events"]
    assert pages(server, ack["generation"], after=after) == whole[after:]
    path = f"/api/generations/{ack['generation']}/events"
    headers = {"Accept": "text/event-stream"}
    if after == len(whole):
        assert server.get(path, params={"after": after}, headers=headers).status_code == 204, "a browser does not come back"
        return
    assert live(server, ack["generation"], after=after) == whole[after:]
    assert live(server, ack["generation"], **place(ack["generation"], epoch, after)) == whole[after:]


def test_a_wrong_place_is_said_with_its_reason(told):
    server, tale, ack, epoch = told
    generation = ack["generation"]
    unknown = "f" * 32
    ahead = len(tale.tokens) + 3
    events = {"Accept": "text/event-stream"}
    wrong = [
        (f"/api/generations/{unknown}", {}, {}, 404, "generation"),
        (f"/api/generations/{unknown}/events", {}, {}, 404, "generation"),
        (f"/api/generations/{unknown}/events", {}, events, 404, "generation"),
        (f"/api/generations/{generation}/events", {"after": ahead}, {}, 404, "ahead"),
        (f"/api/generations/{generation}/events", {"after": ahead}, events, 404, "ahead"),
        (f"/api/generations/{generation}/events", {"after": 1, "epoch": "0" * 16}, {}, 404, "epoch"),
        (f"/api/generations/{generation}/events", {"after": 1, "epoch": "0" * 16}, events, 404, "epoch"),
        (f"/api/generations/{generation}/events", {}, {**events, **place(generation, "0" * 16, 1)}, 404, "epoch"),
        (f"/api/generations/{generation}/events", {}, {**events, **place(generation, epoch, ahead)}, 404, "ahead"),
        (f"/api/generations/{generation}/events", {}, {**events, **place(unknown, epoch, 1)}, 404, "generation"),
        (f"/api/generations/{generation}/events", {}, {**events, "Last-Event-ID": "7"}, 400, "Last-Event-ID"),
        (f"/api/generations/{generation}/events", {"after": "x"}, {}, 400, "after"),
        (f"/api/generations/{generation}/events", {"after": "-1"}, {}, 400, "after"),
        (f"/api/generations/{generation}/events", {"limit": "0"}, {}, 400, "limit"),
        (f"/api/generations/{generation}/events", {"limit": "10001"}, {}, 400, "limit"),
        ("/api/generations/", {}, {}, 400, "generation"),
        ("/api/generations/xyz", {}, {}, 400, "generation"),
        (f"/api/generations/{generation.upper()}", {}, {}, 400, "generation"),
        (f"/api/generations/{generation}0", {}, {}, 400, "generation"),
        (f"/api/generations/{generation}/other", {}, {}, 400, "generation"),
    ]
    for path, params, headers, status, word in wrong:
        answer = server.get(path, params=params, headers=headers)
        assert answer.status_code == status and word in answer.json()["error"], (path, params, headers, answer.text)
    assert server.get(f"/api/generations/{generation}/events", params={"epoch": epoch}).status_code == 200
    assert server.post(f"/api/generations/{generation}").status_code == 405


def test_a_last_event_id_of_another_message_is_refused(told):
    server, _, ack, epoch = told
    with Native(server) as client:
        other = client.begin("More", ack["conversation"])
        client.watch(ack["conversation"])
        client.until("snapshot")
    answer = server.get(
        f"/api/generations/{ack['generation']}/events",
        headers={"Accept": "text/event-stream", **place(other["generation"], epoch, 1)},
    )
    assert answer.status_code == 404 and "generation" in answer.json()["error"]


def test_a_page_of_an_answer_that_is_written_says_where_to_go_on(serve, script):
    tale = script().gate(4)
    server = serve(tale)
    with Native(server) as client:
        ack = client.begin("Tell me")
        client.until_seq(4)
        path = f"/api/generations/{ack['generation']}/events"
        page = server.get(path).json()
        assert [event["seq"] for event in page["events"]] == [1, 2, 3, 4] and page["ended"] is False and page["next"] == 4
        empty = server.get(path, params={"after": 4}).json()
        assert empty["events"] == [] and empty["next"] == 4
        assert server.get(f"/api/generations/{ack['generation']}").json()["ended"] is False
        tale.open_all()
        client.until("end")
        rest = server.get(path, params={"after": 4}).json()
        assert [event["seq"] for event in rest["events"]] == list(range(5, 16)) and rest["next"] is None


def test_each_event_comes_before_the_next_is_made(serve, script):
    tale = script().gate_all()
    server = serve(tale)
    with Native(server) as client:
        ack = client.begin("Tell me")
        path = f"/api/generations/{ack['generation']}/events"
        seen = []
        for event in sse(server, path, headers={"Accept": "text/event-stream"}):
            if event is None or event[1] == "phase":
                continue
            seen.append(event[1])
            tale.open(len(seen))
        assert seen == ["start"] + ["token"] * len(tale.tokens) + ["end"]


def test_a_long_answer_is_paged_by_size(serve, script):
    server = serve(script(tokens=["y" * 5000], count=1000, context_size=60000))
    with Native(server) as client:
        ack = client.begin("Much")
        client.send(type="unwatch", conversation=ack["conversation"])
        client.until("conversation", running=False)
        first = server.get(f"/api/generations/{ack['generation']}/events", params={"limit": 10000})
        assert len(first.content) < 2_000_000 and first.json()["next"] is not None
        events = pages(server, ack["generation"], limit=10000)
        assert [event["seq"] for event in events] == list(range(1, 1003))
        assert sum(len(event.get("text", "")) for event in events) == 5_000_000


def test_phases_and_pings_come_while_there_is_no_token(serve, script):
    """[W9] [P11] A stream in the queue, and one in prefill, are never silent for more than five seconds."""
    tale = script(prompt_tokens=1000, prefill_chunk=250).gate(1)
    server = serve(tale)
    server.post("/api/config", {"when_busy": "queue"})
    with Native(server) as client, ThreadPoolExecutor(2) as pool:
        first = client.begin("First")
        second = client.begin("Second", first["conversation"])

        def listen(generation):
            """The kinds of what came, and the longest silence, until two comments were there."""
            kinds, longest, last = [], 0, time.monotonic()
            for event in sse(server, f"/api/generations/{generation}/events", headers={"Accept": "text/event-stream"}):
                longest, last = max(longest, time.monotonic() - last), time.monotonic()
                kinds.append(event and (event[1], json.loads(event[2]).get("phase")))
                if kinds.count(None) == 2:
                    return kinds, longest

        runs, waits = pool.map(listen, (first["generation"], second["generation"]))
        assert runs[0][0] == ("start", None) and ("phase", "prefill") in runs[0]
        assert waits[0][0] == ("start", None) and {kind for kind in waits[0][1:] if kind} == {("phase", "queued")}
        assert runs[1] <= 5.5 and waits[1] <= 5.5
        tale.open_all()
        client.until("end", generation=second["generation"])


def test_a_generation_in_the_queue_can_be_resumed(serve, script):
    tale = script().gate(2)
    server = serve(tale)
    server.post("/api/config", {"when_busy": "queue"})
    with Native(server) as client, ThreadPoolExecutor(2) as pool:
        first = client.begin("First")
        client.until_seq(2)
        second = client.begin("Second", first["conversation"])
        info = server.get(f"/api/generations/{second['generation']}").json()
        assert info["seq"] == 1 and info["ended"] is False
        assert [event["type"] for event in pages(server, second["generation"])] == ["start"]
        whole = pool.submit(live, server, second["generation"])
        rest = pool.submit(live, server, second["generation"], **place(second["generation"], client.epoch, 1))
        ahead = server.get(f"/api/generations/{second['generation']}/events", params={"after": 2}, headers={"Accept": "text/event-stream"})
        assert ahead.status_code == 404 and "ahead" in ahead.json()["error"]
        tale.open_all()
        assert [event["type"] for event in whole.result()] == ["start"] + ["token"] * 13 + ["end"]
        assert rest.result() == whole.result()[1:]


def test_a_deleted_generation_is_unknown(told):
    server, _, ack, _ = told
    server.http("DELETE", f"/api/conversations/{ack['conversation']}")
    for path in (f"/api/generations/{ack['generation']}", f"/api/generations/{ack['generation']}/events"):
        assert server.get(path).status_code == 404


def test_a_call_of_the_compatible_api_is_known_while_it_runs(serve, script):
    tale = script().gate(3)
    server = serve(tale)
    body = {"messages": [{"role": "user", "content": "Hi"}], "stream": True}
    with httpx.stream("POST", server.url + "/v1/chat/completions", json=body, timeout=30, trust_env=False) as answer:
        lines = (line for line in answer.iter_lines() if line.startswith("data: {"))
        generation = json.loads(next(lines)[6:])["id"].removeprefix("chatcmpl-")
        next(lines)
        info = server.get(f"/api/generations/{generation}").json()
        assert info["conversation"] is None and info["ended"] is False
        tale.open_all()
        assert len(list(lines)) >= 12
    assert server.get(f"/api/generations/{generation}").status_code == 404
