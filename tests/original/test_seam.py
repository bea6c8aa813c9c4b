"""[W31] An answer that a crash cuts off goes on in every protocol: the same text everywhere, nothing twice, no end before the last."""

import os
import signal
from concurrent.futures import ThreadPoolExecutor

import pytest

from harness.clients import Chat, Native, Watch
from harness.oracle import Mirror, follow
from harness.streams import completion, live, pages, place, said, sse


@pytest.mark.parametrize("n_tokens", [1, 5, 12])
def test_one_crash_seen_through_every_protocol(serve, script, n_tokens):
    tale = script(prompt_tokens=5).gate(n_tokens + 1)
    server = serve(tale)
    server.expects_crash = True
    with Chat(server) as chat, Native(server) as native, ThreadPoolExecutor(8) as pool:
        chat.ask("Tell me of rivers")
        first = chat.until("token")
        name, generation = first["conversation_id"], first["generation"]
        native.watch(name)
        native.until("snapshot")
        body = {"messages": [{"role": "user", "content": "Hi"}]}
        calls = {
            "w14": pool.submit(server.post, "/api/chat", {"message": "As one piece"}),
            "w15": pool.submit(lambda: said(sse(server, "/api/chat/stream", "POST", json={"message": "As events"}))),
            "resumed": pool.submit(lambda: said(sse(server, "/api/chat/stream", headers=place(generation, native.epoch, 1)))),
            "events": pool.submit(live, server, generation),
            "openai": pool.submit(completion, server, stream_options={"include_usage": True}),
            "whole": pool.submit(server.post, "/v1/chat/completions", body),
        }
        with Watch(server, name) as watch:
            watch.until("update")
            if n_tokens > 1:
                chat.until("token", seq=n_tokens + 1)
            os.kill(server.engine_pid(), signal.SIGKILL)
            tale.open_all()
            rest, done = chat.answer()
            mirror = follow(native, Mirror(name))
            watch.until("end", reason="stop")
            update = watch.until("update")
        answers = {key: call.result() for key, call in calls.items()}

    tokens = chat.of_type("token")
    assert [frame["token"] for frame in tokens] == tale.tokens
    assert [frame["tokens_used"] for frame in tokens] == list(range(6, 19)), "[W11]"
    seqs = [(frame["generation"], frame["seq"]) for frame in tokens]
    newest = done["generation"]
    assert seqs == [(generation, seq + 2) for seq in range(n_tokens)] + [(newest, seq + 2) for seq in range(13 - n_tokens)]
    assert newest != generation and done["type"] == "done" and done["reason"] == "stop"
    assert chat.of_type("error") == []

    assert mirror.text == tale.text and mirror.chain == [generation, newest] and mirror.end == "stop"
    assert update["content"] == f"USER:\nTell me of rivers\n\nASSISTANT:\n{tale.text}\n\n"
    assert update["generation"] == newest and update["seq"] == 15 - n_tokens
    ends = watch.of_type("end")
    assert [(end["generation"], end["reason"], end.get("continued_by")) for end in ends] == [(generation, "interrupted", newest), (newest, "stop", None)]

    events = answers["events"]
    assert [event["text"] for event in events if event["type"] == "token"] == tale.tokens
    kinds = [(event["generation"], event["type"]) for event in events if event["type"] != "token"]
    assert kinds == [(generation, "start"), (generation, "end"), (newest, "start"), (newest, "end")]
    assert answers["resumed"] == ([(g, seq, text) for (g, seq), text in zip(seqs, tale.tokens)], ["done"])
    assert "".join(text for _, _, text in answers["w15"][0]) == tale.text and answers["w15"][1] == ["done"]
    assert answers["w14"].status_code == 200 and answers["w14"].json()["message"]["content"] == tale.text
    check_openai(answers["openai"], tale)
    whole = answers["whole"].json()
    assert whole["choices"][0]["message"]["content"] == tale.text
    assert whole["usage"] == {"prompt_tokens": 5, "completion_tokens": 13, "total_tokens": 18, "prompt_tokens_details": whole["usage"]["prompt_tokens_details"]}

    stored = server.answer_of(name)
    assert stored["content"] == tale.text and stored["generation"]["id"] == newest and stored["generation"]["continues"] == generation
    both = pages(server, generation) + pages(server, newest, limit=4)
    assert [(e["generation"], e["seq"], e["type"]) for e in both] == [(e["generation"], e["seq"], e["type"]) for e in events]


def check_openai(answer, tale):
    """[O7]"""
    chunks, is_done = answer
    assert is_done and len({chunk["id"] for chunk in chunks}) == 1
    deltas = [chunk["choices"][0]["delta"] for chunk in chunks if chunk["choices"]]
    assert [delta for delta in deltas if "role" in delta] == [{"role": "assistant", "content": ""}]
    assert [delta["content"] for delta in deltas[1:-1]] == tale.tokens
    assert [chunk["choices"][0]["finish_reason"] for chunk in chunks[:-1]] == [None] * 14 + ["stop"]
    usage = chunks[-1]["usage"]
    assert (usage["prompt_tokens"], usage["completion_tokens"], usage["total_tokens"]) == (5, 13, 18)


def test_an_older_event_id_resumes_over_two_seams(serve, script):
    """[W15] Whoever was away during both crashes gets all that came after its id."""
    tale = script().gate(4).gate(8)
    server = serve(tale)
    server.expects_crash = True
    with Native(server) as native:
        ack = native.begin("Tell me")
        for seen, gate in ((3, 4), (7, 8)):
            n = 0
            while n < seen:
                native.recv()
                n = sum(frame["n"] for frame in native.of_type("tokens"))
            os.kill(server.engine_pid(), signal.SIGKILL)
            native.until("end", reason="interrupted")
            tale.open(gate)
        native.until("end", reason="stop")
        chain = [frame["generation"] for frame in native.of_type("start")]
    assert chain[0] == ack["generation"] and len(chain) == 3
    tokens, rest = said(sse(server, "/api/chat/stream", headers=place(chain[0], native.epoch, 2)))
    assert [text for _, _, text in tokens] == tale.tokens[1:] and rest == ["done"]
    tokens, rest = said(sse(server, "/api/chat/stream", "POST", headers=place(chain[1], native.epoch, 3), json={}))
    assert [text for _, _, text in tokens] == tale.tokens[5:] and rest == ["done"]
    assert {generation for generation, _, _ in tokens} == set(chain[1:])
    assert [event["text"] for event in live(server, chain[0]) if event["type"] == "token"] == tale.tokens


def test_an_answer_that_waits_for_a_person_ends_as_before(serve, script):
    """after_crash = ask: error frames and no `done`, as without going on."""
    tale = script().gate(4)
    server = serve(tale)
    server.expects_crash = True
    assert server.post("/api/config", {"after_crash": "ask"}).json()["after_crash"] == "ask"
    with Chat(server) as chat, ThreadPoolExecutor(2) as pool:
        chat.ask("Tell me")
        first = chat.until("token", seq=4)
        events = pool.submit(lambda: said(sse(server, "/api/chat/stream", "POST", json={"message": "As events"})))
        os.kill(server.engine_pid(), signal.SIGKILL)
        last = chat.until("done", "error", "token")
        assert last["type"] == "error" and last["reason"] == "interrupted"
        tale.open_all()
        assert events.result()[1] in (["error", "done"], ["done"])
        again = server.post("/api/chat/continue", {"generation_id": first["generation"]}).json()
        assert again["success"] is True and again["duplicate"] is False and again["conversation_id"] == first["conversation_id"]
        rest = live(server, again["generation_id"])
        assert [event["text"] for event in rest if event["type"] == "token"] == tale.tokens[3:]
    answer = server.answer_of(first["conversation_id"])
    assert answer["content"] == tale.text and answer["id"] == again["message_id"]


def test_a_server_that_stops_says_interrupted_and_goes_on_with_its_next_start(serve, script):
    tale = script().gate(4)
    server = serve(tale)
    with Chat(server) as chat:
        chat.ask("Tell me")
        first = chat.until("token", seq=4)
        with Native(server) as native:
            epoch = native.epoch
        server.stop()
        last = chat.until("done", "error")
        assert last["type"] == "error" and last["reason"] == "interrupted"
        assert chat.close_code() == 1001
    tale.open_all()
    server.start()
    tokens, rest = said(sse(server, "/api/chat/stream", headers=place(first["generation"], epoch, 4)))
    assert [text for _, _, text in tokens] == tale.tokens[3:] and rest == ["done"]
    assert server.answer_of(first["conversation_id"])["content"] == tale.text


def test_a_cancel_that_names_the_generation_before_the_seam_ends_the_answer(serve, script):
    """[W16] [N8]"""
    tale = script().gate(4)
    server = serve(tale)
    server.expects_crash = True
    with Native(server) as native:
        ack = native.begin("Tell me")
        native.until_seq(4)
        os.kill(server.engine_pid(), signal.SIGKILL)
        newest = native.until("start", continues=ack["generation"])["generation"]
        native.until("phase", phase="prefill")
        answer = server.post("/api/chat/cancel", {"generation_id": ack["generation"]}).json()
        assert answer["reason"] == "cancelled" and answer["generation_id"] == newest
        assert native.until("end", generation=newest)["reason"] == "cancelled"
        tale.open_all()
        again = server.post("/api/chat/cancel", {"generation_id": ack["generation"]}).json()
        assert again["reason"] == "interrupted" and again["generation_id"] == ack["generation"]
