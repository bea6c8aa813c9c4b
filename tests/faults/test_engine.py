"""An engine that crashes, hangs or talks nonsense costs one answer: sockets stay open, the end says why, the next message works.

Here `after_crash` is `ask`, so that the end is seen; how an answer goes on by itself is in test_crash.py.
"""

import os
import signal
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from harness.clients import Chat, Native, Watch
from harness.oracle import Mirror, check_stored, check_w12, follow


@pytest.fixture
def serve_ask(serve):
    """Starts a server on which nothing goes on by itself."""

    def start(*arguments, **options):
        server = serve(*arguments, **options)
        assert server.post("/api/config", {"after_crash": "ask"}).status_code == 200
        return server

    return start


@pytest.mark.parametrize("n_tokens", [0, 1, 5])
@pytest.mark.parametrize("number", [signal.SIGSEGV, signal.SIGKILL])
def test_an_engine_that_is_killed_in_mid_answer(serve_ask, script, number, n_tokens):
    tale = script().gate(n_tokens + 1)
    server = serve_ask(tale)
    server.expects_crash = True
    with Native(server) as client, Native(server) as other:
        ack = client.begin("One")
        if n_tokens:
            client.until_seq(n_tokens + 1)
        else:
            client.until("phase", phase="prefill")
        pid = server.engine_pid()
        with Watch(server, ack["conversation"]) as watch:
            watch.until("update")
            os.kill(pid, number)
            mirror = follow(client, Mirror(ack["conversation"]))
            assert mirror.end == "interrupted" and mirror.text == "".join(tale.tokens[:n_tokens])
            error = client.of_type("end")[-1]["error"]
            assert error["code"] == "engine_died" and len(error["text"]) > 20, error
            assert watch.until("end")["reason"] == "interrupted"
            check_stored(server, mirror)
            tale.open_all()
            client.begin("Two", ack["conversation"])
            end = client.until("end")
            assert end["reason"] == "stop"
            assert "".join(frame["text"] for frame in client.of_type("tokens")[-13:]).endswith(tale.text[-5:])
            assert watch.until("end")["reason"] == "stop"
            assert server.engine_pid() != pid
        other.send(type="ping")
        other.until("ping")


def test_a_crash_ends_all_answers_of_the_engine_and_no_other_socket(serve_ask, script):
    tale = script().gate(3)
    server = serve_ask(tale)
    server.expects_crash = True
    with Native(server) as one, Chat(server) as two:
        ack = one.begin("One")
        one.until_seq(3)
        two.ask("Two")
        two.until("token", seq=3)
        os.kill(server.engine_pid(), signal.SIGSEGV)
        assert one.until("end")["reason"] == "interrupted"
        assert two.until("done", "error")["type"] == "error"
        tale.open_all()
        two.ask("Three")
        tokens, last = two.answer()
        assert check_w12(tokens, last) == tale.text
        one.begin("Four", ack["conversation"])
        assert one.until("end")["reason"] == "stop"


@pytest.mark.parametrize("fault", ["garbage", "longline", "exit", "abort", "crash"])
def test_an_engine_that_goes_wrong_at_a_token(serve_ask, script, tmp_path, fault):
    tale = script()
    tale.at(4, fault, once=str(tmp_path / "once"))
    server = serve_ask(tale)
    server.expects_crash = True
    with Native(server) as client:
        ack = client.begin("One")
        mirror = follow(client, Mirror(ack["conversation"]))
        assert mirror.end == "interrupted"
        assert tale.text.startswith(mirror.text)
        check_stored(server, mirror)
        client.begin("Two", ack["conversation"])
        assert client.until("end")["reason"] == "stop"


def test_a_generation_that_the_engine_gives_up_ends_as_error(serve, script):
    tale = script().at(3, "error", when="One")
    server = serve(tale)
    with Native(server) as client, Chat(server) as chat:
        client.begin("One")
        end = client.until("end")
        assert end["reason"] == "error" and end["error"]["code"] == "internal" and end["error"]["text"]
        chat.ask("One")
        tokens, last = chat.answer()
        assert len(tokens) == 2 and last["type"] == "error" and last["error"] == end["error"]["text"]
        chat.ask("Two")
        check_w12(*chat.answer())


@pytest.mark.parametrize("kind", ["stopped", "hanging"])
def test_an_engine_that_says_nothing_is_killed_after_the_hang_limit(serve_ask, script, tmp_path, kind):
    tale = script()
    if kind == "hanging":
        tale.at(4, "hang", once=str(tmp_path / "once"))
    else:
        tale.gate(4)
    server = serve_ask(tale, flags=["--engine-hang-ms", "1500"])
    server.expects_crash = True
    with Native(server) as client:
        ack = client.begin("One")
        client.until_seq(4)
        if kind == "stopped":
            os.kill(server.engine_pid(), signal.SIGSTOP)
        mirror = follow(client, Mirror(ack["conversation"]))
        assert mirror.end == "interrupted" and mirror.text == "".join(tale.tokens[:3])
        assert client.of_type("end")[-1]["error"]["text"]
        tale.open_all()
        client.begin("Two", ack["conversation"])
        assert client.until("end")["reason"] == "stop"


def test_an_engine_that_waits_long_but_answers_pings_lives(serve, script):
    """[E6]: only silence is a hang."""
    tale = script().gate(4)
    server = serve(tale, flags=["--engine-hang-ms", "1500"])
    with Native(server) as client:
        client.begin("One")
        client.until_seq(4)
        pid = server.engine_pid()
        client.until("ping")
        tale.open_all()
        assert client.until("end")["reason"] == "stop"
        assert server.engine_pid() == pid


def test_an_engine_that_dies_while_it_loads_is_an_error_that_names_the_load(serve, script, tmp_path):
    tale = script().at(0, "crash")
    server = serve(tale)
    server.expects_crash = True
    with Native(server) as client:
        client.begin("One")
        end = client.until("end")
        assert end["reason"] in ("error", "interrupted") and end["error"]["text"], end
        tale.faults.clear()
        tale.write()
        client.begin("Two")
        assert client.until("end")["reason"] == "stop"
    assert server.status()["state"] == "ready"


def test_the_server_stops_while_a_hung_engine_owes_the_end_of_a_cancelled_answer(serve, script):
    tale = script()
    tale.at(3, "hang")
    server = serve(tale)
    with Native(server) as client:
        ack = client.begin("One")
        client.until_seq(3)
        client.send(type="stop", generation=ack["generation"])
        client.send(type="ping")
        client.until("ping")
        server.stop()
    server.start()
    answer = server.answer_of(ack["conversation"])
    assert answer["generation"]["reason"] == "cancelled"
    assert answer["content"] == "".join(tale.tokens[:2])


def wait_for(is_true, seconds=30):
    until = time.monotonic() + seconds
    while not is_true():
        assert time.monotonic() < until
        time.sleep(0.01)


def test_two_who_alternate_do_not_keep_another_model_out(serve, script):
    tale = script().gate(2, when="First").gate(2, when="Second")
    script(["Other"], name="other")
    server = serve(tale, log="debug", flags=["--loaded", "1"])
    with Native(server) as one, Native(server) as two, ThreadPoolExecutor(1) as pool:
        first = one.begin("First")
        one.until_seq(2)
        body = {"model": "other", "messages": [{"role": "user", "content": "Hi"}]}
        call = pool.submit(server.post, "/v1/chat/completions", json=body)
        wait_for(lambda: "model=other.json" in server.stderr())
        two.begin("Second")
        two.until("phase", phase="queued")
        tale.open(2, when="First")
        assert one.until("end", generation=first["generation"])["reason"] == "stop"
        assert call.result().json()["choices"][0]["message"]["content"] == "Other"
        tale.open(2, when="Second")
        assert two.until("end")["reason"] == "stop"
