"""P6 whole characters: every delta is valid UTF-8, and their sum is what is stored, byte for byte."""

import pytest

from harness.clients import Chat, Native, Watch
from harness.oracle import Mirror, check_stored, check_w12, follow


def split(text, size):
    data = text.encode()
    return [{"hex": data[at : at + size].hex()} for at in range(0, len(data), size)]


TEXTS = {
    "emoji": "a\U0001f600b\U0001f468‍\U0001f469‍\U0001f467!",
    "scripts": "řeka 川は流れる नदी بحر",
    "controls": "tab\tquote\"back\\slash\nline\r\u2028\u2029</script>\u007f\u0001",
}


@pytest.mark.parametrize("size", [1, 2, 3])
@pytest.mark.parametrize("name", TEXTS)
def test_characters_split_over_tokens_arrive_whole(serve, script, name, size):
    text = TEXTS[name]
    tokens = split(text, size)
    server = serve(script(tokens=tokens))
    with Native(server) as client:
        ack = client.begin("Say it")
        mirror = follow(client, Mirror(ack["conversation"]))
        assert mirror.text == text
        assert mirror.seq == len(tokens) + 2, "half a character is an event as well [N2]"
        check_stored(server, mirror)
    with Chat(server) as chat:
        chat.ask("Say it")
        frames, last = chat.answer()
        assert check_w12(frames, last) == text and len(frames) == len(tokens)
    assert server.post("/api/chat", {"message": "Say it"}).json()["message"]["content"] == text


def test_bytes_that_are_no_character_become_the_replacement_character(serve, script):
    server = serve(script(tokens=[{"hex": "61ff"}, {"hex": "f09f98"}, " b", {"hex": "c3"}]))
    with Native(server) as client:
        ack = client.begin("Say it")
        mirror = follow(client, Mirror(ack["conversation"]))
        assert mirror.text == "a\ufffd\ufffd b\ufffd", "one for each maximal subpart [E12]"
        check_stored(server, mirror)


def test_a_watcher_that_joins_between_the_halves_sees_the_character_once(serve, script):
    tale = script(tokens=["a", {"hex": "f09f"}, {"hex": "9880"}, "b"]).gate(3)
    server = serve(tale)
    with Native(server) as client:
        ack = client.begin("Say it")
        client.until_seq(3)
        with Native(server) as other, Watch(server, ack["conversation"]) as watch:
            other.watch(ack["conversation"])
            assert other.until("snapshot")["messages"][-1]["content"] == "a"
            assert watch.until("update")["content"].endswith("ASSISTANT:\na\n\n")
            tale.open_all()
            assert follow(other, Mirror(ack["conversation"])).text == "a\U0001f600b"
            watch.until("end")
            assert "".join(frame["text"] for frame in watch.of_type("delta")) == "\U0001f600b"
