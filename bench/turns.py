"""The time to the first token of the turns of one conversation, as its client sees it."""
import json
import tempfile
import urllib.request

import client
import servers
from rows import Rows
from texts import long_text

N_OTHERS = 6
ANSWER_TOKENS = 32


class Talk:
    """One conversation. Runnel keeps it, in its own protocol; the peer's client sends it whole each time."""

    def __init__(self, is_kept):
        self.is_kept, self.conversation, self.messages = is_kept, None, []

    def ask(self, server, text):
        """ms to the first token."""
        if self.is_kept:
            return self.ask_kept(server, text)
        self.messages.append({"role": "user", "content": text})
        answer = client.Answer(server.base, self.messages, ANSWER_TOKENS)
        client.read([answer])
        self.messages.append({"role": "assistant", "content": answer.text})
        return answer.first_ms

    def ask_kept(self, server, text):
        body = {"message": text, **({"conversation_id": self.conversation} if self.conversation else {})}
        answer = client.Request(server.base, "/api/chat/stream", body)
        client.read([answer])
        if not self.conversation:
            with urllib.request.urlopen(server.base + "/api/conversations") as listed:
                self.conversation = json.loads(listed.read())["conversations"][0]["name"]
        return answer.first_ms


def set_up(server, name):
    """Greedy answers of the same length; the model is loaded."""
    if name == "runnel":
        client.post(server.base, "/api/config", {"sampler_type": "Greedy", "max_tokens": ANSWER_TOKENS}).read()
    client.complete(server.base, "Hi", 4)


def turns_once(a, name, start):
    rows = {}
    with tempfile.TemporaryDirectory(prefix="runnel-bench-") as data:
        talk = Talk(name == "runnel")
        with start(data) as server:
            set_up(server, name)
            rows["1st turn"] = talk.ask(server, long_text(a.prompt))
            rows["2nd turn"] = talk.ask(server, "And then?")
            for number in range(N_OTHERS):
                Talk(name == "runnel").ask(server, long_text(a.prompt // 2, f"Read this instead, {number}."))
            rows["after 6 others"] = talk.ask(server, "And what then?")
        with start(data) as server:
            client.complete(server.base, "Hi", 4)
            rows["after a restart"] = talk.ask(server, "And in the end?")
    return rows


def turns(a):
    """A conversation that begins with some 1,534 tokens: its turns, also after six others and after a restart of the server."""
    rows = Rows()
    sides = [("runnel", lambda data: servers.runnel(a.model, a.threads, data=data))]
    if a.peer:
        sides.append(("peer", lambda data: servers.llama_server(a.peer, a.model, a.peer_threads)))
    for _ in range(a.rounds):
        for name, start in sides:
            figures = turns_once(a, name, start)
            rows.add(**{f"{turn}: {name} ttft ms": figure for turn, figure in figures.items()})
    return rows
