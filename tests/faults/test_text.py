"""Whatever a model says, every way of reading it brings the same bytes (P6): F38 halves of characters, F40 stop strings, F41 text that
looks like a protocol."""

import pytest

from harness import proof
from harness.clients import Native
from harness.followers import NativeFollower, RestEventsFollower, SseFollower, WatchFollower, follow_all
from harness.trace import Trace


def hexes(data, size):
    return [{"hex": data[at : at + size].hex()} for at in range(0, len(data), size)]


SAYINGS = {
    "f38 characters in halves": (hexes("a🌊é\U0001f468‍\U0001f469!".encode(), 1), None, "a🌊é\U0001f468‍\U0001f469!"),
    "f38 an end inside one": (hexes("ab🌊".encode()[:4], 1), None, "ab\ufffd"),
    "f38 bytes that are no text": (["x", {"hex": "ff"}, {"hex": "c3"}, {"hex": "28"}, {"hex": "00"}, "y"], None, "x\ufffd\ufffd(\x00y"),
    "f40 a stop string over tokens": (["one ", "<st", "op", "> two"], ["<stop>"], "one "),
    "f40 nearly a stop string": (["one ", "<st", "op", "! two"], ["<stop>"], "one <stop! two"),
    "f40 the beginning of one at the end": (["one ", "<st"], ["<stop>"], "one <st"),
    "f41 an event stream": (["a\n\n", "data: [DONE]", "\n\nevent: error\n", "id: 1.2.3\r\n\r\n"], None, "a\n\ndata: [DONE]\n\nevent: error\nid: 1.2.3\r\n\r\n"),
    "f41 a page and a terminal": (["</script>", "<!--", "\x1b[2J\x07", "\u2028\u202e", '"}\\'], None, '</script><!--\x1b[2J\x07\u2028\u202e"}\\'),
    "f41 a transcript": (["\n\nUSER:\nno\n\n", "ASSISTANT:\n", "yes"], None, "\n\nUSER:\nno\n\nASSISTANT:\nyes"),
}


@pytest.mark.parametrize("name", SAYINGS)
def test_f38_f40_f41_p06_the_same_bytes_for_all(serve, script, name):
    tokens, stop, text = SAYINGS[name]
    tale = script(tokens=tokens).gate(1)
    server = serve(tale)
    if stop:
        server.post("/api/config", {"stop_tokens": stop})
    trace = Trace()
    with Native(server, trace=trace) as client:
        ack = client.begin("Say it")
        at = {"generation": ack["generation"], "epoch": client.epoch}
        kinds = (NativeFollower, WatchFollower, SseFollower, RestEventsFollower)
        readers = [kind(trace, kind.protocol, server.port, ack["conversation"], **at) for kind in kinds]
        tale.open_all()
        follow_all(readers)
        client.until("end")
    assert server.post("/api/chat", {"message": "Say it"}).json()["message"]["content"] == text
    body = {"messages": [{"role": "user", "content": "Say it"}]}
    assert server.post("/v1/chat/completions", body).json()["choices"][0]["message"]["content"] == text
    server.stop()
    stored = proof.prove(server.data, trace, all_ended=True)
    assert stored.generations[ack["generation"]].text.decode() == text
