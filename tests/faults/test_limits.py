"""What happens when a named maximum is reached (I6)."""

import concurrent.futures
import os

from harness.clients import Native


def test_an_answer_of_64_mib_ends_as_length_and_is_stored(serve, script):
    tale = script(tokens=["x" * 999_999 + "\n"], count=100, context_size=60000)
    server = serve(tale)
    with Native(server) as client:
        ack = client.begin("Say much")
        client.send(type="unwatch", conversation=ack["conversation"])
        client.until("conversation", running=False, seconds=120)
        answer = server.answer_of(ack["conversation"])
        assert answer["generation"]["reason"] == "length"
        assert 60_000_000 < len(answer["content"]) <= 64 << 20
        client.begin("And more", conversation=ack["conversation"])


def test_a_search_text_that_is_long_still_searches(serve, script):
    server = serve(script())
    server.post("/api/chat", {"message": "A stone"})
    found = server.get("/api/conversations", params={"q": "stone"}).json()["conversations"]
    none = server.get("/api/conversations", params={"q": "pebble " * 600}).json()["conversations"]
    assert len(found) == 1 and none == []


def test_more_model_files_than_four_are_not_read_at_once(serve, script):
    """[W23] A pipe holds its reader until somebody writes: four processes are at work for as long as the test likes."""
    server = serve(script())
    pipes = [server.models / f"pipe{number}.json" for number in range(4)]
    for pipe in pipes:
        os.mkfifo(pipe)

    def info(path):
        return server.get("/api/model/info", params={"model_path": str(path)})

    with concurrent.futures.ThreadPoolExecutor(len(pipes)) as pool:
        answers = [pool.submit(info, pipe) for pipe in pipes]
        writers = [open(pipe, "w") for pipe in pipes]  # returns once the reader is there
        fifth = info(server.model)
        for writer in writers:
            with writer:
                writer.write('{"name":"late","tokens":["a"]}')
        assert fifth.status_code == 503 and "try again" in fifth.json()["error"]
        assert [answer.result().json().get("name") for answer in answers] == ["late"] * len(pipes)
    assert info(server.model).json()["name"] == "fake"
