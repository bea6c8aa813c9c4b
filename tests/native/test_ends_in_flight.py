"""[N8] [N13] [W8] What somebody asks for while an end is on its way to a slow or failing disk, and while the server stops."""

import os
import signal
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from harness.clients import Native
from harness.oracle import Mirror, check_stored, follow
from harness.syscalls import inject

SLOW = "delay_enter=1500000"


def cut_off(server):
    server.expects_crash = True
    os.kill(server.engine_pid(), signal.SIGKILL)


def wait_no_engine(server, pid):
    while server.engine_pid() == pid:
        time.sleep(0.01)


def test_a_stop_while_the_interrupted_end_is_stored_stops_what_goes_on(serve, script):
    """[P9] [N8]"""
    tale = script().gate(4)
    server = serve(tale)
    with Native(server) as client:
        ack = client.begin("Tell me")
        client.until_seq(4)
        pid = server.engine_pid()
        with inject(server, "store-sync", "fdatasync", SLOW):
            cut_off(server)
            wait_no_engine(server, pid)
            assert client.of_type("end") == []
            client.send(type="stop", generation=ack["generation"])
            first = client.until("end")
        assert first["reason"] == "interrupted" and first["generation"] == ack["generation"]
        client.until("end", generation=first["continued_by"])
        mirror = follow(client, Mirror(ack["conversation"]))
        assert mirror.end == "cancelled" and mirror.chain == [ack["generation"], first["continued_by"]]
        check_stored(server, mirror)
    tale.open_all()
    server.restart()
    assert server.answer_of(ack["conversation"])["generation"]["reason"] == "cancelled"


def test_an_answer_whose_end_is_not_safe_cannot_go_on_yet(serve, script):
    """[N13] Nobody has seen its end, so it is busy; the store's later refusal must not meet a generation that was put behind it."""
    server = serve(script().gate(4))
    with Native(server) as client:
        ack = client.begin("Tell me")
        client.until_seq(4)
        with inject(server, "store-sync", "fdatasync", "delay_enter=150000:error=EIO:when=1+"):
            client.send(type="stop", generation=ack["generation"])
            time.sleep(0.1)
            client.send(type="continue", generation=ack["generation"], client_msg_id="c-1")
            error = client.until("ack", "error")
            assert error["type"] == "error" and error["code"] == "busy"
        assert client.until("end")["reason"] == "cancelled"
        check_stored(server, follow(client, Mirror(ack["conversation"])))


def test_an_end_is_seen_when_the_disk_has_it(serve, script):
    """[P4] D2: asked again, the store knows the end already; that is not yet safety."""
    server = serve(script().gate(4))
    with Native(server) as client:
        ack = client.begin("Tell me")
        client.until_seq(4)
        with inject(server, "store-sync", "fdatasync", "error=EIO:when=1+"):
            client.send(type="stop", generation=ack["generation"])
            while server.stderr().count("turn_end_not_stored") < 3:
                time.sleep(0.05)
            client.send(type="ping")
            client.until("ping")
            assert client.of_type("end") == []
        assert client.until("end")["reason"] == "cancelled"
        check_stored(server, follow(client, Mirror(ack["conversation"])))


@pytest.mark.parametrize("stream", [True, False])
def test_a_call_cut_off_by_a_crash_when_the_server_stops_is_told_so(serve, script, stream):
    """[O3] [W8]"""
    tale = script().gate(4)
    server = serve(tale, log="debug")
    body = {"messages": [{"role": "user", "content": "Hi"}], "stream": stream}
    with ThreadPoolExecutor(1) as pool:
        call = pool.submit(server.post, "/v1/chat/completions", body)
        while "token #3 committed" not in server.stderr():
            time.sleep(0.01)
        pid = server.engine_pid()
        with inject(server, "store", "pwrite64", "delay_enter=600000:when=1"):
            cut_off(server)
            wait_no_engine(server, pid)
            server.process.send_signal(signal.SIGTERM)
            answer = call.result()
        assert server.wait_exit() == 0, server.stderr()
    server.check_stderr()
    assert "server_error" in answer.text and answer.status_code == (200 if stream else 503), answer.text
