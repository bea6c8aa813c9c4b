"""Words found in messages and titles, with the places to mark. [W60]"""

from harness.clients import Native


def ask(client, text, conversation=None, **fields):
    ack = client.begin(text, conversation, **fields)
    client.until("end", generation=ack["generation"])
    return ack


def found(server, query, **arguments):
    answer = server.get("/api/search", params={"q": query, **arguments})
    assert answer.status_code == 200, answer.text
    return answer.json()


def marked(hit):
    """The words that the marks stand for: they count characters, as a page does, and not bytes."""
    return [hit["snippet"][start : start + length] for start, length in hit["marks"]]


def test_w60_a_hit_names_its_message_and_marks_the_words(serve, script):
    server = serve(script(["Über", " die", " Brücke", " fließt", " kein", " Wasser", "."]))
    with Native(server) as client:
        ack = ask(client, "Where is the old bridge? 🌉 a bridge")
        hits = found(server, "brucke wass")["hits"]
        assert [hit["conversation"] for hit in hits] == [ack["conversation"]]
        assert hits[0]["role"] == "assistant" and hits[0]["message"] == server.answer_of(ack["conversation"])["id"]
        assert marked(hits[0]) == ["Brücke", "Wasser"]
        title, message = found(server, "bridge")["hits"]
        assert title["message"] is None and title["role"] is None and marked(title) == ["bridge", "bridge"]
        assert message["message"] == ack["message"] and message["role"] == "user"
        assert marked(message) == ["bridge", "bridge"]
        assert message["timestamp"].endswith("Z") and message["title"] == "Where is the old bridge? 🌉 a bridge"


def test_w60_words_between_quotation_marks_are_a_phrase(serve, script):
    server = serve(script(["ok"]))
    with Native(server) as client:
        ask(client, "the quick brown fox")
        ask(client, "the brown quick fox")
        snippets = lambda query: [hit["snippet"] for hit in found(server, query)["hits"] if hit["message"]]  # noqa: E731
        assert len(snippets("quick brown")) == 2
        assert snippets('"quick brown"') == ["the quick brown fox"]
        assert snippets('"brown quick" fo') == ["the brown quick fox"]
        assert snippets('"quick bro"') == [], "a phrase is whole words"
        assert found(server, '"')["hits"] == [] and found(server, "")["hits"] == []


def test_w60_an_answer_is_found_while_it_is_written(serve, script):
    tale = script().gate(4)
    server = serve(tale)
    with Native(server) as client:
        ack = client.begin("Go")
        client.until_seq(4)
        (hit,) = found(server, "river runs")["hits"]
        assert hit["conversation"] == ack["conversation"] and marked(hit) == ["river", "runs"]
        tale.open_all()
        client.until("end")
        assert len(found(server, "river runs")["hits"]) == 1


def test_w60_pages_follow_each_other_without_a_gap(serve, script):
    server = serve(script(["ok"]))
    with Native(server) as client:
        first = ask(client, "heron 0")["conversation"]
        for number in range(1, 7):
            ask(client, f"heron {number}", first if number < 4 else None)
    texts, before = [], None
    while True:
        page = found(server, "heron", limit=2, **({"before": before} if before else {}))
        assert 1 <= len(page["hits"]) <= 2
        texts += [hit["snippet"] for hit in page["hits"] if hit["message"]]
        before = page["next"]
        if before is None:
            break
    assert texts == [f"heron {number}" for number in range(6, -1, -1)]


def test_w60_what_is_wrong_is_said(serve, script):
    server = serve(script(["ok"]))
    for path in ("/api/search", "/api/search?q=%ff", "/api/search?q=a&limit=0", "/api/search?q=a&before=x"):
        answer = server.get(path)
        assert answer.status_code == 400 and answer.json()["error"], path
