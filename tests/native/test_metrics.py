"""GET /metrics, the access log, and the board for them. [W48] [W49]"""

import json
import os
import re
import time

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from harness.clients import Native
from harness.keys import add_key, bearer, revoke_key
from harness.raw import Raw
from harness.server import ROOT
from harness.wait import wait_until

WAIT_S = 30
BOARD = ROOT / "docs" / "grafana.json"


def read(server, **arguments):
    """{name: {labels as text: value}}; the official parser holds the text to its grammar."""
    answer = server.get("/metrics", **arguments)
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
    families = {}
    for family in text_string_to_metric_families(answer.text):
        assert family.documentation and family.type != "unknown", family.name
        for sample in family.samples:
            labels = ",".join(f"{name}={value}" for name, value in sorted(sample.labels.items()))
            assert labels not in families.setdefault(sample.name, {}), (sample.name, labels, "twice")
            families[sample.name][labels] = sample.value
    return families


def value(families, name, labels=""):
    return families[name].get(labels, 0)


def test_an_answer_is_in_every_figure(serve, script):
    told = script()
    server = serve(told)
    server.get("/health")
    before = read(server)
    assert server.post("/api/chat", {"message": "Hello"}).status_code == 200
    after = read(server)
    n_tokens = len(told.tokens)

    def grown(name, labels=""):
        return value(after, name, labels) - value(before, name, labels)

    assert grown("runnel_tokens_total") == n_tokens == grown("llamacpp:tokens_predicted_total")
    assert grown("runnel_time_to_first_token_seconds_count") == 1
    assert grown("runnel_token_gap_seconds_count") == n_tokens - 1
    assert grown("runnel_generations_total", "reason=stop") == 1
    assert grown("runnel_http_requests_total", "route=/api/chat,status=200") == 1
    assert grown("runnel_http_requests_total", "route=/metrics,status=200") == 1
    assert grown("runnel_prompt_tokens_total") + grown("runnel_prompt_tokens_cached_total") > 0
    assert grown("runnel_store_commit_seconds_count") > 0 and grown("runnel_store_sync_seconds_count") > 0
    assert grown("runnel_sent_bytes_total") > 0 and grown("runnel_received_bytes_total") > 0
    assert value(after, "runnel_engine_state", "state=ready") == 1 and sum(after["runnel_engine_state"].values()) == 1
    assert value(after, "runnel_storage_state", "state=fine") == 1
    assert value(after, "runnel_answers_running") == value(after, "runnel_answers_waiting") == 0
    assert value(after, "process_resident_memory_bytes") > 1e6
    assert abs(value(after, "process_start_time_seconds") - time.time()) < 600


def test_histograms_rise_and_end_at_their_count(serve, script):
    server = serve(script())
    server.post("/api/chat", {"message": "Hello"})
    families = read(server)
    names = [name.removesuffix("_bucket") for name in families if name.endswith("_bucket")]
    assert len(names) == 4
    for name in names:
        rows = sorted((float(labels.removeprefix("le=").replace("+Inf", "inf")), n) for labels, n in families[name + "_bucket"].items())
        assert [n for _, n in rows] == sorted(n for _, n in rows) and rows[-1] == (float("inf"), families[name + "_count"][""])
        assert families[name + "_sum"][""] > 0


def test_what_waits_and_what_runs_is_told_meanwhile(serve, script):
    gated = script().gate(2)
    server = serve(gated)
    with Native(server) as client:
        client.begin("Hello")
        client.until("tokens")
        families = read(server)
        assert value(families, "runnel_answers_running") == 1 == value(families, "llamacpp:requests_processing")
        assert value(families, "runnel_connections", "kind=websocket") == 1
        gated.open(2)
        client.until("end")


def test_what_is_no_request_is_counted(serve, script):
    server = serve(script())
    with Raw(server) as raw:
        raw.send(b"GET / HTTP/9.9\r\n\r\n")
        raw.read_until(b"\r\n")
        status = raw.got.split()[1].decode()
    assert value(read(server), "runnel_http_refused_total", f"status={status}") == 1


def test_labels_have_no_names_of_anybody(serve, script):
    """T33. And their number is bounded: nobody can make more of them."""
    server = serve(script())
    conversation = server.post("/api/chat", {"message": "a secret of mine"}).json()["conversation_id"]
    server.get(f"/api/conversation/{conversation}?x=secret-query")
    n_before = sum(len(rows) for rows in read(server).values())
    for number in range(30):
        assert server.get(f"/api/conversation/nothing-{number}").status_code in (400, 404)
        server.get(f"/no-such-page-{number}")
    text = server.get("/metrics").text
    assert conversation not in text and "secret" not in text and "nothing-" not in text and "no-such" not in text
    assert sum(len(rows) for rows in read(server).values()) <= n_before + 4


def test_an_engine_that_dies_is_counted(serve, script):
    server = serve(script().at(2, "crash"))
    server.expects_crash = True
    server.post("/api/chat", {"message": "Hello"})
    wait_until(lambda: value(read(server), "runnel_engine_restarts_total") >= 1)


# ---- The board ----


def test_the_board_asks_only_for_what_there_is(serve, script):
    server = serve(script())
    server.post("/api/chat", {"message": "Hello"})
    with Raw(server) as raw:
        raw.send(b"GET / HTTP/9.9\r\n\r\n")
        raw.read_until(b"\r\n")
    families = read(server)
    labels = {name: {pair.partition("=")[0] for row in rows for pair in row.split(",") if pair} for name, rows in families.items()}
    board = json.loads(BOARD.read_text())
    asked = [target["expr"] for panel in board["panels"] for target in panel.get("targets", [])]
    assert len(asked) >= 15
    for query in asked:
        names = set(re.findall(r"\b(?:runnel|process|llamacpp:)[a-z_:]+", query))
        assert names and names <= set(families), (query, names - set(families))
        for name, braces in re.findall(r"\b((?:runnel|process|llamacpp:)[a-z_:]+)\{([^}]*)\}", query):
            used = set(re.findall(r"(\w+)\s*[=!~]+", braces)) - {"instance", "job"}
            assert used <= labels[name], (query, name, used)
    shown = set(re.findall(r"\brunnel_[a-z_]+", " ".join(asked)))
    untold = {name for name in families if name.startswith("runnel_")} - shown
    assert not {name for name in untold if name.endswith(("_bucket", "_total"))}, untold


def test_the_board_is_whole():
    board = json.loads(BOARD.read_text())
    assert board["title"] and board["uid"] and board["schemaVersion"] >= 36
    assert len({panel["id"] for panel in board["panels"]}) == len(board["panels"])
    taken = set()
    for panel in board["panels"]:
        place = panel["gridPos"]
        cells = {(x, y) for x in range(place["x"], place["x"] + place["w"]) for y in range(place["y"], place["y"] + place["h"])}
        assert place["x"] + place["w"] <= 24 and not cells & taken, panel["title"]
        taken |= cells
        assert panel["title"] and (panel["type"] == "row" or all(target["datasource"]["uid"] == "${datasource}" for target in panel["targets"]))


# ---- The access log ----


def lines_of(path, n):
    """Waits for n lines."""
    limit = time.monotonic() + WAIT_S
    while True:
        text = path.read_text() if path.exists() else ""
        lines = [json.loads(line) for line in text.splitlines()]
        if len(lines) >= n:
            return lines
        assert time.monotonic() < limit, text
        time.sleep(0.02)


@pytest.fixture
def log(tmp_path):
    return tmp_path / "access.log"


def test_a_line_says_who_did_what_and_no_word_of_it(new_server, script, log):
    """T33"""
    server = new_server(script(), flags=["--access-log", str(log)])
    key = add_key(server, "phone")
    server.start()
    conversation = server.post("/api/chat", {"message": "a secret of mine"}, headers=bearer(key)).json()["conversation_id"]
    server.get(f"/api/conversation/{conversation}?x=secret-query", headers=bearer(key))
    server.get("/api/config", headers=bearer("a wrong secret"))
    with Native(server, hello=False) as client:
        client.send(type="hello", protocol=1, token=key)
        client.until("hello")
    with Raw(server) as raw:
        raw.send(b"GET / HTTP/9.9\r\n\r\n")
        raw.read_until(b"\r\n")
        status = int(raw.got.split()[1])
    lines = lines_of(log, 5)
    names = ("client", "method", "route", "status", "key", "tls")
    assert sorted(tuple(line[name] for name in names) for line in lines) == sorted(
        [
            ("127.0.0.1", "POST", "/api/chat", 200, "phone", False),
            ("127.0.0.1", "GET", "/api/conversation/", 200, "phone", False),
            ("127.0.0.1", "GET", "/api/config", 401, "", False),
            ("127.0.0.1", "GET", "/ws", 101, "phone", False),
            ("127.0.0.1", "", "", status, "", False),
        ]
    )
    for line in lines:
        assert set(line) == {"time", "conn", "client", "tls", "method", "route", "status", "bytes", "ms", "key"}
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", line["time"]) and line["ms"] >= 0
    assert next(line for line in lines if line["route"] == "/api/chat")["bytes"] > 100
    text = log.read_text()
    assert "secret" not in text and conversation not in text and key not in text
    assert log.stat().st_mode & 0o777 == 0o600


def test_a_revoked_key_is_named_no_more(new_server, script, log):
    server = new_server(script(), flags=["--access-log", str(log)])
    key = add_key(server, "phone")
    add_key(server, "other")
    server.start()
    with Native(server, additional_headers=bearer(key)) as client:
        revoke_key(server, "phone")
        assert client.close_code() == 4401
    line = next(line for line in lines_of(log, 2) if line["route"] == "/ws")
    assert line["key"] == ""


def test_a_log_that_is_turned_over_is_begun_again(serve, script, log):
    server = serve(script(), flags=["--access-log", str(log)])
    server.get("/health")
    assert lines_of(log, 1)[0]["route"] == "/health"
    old = log.with_suffix(".1")
    log.rename(old)
    wait_until(log.exists)
    server.get("/health")
    assert lines_of(log, 1)
    assert [json.loads(line)["route"] for line in old.read_text().splitlines()] == ["/health"]


def test_a_log_that_cannot_be_written_is_exit_2(new_server, script, tmp_path):
    server = new_server(script(), flags=["--access-log", str(tmp_path / "nowhere" / "log")])
    server.spawn()
    assert server.wait_exit() == 2
    assert "--access-log" in server.stderr() and "No such file" in server.stderr()


def test_a_log_that_nobody_reads_holds_nobody_up(serve, script, tmp_path):
    """A pipe whose reader sleeps: what does not go in is dropped, and counted."""
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    server = serve(script(), flags=["--access-log", str(pipe)])
    with httpx.Client(base_url=server.url) as client:
        for _ in range(600):
            assert client.get("/health").status_code == 200
    assert value(read(server), "runnel_access_log_dropped_total") > 0
    os.close(reader)
