"""runnel check, salvage and backup: what they say, and with which exit code."""

import os
import shutil
import stat
import subprocess

from harness import proof
from harness.clients import Native
from harness.command import run


def answered(server, text="Hi"):
    answer = server.post("/api/chat", {"message": text})
    assert answer.status_code == 200, answer.text
    return answer.json()["conversation_id"]


def test_check_says_that_a_database_is_good_and_changes_nothing(serve, script):
    server = serve(script())
    answered(server)
    server.kill()
    before = {path.name: path.read_bytes() for path in server.data.iterdir()}
    done = run("check", "--data", server.data)
    assert done.returncode == 0 and "is good: 1 conversations, 2 messages, 1 answers" in done.stdout, done
    assert {path.name: path.read_bytes() for path in server.data.iterdir()} == before


def test_what_cannot_be_checked_is_exit_2_in_one_line(tmp_path):
    for arguments in (
        ["check", tmp_path / "nowhere.db"],
        ["check", tmp_path],
        ["check", "--data", tmp_path / "nowhere"],
        ["check", "--colour"],
        ["salvage", "--data", tmp_path],
        ["salvage", "one.db", "--data", tmp_path],
        ["backup", "--data", tmp_path],
    ):
        done = run(*arguments)
        lines = done.stderr.strip().splitlines()
        assert done.returncode == 2 and len(lines) == 1 and lines[0].startswith("runnel: "), (arguments, done)


def test_salvage_leaves_a_good_database_alone(serve, script):
    server = serve(script())
    answered(server)
    server.stop()
    before = sorted(path.name for path in server.data.iterdir())
    done = run("salvage", "--data", server.data)
    assert done.returncode == 2 and "nothing to salvage" in done.stderr, done
    assert sorted(path.name for path in server.data.iterdir()) == before


def test_a_backup_of_a_running_server_in_the_middle_of_an_answer(serve, new_server, script, tmp_path):
    """It is whole, private, and a database of its own: the answer in it goes on from where it was."""
    tale = script().gate(5)
    server = serve(tale)
    with Native(server) as client:
        ack = client.begin("Tell me")
        client.until_seq(5)
        file = tmp_path / "kept.db"
        done = run("backup", file, "--data", server.data)
        assert done.returncode == 0 and str(file) in done.stdout, done
        tale.open_all()
        client.until("end", reason="stop")
        epoch = client.epoch
    assert stat.S_IMODE(os.stat(file).st_mode) == 0o600
    assert run("check", file).returncode == 0
    restored = new_server(tale, data="restored")
    restored.data.mkdir()
    shutil.copy(file, restored.data / "runnel.db")
    restored.start()
    with Native(restored) as client:
        assert client.epoch != epoch
        client.watch(ack["conversation"], {"generation": ack["generation"], "epoch": epoch, "after_seq": 3})
        assert client.until("reset")["reason"] == "epoch"
    assert restored.answer_of(ack["conversation"])["content"].startswith("".join(tale.tokens[:4]))
    restored.stop()
    proof.prove(restored.data)


def test_a_backup_goes_under_the_data_folder_and_writes_over_nothing(serve, script, tmp_path):
    server = serve(script())
    answered(server)
    answer = server.post("/api/backup").json()
    assert answer["success"] and answer["size"] == os.stat(answer["path"]).st_size
    assert os.path.dirname(answer["path"]) == os.path.realpath(server.data / "backups")
    taken = tmp_path / "taken.db"
    taken.write_text("mine")
    done = run("backup", taken, "--data", server.data)
    assert done.returncode == 2 and "there already" in done.stderr and taken.read_text() == "mine"
    server.stop()
    assert run("backup", "--data", server.data).returncode == 0
    made = list((server.data / "backups").iterdir())
    assert len(made) == 2
    for path in made:
        assert run("check", path).returncode == 0


def test_a_backup_needs_the_token_of_the_server(serve, script, tmp_path):
    server = serve(script(), flags=["--token", "secret"])
    refused = run("backup", "--data", server.data)
    assert refused.returncode == 2 and "--token" in refused.stderr
    assert run("backup", "--data", server.data, "--token", "secret").returncode == 0


def test_a_backup_to_another_disk_is_copied(serve, script, tmp_path):
    server = serve(script())
    answered(server)
    other = f"/dev/shm/runnel-test-{os.getpid()}.db"
    try:
        done = run("backup", other, "--data", server.data)
        assert done.returncode == 0, done
        assert run("check", other).returncode == 0
    finally:
        subprocess.run(["rm", "-f", other], check=True)
