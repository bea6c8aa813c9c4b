"""[W93] answers that are kept, and [O5] those that are not."""

import anthropic
import pytest

from harness.clients import Native
from harness.wait import wait_until

HELLO = [{"role": "system", "content": "Be short."}, {"role": "user", "content": "Hi there"}]


def conversations(server):
    return server.get("/api/conversations").json()["conversations"]


def contents(server, name):
    return [message["content"] for message in server.get(f"/api/conversation/{name}").json()["messages"]]


def test_w93_a_stored_completion_is_a_conversation(plain, client_of):
    answer = client_of(plain).chat.completions.create(model="default", messages=HELLO, store=True)
    (row,) = conversations(plain)
    assert row["display_name"] == "Hi there"
    assert contents(plain, row["name"]) == ["Be short.", "Hi there", " one two three"]
    generation = answer.id.removeprefix("chatcmpl-")
    assert plain.get(f"/api/generations/{generation}").json()["conversation"] == row["name"]


def test_w93_the_header_adds_to_a_conversation(serve, script, client_of):
    server = serve(script(echo=True))
    client = client_of(server)
    client.chat.completions.create(model="default", messages=HELLO, extra_headers={"X-Conversation-Id": "new"})
    (row,) = conversations(server)
    more = HELLO + [{"role": "assistant", "content": "Hi there"}, {"role": "user", "content": "And now?"}]
    answer = client.chat.completions.create(model="default", messages=more, extra_headers={"X-Conversation-Id": row["name"]})
    assert answer.usage.prompt_tokens == 2 + 2 + 2 + 2
    assert contents(server, row["name"]) == ["Be short.", "Hi there", "Hi there", "And now?", "And now?"]
    answer = server.post("/v1/messages", {"model": "default", "max_tokens": 5, "messages": [HELLO[1]]}, headers={"X-Conversation-Id": "chat_2020-01-01-00-00-00-000.txt"})
    assert answer.status_code == 404 and answer.json()["error"]["type"] == "not_found_error"


def test_w93_a_page_watches_it_and_it_goes_on_alone(slow, client_of):
    with client_of(slow).chat.completions.create(model="default", messages=HELLO, stream=True, store=True) as stream:
        next(iter(stream))
        (row,) = conversations(slow)
        assert row["running"]
        with Native(slow) as page:
            page.watch(row["name"])
            page.until("tokens")
    with Native(slow) as page:
        page.watch(row["name"])
        page.until("tokens")
        assert conversations(slow)[0]["running"]
        page.send(type="stop", conversation=row["name"])
        page.until("end")


@pytest.mark.parametrize("is_stream", [True, False])
def test_o5_what_is_not_kept_stops_with_its_client(slow, is_stream):
    client = anthropic.Anthropic(base_url=slow.url, api_key="none", max_retries=0, timeout=1)
    ask = {"model": "default", "max_tokens": 90000, "messages": [{"role": "user", "content": "Hi"}]}
    if is_stream:
        with client.messages.create(**ask, stream=True) as stream:
            next(iter(stream))
    else:
        with pytest.raises(anthropic.APITimeoutError):
            client.messages.create(**ask)
    wait_until(lambda: slow.get("/api/model/status").json()["models"][0]["running"] == 0)
    assert conversations(slow) == []
