"""Readers of event streams and pages over HTTP: one thread each, to the last line. [W15] [W27] [O4]"""

import json

import httpx

WAIT_S = 30


def sse(server, path, method="GET", seconds=WAIT_S, **arguments):
    """The events of a stream until it ends: (id, event, data) each; comments are None."""
    options = {"timeout": seconds, "trust_env": False, **arguments}
    with httpx.stream(method, server.url + path, **options) as answer:
        assert answer.status_code == 200, (answer.status_code, answer.read())
        assert answer.headers["content-type"].startswith("text/event-stream")
        assert answer.headers["cache-control"] == "no-store" and answer.headers["x-accel-buffering"] == "no"
        event = {}
        for line in answer.iter_lines():
            if line.startswith(":"):
                yield None
            elif line:
                name, _, value = line.partition(": ")
                event[name] = value
            elif event:
                yield event.get("id"), event.get("event"), event["data"]
                event = {}


def said(events):
    """What a stream of [W15] said: the tokens as (generation, seq, text), and the names of what else came, in order."""
    tokens, rest = [], []
    for identity, event, data in (event for event in events if event):
        generation, _, seq = identity.split(".")
        if data == "[DONE]" or event:
            rest.append(event or "done")
        else:
            tokens.append((generation, int(seq), json.loads(data)["token"]))
    return tokens, rest


def place(generation, epoch, seq):
    return {"Last-Event-ID": f"{generation}.{epoch}.{seq}"}


def live(server, generation, after=0, **headers):
    """The numbered events of [W27] as they come, until the last end."""
    path = f"/api/generations/{generation}/events?after={after}"
    found = []
    for event in sse(server, path, headers={"Accept": "text/event-stream", **headers}):
        if event and event[1] != "phase":
            identity, kind, data = event
            data = json.loads(data)
            assert identity.split(".")[0] == data["generation"] and int(identity.split(".")[2]) == data["seq"]
            assert kind == data["type"]
            found.append(data)
    return found


def pages(server, generation, limit=1000, after=0):
    """All events of one generation there are, page by page."""
    events = []
    while after is not None:
        page = server.get(f"/api/generations/{generation}/events", params={"after": after, "limit": limit}).json()
        assert len(page["events"]) <= limit and page["generation"] == generation
        events += page["events"]
        if not page["events"] and not page["ended"]:
            break
        after = page["next"]
    return events


def completion(server, **body):
    """One streamed call of part 4: its chunks, and whether [DONE] came last."""
    body = {"messages": [{"role": "user", "content": "Hi"}], "stream": True, **body}
    datas = [event[2] for event in sse(server, "/v1/chat/completions", "POST", json=body) if event]
    return [json.loads(data) for data in datas if data != "[DONE]"], datas[-1] == "[DONE]"
