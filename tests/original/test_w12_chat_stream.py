"""[W12] GET /ws/chat/stream, to the letter: what existing front ends do with it must go on working."""

import concurrent.futures

import pytest

from harness.clients import Chat, Native
from harness.oracle import check_w12


def test_an_answer_is_one_frame_per_token_and_done(serve, script):
    tale = script(prompt_tokens=5)
    server = serve(tale, flags=["--context", "4096"])
    with Chat(server) as chat:
        chat.ask("Tell me of rivers")
        tokens, done = chat.answer()
        assert check_w12(tokens, done, prompt_tokens=5) == tale.text
        assert [frame["token"] for frame in tokens] == tale.tokens
        assert tokens[0]["max_tokens"] == 4096
        assert done["reason"] == "stop"
        stored = server.answer_of(done["conversation_id"])
        assert stored["content"] == tale.text and stored["id"] == done["message_id"]
    rest = server.post("/api/chat", {"message": "Tell me of rivers"}).json()
    assert rest["message"]["content"] == tale.text and rest["message"]["role"] == "assistant"
    assert rest["tokens_used"] == tokens[-1]["tokens_used"] and rest["max_tokens"] == 4096


def test_each_token_arrives_before_the_next_is_made(serve, script):
    tale = script().gate_all()
    server = serve(tale)
    with Chat(server) as chat:
        chat.ask("Tell me of rivers")
        for number, token in enumerate(tale.tokens, 1):
            tale.open(number)
            assert chat.until("token")["token"] == token
        tale.open_all()
        chat.until("done")


def test_a_conversation_goes_on_with_its_id(serve, script):
    server = serve(script(tokens=[], echo=True))
    with Chat(server) as chat:
        chat.ask("first words")
        _, done = chat.answer()
        for name in (done["conversation_id"], done["conversation_id"].removesuffix(".txt")):
            chat.ask("second words", name)
            tokens, again = chat.answer()
            assert again["conversation_id"] == done["conversation_id"]
            assert check_w12(tokens, again) == "second words"
        chat.ask("third words")
        assert chat.answer()[1]["conversation_id"] != done["conversation_id"]
    messages = server.conversation(done["conversation_id"])["messages"]
    assert [message["role"] for message in messages] == ["user", "assistant"] * 3


def test_messages_sent_at_once_are_answered_one_after_the_other(serve, script):
    tale = script(tokens=[], echo=True).gate(1, when="number-0")
    server = serve(tale)
    with Chat(server) as chat:
        for number in range(17):
            chat.ask(f"number-{number} x")
        chat.ask("one too many")
        error = chat.until("error", "token", "done")
        assert error["type"] == "error" and "16" in error["error"]
        tale.open_all(when="number-0")
        for number in range(17):
            tokens, done = chat.answer()
            assert check_w12(tokens, done) == f"number-{number} x"


def test_two_sockets_stream_side_by_side(serve, script):
    tale = script(tokens=[], echo=True)
    server = serve(tale)
    texts = [" ".join(f"s{socket}w{word}" for word in range(60)) for socket in range(6)]

    def ask(text):
        with Chat(server) as chat:
            chat.ask(text)
            return check_w12(*chat.answer())

    with concurrent.futures.ThreadPoolExecutor(6) as pool:
        assert list(pool.map(ask, texts)) == texts


def test_a_watcher_of_the_native_protocol_sees_the_same(serve, script):
    tale = script().gate(2)
    server = serve(tale)
    with Chat(server) as chat, Native(server) as native:
        chat.ask("Tell me of rivers")
        first = chat.until("token")
        native.watch(first["conversation_id"])
        native.until("snapshot")
        tale.open_all()
        chat.until("done")
        native.until("end")
        assert first["token"] + "".join(frame["text"] for frame in native.of_type("tokens")) == tale.text


@pytest.mark.parametrize(
    "frame, text",
    [
        ('{"message":', "JSON"),
        ("[1]", "object"),
        ('"hello"', "object"),
        ("{}", "message"),
        ('{"message":null}', "message"),
        ('{"message":7}', "message"),
        ('{"message":{"a":1}}', "message"),
        ('{"message":""}', "empty"),
        ('{"message":" \\n\\t "}', "empty"),
        ('{"message":"a\\u0000b"}', "message"),
        ('{"message":"x","conversation_id":5}', "conversation_id"),
        ('{"message":"x","conversation_id":"../../etc/passwd"}', "conversation_id"),
        ('{"message":"x","conversation_id":"chat_1999-01-01-00-00-00-000.txt"}', "conversation"),
        ('{"message":"x","message":"y"}', "duplicate"),
        ('{"message":"\\ud800"}', "Unicode"),
    ],
)
def test_a_wrong_message_is_an_error_and_the_next_one_works(serve, script, frame, text):
    tale = script()
    server = serve(tale)
    with Chat(server) as chat:
        chat.send_text(frame)
        error = chat.until("error", "token", "done")
        assert error["type"] == "error" and text in error["error"], error
        chat.ask("Now a good one")
        assert check_w12(*chat.answer()) == tale.text


def test_unknown_fields_are_ignored(serve, script):
    """[W1]"""
    tale = script()
    server = serve(tale)
    with Chat(server) as chat:
        chat.send(message="x", colour="blue", conversation_id=None)
        assert check_w12(*chat.answer()) == tale.text


def test_a_message_into_a_conversation_that_answers_is_an_error(serve, script):
    """[N7] holds here as well."""
    tale = script().gate(2)
    server = serve(tale)
    with Chat(server) as first, Chat(server) as second:
        first.ask("One")
        name = first.until("token")["conversation_id"]
        second.ask("Two", name)
        assert "still" in second.until("error", "token")["error"]
        tale.open_all()
        first.until("done")
