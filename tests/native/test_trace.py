"""The trace: with --log debug one token is followed from sampling to each socket; its text is in no line of it."""

import re

import pytest

from harness.clients import Chat, Native, Watch

SECRET = ["Zephyrine", " quixotry", " vellichor"]


@pytest.fixture
def answered(new_server, script):
    """An answer that three sockets saw, at a log level."""

    def run(level):
        tale = script(tokens=SECRET).gate(2)
        server = new_server(tale, log=level).start()
        with Chat(server) as chat, Native(server) as native:
            chat.ask("Say the petrichor word")
            token = chat.until("token")
            native.watch(token["conversation_id"])
            native.until("snapshot")
            with Watch(server, token["conversation_id"]) as watch:
                watch.until("update")
                tale.open_all()
                for client, last in ((chat, "done"), (native, "end"), (watch, "end")):
                    client.until(last)
        server.stop()
        return server.stderr(), token["generation"]

    return run


def test_a_token_passes_every_station_in_order(answered):
    log, generation = answered("debug")
    stations = [
        rf"\[GENERATION\] start generation={generation}",
        rf"\[ENGINE\] token sampled seq=4 generation={generation} t_ns=\d+",
        rf"\[GENERATION\] token #3 committed seq=4 generation={generation} t_ns=\d+",
    ]
    places = [re.search(station, log).start() for station in stations]
    assert places == sorted(places)
    for tag in ("WS_CHAT", "WS", "WS_WATCH"):
        sent = re.search(rf"\[{tag}\] token #3 sent watcher=\d+ seq=4 (n=1 )?t_ns=\d+|\[{tag}\] token #2 sent .* n=2", log)
        assert sent and sent.start() > places[-1], tag
    assert re.search(r"\[WS_CHAT\] request conn=\d+ bytes=\d+", log)


@pytest.mark.parametrize("level", ["info", "debug"])
def test_no_text_of_people_or_models_is_in_the_log(answered, level):
    log, _ = answered(level)
    assert "[WS_CHAT]" in log or level == "info"
    for word in ("Zephyrine", "quixotry", "vellichor", "petrichor"):
        assert word not in log


def test_there_is_nothing_per_token_at_the_usual_level(answered):
    log, _ = answered("info")
    for word in ("token #", "token sampled", "[GENERATION]", "[ENGINE]", "[WS"):
        assert word not in log
    assert log.count("turn_end") == 1
