"""P7 a slow watcher costs only itself; P8 no watcher stops or slows a generation."""

import json
import re
import socket
import threading
from pathlib import Path

from harness.clients import Chat, Native
from harness.oracle import Mirror, check_stored, follow


def small_socket(server):
    """Its kernel buffer holds little, so what is not read waits in the server."""
    client = socket.socket()
    client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    client.connect(("127.0.0.1", server.port))
    return client


def test_a_watcher_that_does_not_read_gets_more_per_frame_and_loses_nothing(serve, script):
    tale = script(tokens=["x" * 400 + f" {number};" for number in range(100)], count=6000, token_ms=1)
    server = serve(tale)
    with Native(server) as quick, Native(server, max_queue=1, sock=small_socket(server)) as slow:
        ack = quick.begin("Say much")
        slow.watch(ack["conversation"])
        slow.until("snapshot")
        mirror = follow(quick, Mirror(ack["conversation"]))
        late = follow(slow, Mirror(ack["conversation"]))
        assert late.text == mirror.text and len(mirror.text) > 2_000_000
        assert late.seq == mirror.seq == 6002
        assert late.n_token_frames < mirror.n_token_frames / 2


def test_an_answer_goes_on_without_any_watcher(serve, script):
    tale = script().gate(3)
    server = serve(tale)
    with Native(server) as client:
        ack = client.begin("One")
        client.until_seq(3)
    with Chat(server) as chat:
        chat.ask("Two")
        conversation = chat.until("token")["conversation_id"]
    tale.open_all()
    with Native(server) as client:
        for name in (ack["conversation"], conversation):
            client.watch(name)
            mirror = follow(client, Mirror(name))
            assert mirror.text == tale.text and mirror.end == "stop"
            check_stored(server, mirror)


def test_many_watchers_of_one_answer(serve, script):
    tale = script(tokens=[f" {number}" for number in range(300)]).gate(1)
    server = serve(tale)
    clients = [Native(server) for _ in range(20)]
    ack = clients[0].begin("Count")
    for client in clients[1:]:
        client.watch(ack["conversation"])
        client.until("snapshot")
    tale.open_all()
    texts = [follow(client, Mirror(ack["conversation"])).text for client in clients]
    assert texts == [tale.text] * 20
    for client in clients:
        client.close()


def masked(**frame):
    """One text frame as bytes: thousands of them are one write. The key is zero."""
    text = json.dumps(frame).encode()
    assert len(text) < 126
    return bytes([0x81, 0x80 | len(text), 0, 0, 0, 0]) + text


def upgraded(server):
    client = socket.create_connection(("127.0.0.1", server.port))
    lines = ["GET /ws HTTP/1.1", f"Host: 127.0.0.1:{server.port}", "Upgrade: websocket", "Connection: Upgrade"]
    lines += ["Sec-WebSocket-Version: 13", "Sec-WebSocket-Key: x3JJHMbDL1EzLkh9GBhXDw==", "", ""]
    client.sendall("\r\n".join(lines).encode())
    assert b" 101 " in client.recv(1024)
    client.sendall(masked(type="hello", protocol=1))
    return client


def test_a_flood_of_reads_costs_little_memory_and_holds_no_answer(serve, script):
    tale = script(count=1500, token_ms=2)
    server = serve(tale)
    with Native(server) as client:
        large = client.begin("x" * 900_000)["conversation"]
        client.until("end")
    with Native(server) as client:
        client.begin("One")
        client.until_seq(20)
        flood = masked(type="watch", conversation=large) * 300
        sockets = [upgraded(server) for _ in range(20)]
        threads = [threading.Thread(target=one.sendall, args=(flood,)) for one in sockets]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        end = client.until("end")
        assert end["reason"] == "stop" and end["seq"] == 1502
        for one in sockets:
            one.close()
        peak_kb = int(re.search(r"VmHWM:\s+(\d+)", Path(f"/proc/{server.process.pid}/status").read_text()).group(1))
        assert peak_kb < 500_000
