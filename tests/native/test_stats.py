"""[W69] [W70] [N33] What the server counts, the newest lines of its log, and the way of a token."""

from harness.clients import Native
from harness.keys import add_key, bearer


def test_an_answer_is_counted_and_has_neither_holes_nor_repeats(serve, script):
    told = script()
    server = serve(told)
    with Native(server) as client:
        sent = client.begin("Hello")
        client.until("end")
        client.watch(sent["conversation"], {"generation": sent["generation"], "epoch": client.epoch, "after_seq": 1})
        client.until("end")
        stats = server.get("/api/stats").json()
    n = len(told.tokens)
    assert stats["answers"]["tokens"] == n and stats["answers"]["ends"]["stop"] == 1 and stats["answers"]["running"] == 0
    assert stats["wire"]["events"] == 2 * n and 0 < stats["wire"]["frames"] <= 2 * n
    assert stats["wire"]["holes"] == stats["wire"]["repeats"] == 0 and stats["wire"]["connections"] >= 1
    assert stats["store"] == {"pending": 0, "state": "fine"}
    times = stats["times"]
    assert times["first_token"]["n"] == 1 and times["token_gap"]["n"] == n - 1
    for name in ("first_token", "token_gap", "commit", "sync"):
        assert len(times[name]["counts"]) == len(times["bounds_ms"]) + 1 and sum(times[name]["counts"]) == times[name]["n"]
    assert stats["uptime_s"] >= 0 and stats["t_ms"] > 0


def test_the_log_is_told_from_a_line_on(serve, script):
    server = serve(script())
    first = server.get("/api/logs").json()
    ready = [line for line in first["lines"] if line["text"].startswith("ready url=")]
    assert len(ready) == 1 and ready[0]["level"] == "info" and ready[0]["time"].endswith("Z")
    assert [line["n"] for line in first["lines"]] == list(range(1, first["next"] + 1))
    assert server.get(f"/api/logs?after={first['next']}").json() == {"lines": [], "next": first["next"]}
    server.post("/api/logs/frontend", {"logs": [{"level": "warn", "message": "grüße"}]})
    more = server.get(f"/api/logs?after={first['next']}").json()
    assert [(line["level"], line["text"]) for line in more["lines"]] == [("warn", 'frontend message="grüße"')]
    assert server.get("/api/logs?after=x").status_code == 400


def test_the_log_is_for_administrators_alone(new_server, script):
    server = new_server(script())
    server.data.mkdir()
    reader, owner = add_key(server, "reader", "--scope", "chat"), add_key(server, "owner", "--scope", "admin")
    server.start()
    assert server.get("/api/logs", headers=bearer(reader)).status_code == 403
    assert server.get("/api/logs", headers=bearer(owner)).status_code == 200


def test_a_token_is_told_with_its_stations(serve, script):
    told = script().gate_all()
    server = serve(told)
    with Native(server) as client, Native(server) as plain:
        client.send(type="inspect")
        before = client.until("clock")["t_us"]
        sent = client.begin("Hello")
        plain.watch(sent["conversation"])
        for token in range(1, 4):
            told.open(token)
            frame = client.until("tokens")
            stations = frame["stations"]
            assert before <= stations["sampled"] <= stations["committed"] <= stations["sent"]
        client.send(type="inspect", on=False)
        after = client.until("clock")["t_us"]
        assert stations["sent"] <= after
        told.open_all()
        client.until("end")
        plain.until("end")
        assert all("stations" not in frame for frame in plain.of_type("tokens"))
        assert "stations" not in client.of_type("tokens")[-1]
        client.send(type="inspect", on="yes")
        assert client.until("error")["code"] == "bad_request"
