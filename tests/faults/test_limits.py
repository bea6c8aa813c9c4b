"""What happens when a named maximum is reached (I6)."""

import concurrent.futures

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


def test_many_questions_about_model_files_are_answered_one_after_the_other(serve, script):
    """[W23] By one process; a file that is no model is told apart, and holds up nobody."""
    server = serve(script(name="asked"))
    broken = server.models / "broken.json"
    broken.write_text("no model")

    def info(number):
        return server.get("/api/model/info", params={"model_path": str(broken if number % 4 == 3 else server.model)})

    with concurrent.futures.ThreadPoolExecutor(40) as pool:
        answers = list(pool.map(info, range(40)))
    assert [answer.status_code == 200 for answer in answers] == [number % 4 != 3 for number in range(40)]
    assert all(answer.json()["error"] for answer in answers[3::4])
