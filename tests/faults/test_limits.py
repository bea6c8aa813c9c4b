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


def test_more_model_files_than_four_are_not_read_at_once(serve, script):
    server = serve(script())
    with concurrent.futures.ThreadPoolExecutor(16) as pool:
        codes = set(pool.map(lambda _: server.get("/api/model/info").status_code, range(32)))
    assert 200 in codes and codes <= {200, 503}
    assert server.get("/api/model/info").json()["name"] == "fake"
