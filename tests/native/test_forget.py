"""Deleting a conversation tells the engines, and what they left on the disk is cleared without them (docs/engine-protocol.md [E32])."""

import re
import time

from harness.clients import Native


def begin(server, text="Go"):
    with Native(server) as client:
        ack = client.begin(text)
        client.until("end")
        return ack["conversation"]


def delete(server, name):
    assert server.http("DELETE", f"/api/conversations/{name}").json() == {"success": True}


def test_a_loaded_engine_is_told(serve, script):
    server = serve(script(tokens=["a"]))
    name = begin(server)
    delete(server, name)
    assert server.wait_log(r"fake_forget known=(\d) key=(\S+)") == [("1", name)]


def test_without_an_engine_a_process_of_its_own_clears_the_folder(serve, script):
    server = serve(script(tokens=["a"]))
    names = [begin(server) for _ in range(3)]
    assert server.post("/api/model/unload").json()["success"]
    (server.data / "kv").mkdir()
    for name in names:
        delete(server, name)
    told = server.wait_log(r"fake_forget known=0 key=(\S+)", 3)
    assert sorted(told) == sorted(names)
    assert server.status()["state"] == "none"


def test_without_a_folder_nothing_is_begun(serve, script):
    server = serve(script(tokens=["a"]))
    name = begin(server)
    server.post("/api/model/unload")
    delete(server, name)
    time.sleep(0.5)
    assert len(re.findall("engine_spawn", server.stderr())) == 1


def test_an_engine_that_is_on_its_way_out_is_waited_for(serve, script):
    """It may be writing what is to be forgotten."""
    server = serve(script(tokens=["a"]))
    name = begin(server)
    (server.data / "kv").mkdir()
    server.post("/api/model/unload")
    delete(server, name)
    server.wait_log(r"fake_forget known=0 key=(\S+)")
    text = server.stderr()
    assert text.index("engine_exit") < text.index("fake_forget")


def test_the_end_of_the_server_waits_for_it(new_server, script):
    server = new_server(script(tokens=["a"])).start()
    name = begin(server)
    server.post("/api/model/unload")
    (server.data / "kv").mkdir()
    delete(server, name)
    server.stop()
    assert re.search(r"fake_forget known=0 key=(\S+)", server.stderr())
