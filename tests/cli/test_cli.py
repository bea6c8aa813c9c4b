"""The command line: a wrong word is one line that says what to do, with exit code 2 or 3."""

import json
import os
import re
import signal
import socket
import subprocess

import pytest

from harness.server import build_folder


@pytest.fixture
def run(tmp_path):
    """Runs the server with arguments until it exits by itself."""

    def call(*arguments, **environment):
        env = {key: value for key, value in os.environ.items() if not key.startswith("RUNNEL_")}
        env.update(HOME=str(tmp_path), XDG_CONFIG_HOME=str(tmp_path), XDG_DATA_HOME=str(tmp_path), **environment)
        command = [str(build_folder() / "runnel"), *map(str, arguments)]
        return subprocess.run(command, env=env, capture_output=True, text=True, timeout=60, stdin=subprocess.DEVNULL)

    return call


def check_refused(done, code, *words):
    lines = [line for line in done.stderr.splitlines() if line.startswith("runnel: ")]
    assert done.returncode == code, done.stderr
    assert len(lines) == 1, done.stderr
    for word in words:
        assert word in lines[0], lines[0]
    assert done.stdout == ""


def test_help_names_every_option_and_version_is_one_line(run):
    done = run("--help")
    assert done.returncode == 0
    for option in ("port", "host", "data", "models", "model", "engine", "log", "no-open", "token", "config"):
        assert f"--{option} " in done.stdout
    assert run("--version").stdout.split()[0] == "runnel"


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        (["--colour"], "--colour"),
        (["--port"], "--port"),
        (["--port", "eight"], "eight"),
        (["--port", "65536"], "65535"),
        (["--port", "-1"], "-1"),
        (["extra"], "extra"),
        (["--log", "loud"], "error, warn, info, debug or trace"),
        (["--speculation", "on"], "auto, off or always"),
        (["--engine", "nope"], "runnel-engine-nope"),
        (["--engine", "../sh"], "name"),
        (["--host", "0.0.0.0"], "--token"),
        (["--host", "0.0.0.0", "--token", ""], "--token"),
        (["--token", "x" * 501], "--token"),
        (["--model", "/no/such/file.gguf"], "/no/such/file.gguf"),
        (["--model", "/"], "is no file"),
        (["--config", "/no/such/config.json"], "/no/such/config.json"),
    ],
)
def test_a_wrong_option_is_exit_2_and_says_what(run, arguments, word):
    check_refused(run(*arguments), 2, word)


def test_a_port_in_use_is_exit_3_and_names_it(run):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        check_refused(run("--engine", "fake", "--port", port), 3, str(port), "--port")


def test_a_data_folder_that_cannot_be_made_is_exit_3(run, tmp_path):
    (tmp_path / "file").write_text("x")
    check_refused(run("--data", tmp_path / "file" / "data"), 3, "cannot make the folder")


@pytest.mark.parametrize("text", ["{", "[]", '{"colour":1}', '{"port":"eight"}', '{"port":1,"port":2}'])
def test_a_wrong_file_is_exit_2_and_named(run, tmp_path, text):
    path = tmp_path / "wrong.json"
    path.write_text(text)
    check_refused(run("--config", path), 2, "wrong.json")


def test_a_flag_beats_the_environment_and_the_environment_beats_the_file(run, tmp_path):
    path = tmp_path / "config.json"
    path.write_text(json.dumps({"log": "from-file", "engine": "fake"}))
    check_refused(run("--config", path), 2, "from-file")
    check_refused(run("--config", path, RUNNEL_LOG="from-environment"), 2, "from-environment")
    check_refused(run("--config", path, "--log", "from-flag", RUNNEL_LOG="from-environment"), 2, "from-flag")
    check_refused(run(RUNNEL_CONFIG=str(path)), 2, "from-file")


def test_the_usual_file_is_read_without_being_named(run, tmp_path):
    (tmp_path / "runnel").mkdir()
    (tmp_path / "runnel" / "config.json").write_text('{"log":"from-usual-file"}')
    check_refused(run(), 2, "from-usual-file")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_stops_it_with_code_0(new_server, script, number):
    server = new_server(script()).start()
    server.process.send_signal(number)
    assert server.wait_exit(5) == 0


def test_a_server_under_nohup_outlives_its_terminal(new_server, script):
    server = new_server(script(), prefix=["nohup"]).start()
    server.process.send_signal(signal.SIGHUP)
    server.process.send_signal(signal.SIGTERM)
    assert server.wait_exit(5) == 0
    assert re.findall(r"stop_asked signal=(\d+)", server.stderr()) == [str(int(signal.SIGTERM))]


def test_ctrl_c_in_a_terminal_stops_the_server_and_leaves_the_engine_to_it(new_server, script):
    server = new_server(script(tokens=[" word"] * 50, token_ms=20), prefix=["setsid"]).start()
    server.post("/api/chat", {"message": "Hi", "max_tokens": 2})
    assert os.getpgid(server.engine_pid()) != os.getpgid(server.process.pid)
    os.killpg(server.process.pid, signal.SIGINT)
    assert server.wait_exit(5) == 0
    assert "SIGINT" not in server.stderr()


def test_it_starts_and_says_so_without_any_model(new_server):
    server = new_server().start()
    status = server.status()
    assert status["state"] == "none" and status["model_path"] is None
    answer = server.post("/api/chat", {"message": "Hi"})
    assert answer.status_code == 503
    assert str(server.models) in answer.json()["error"], "it says where to put one"
    assert server.get("/").status_code == 200


def test_the_trace_follows_a_token_through_its_stations(new_server, script):
    server = new_server(script(), log="debug").start()
    assert server.post("/api/chat", {"message": "a secret word"}).status_code == 200
    log = server.stderr()
    assert "[GENERATION] start generation=" in log
    assert "[GENERATION] token #3 committed seq=4" in log
    assert "[ENGINE] token sampled seq=4" in log
    assert "a secret word" not in log and " river" not in log.replace("[GENERATION]", "")
