"""runnel check, salvage and backup: what they say, and with which exit code."""

import os
import shutil
import signal
import stat
import subprocess

import httpx
import pytest

from harness import proof
from harness.clients import Native
from harness.command import run
from harness.syscalls import inject


def answered(server, text="Hi"):
    answer = server.post("/api/chat", {"message": text})
    assert answer.status_code == 200, answer.text
    return answer.json()["conversation_id"]


def test_check_says_that_a_database_is_good_and_changes_nothing(serve, script):
    server = serve(script())
    answered(server)
    server.kill()
    before = {path.name: path.read_bytes() for path in server.data.iterdir() if path.is_file()}
    done = run("check", "--data", server.data)
    assert done.returncode == 0 and "is good: 1 conversations, 2 messages, 1 answers" in done.stdout, done
    assert {path.name: path.read_bytes() for path in server.data.iterdir() if path.is_file()} == before


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


def test_a_backup_needs_no_token_of_whoever_owns_the_folder(serve, script, tmp_path):
    """It asks by the Unix socket; by the port it needs the token."""
    server = serve(script(), flags=["--token", "secret"])
    assert run("backup", "--data", server.data).returncode == 0
    deep = serve(script(), data="deep" * 20, flags=["--token", "secret"])
    refused = run("backup", "--data", deep.data)
    assert refused.returncode == 2 and "--token" in refused.stderr
    assert run("backup", "--data", deep.data, "--token", "secret").returncode == 0


# As on FAT and on some network mounts: no second name for a file, and no way to rename that refuses to write over another.
SIMPLE_DISK = ["strace", "-f", "-o", "/dev/null", "-e", "inject=link,linkat:error=EPERM", "-e", "inject=renameat2:error=EINVAL"]


def test_where_files_have_one_name_copies_are_made_all_the_same(new_server, script, tmp_path):
    server = new_server(script(), prefix=SIMPLE_DISK, env={"ASAN_OPTIONS": "detect_leaks=0"}).start()
    answered(server)
    made = server.post("/api/backup").json()
    assert made["success"] and run("check", made["path"]).returncode == 0
    moved = run("backup", tmp_path / "moved.db", "--data", server.data, prefix=SIMPLE_DISK)
    assert moved.returncode == 0, moved
    os.kill(int((server.data / "lock").read_text().split()[0]), signal.SIGTERM)
    assert server.wait_exit() == 0
    own = run("backup", tmp_path / "own.db", "--data", server.data, prefix=SIMPLE_DISK)
    assert own.returncode == 0, own
    for name in ("moved.db", "own.db"):
        assert run("check", tmp_path / name).returncode == 0
    (tmp_path / "mine.db").write_text("mine")
    assert run("backup", tmp_path / "mine.db", "--data", server.data, prefix=SIMPLE_DISK).returncode == 2
    assert (tmp_path / "mine.db").read_text() == "mine"


def test_a_copy_that_was_cut_off_is_removed_by_the_next_start_and_nothing_else_is(new_server, script):
    server = new_server(script()).start()
    answered(server)
    with inject(server, "store-finish", "fsync", "signal=KILL:when=1"):
        with pytest.raises(httpx.HTTPError):
            server.post("/api/backup")
        assert server.wait_exit() == -9
    backups = server.data / "backups"
    assert [path.name.endswith(".db.part") for path in backups.iterdir()] == [True]
    stamp = "2026-11-22-21-05-10-123"
    stale = [
        server.data / f"runnel.db.before-002-{stamp}.part", server.data / "runnel.db.new", server.data / "runnel.db.new-wal",
        backups / f"runnel-{stamp}.db.part", backups / f"runnel-{stamp}.db.part-journal", backups / f"runnel-{stamp}.db",
        server.data / f"runnel.db.salvaged-{stamp}",
    ]
    kept = [
        server.data / f"runnel.db.before-002-{stamp}", server.data / "notes.part", backups / "holiday.part", backups / "my.db.part",
        server.data / f"runnel.db.damaged-{stamp}", backups / "runnel-2026-11-22-21-05-10-124.db",
    ]
    for path in stale + kept:
        path.write_text("" if path.name in (f"runnel-{stamp}.db", f"runnel.db.salvaged-{stamp}") else "some bytes")
    server.start()
    assert not [path for path in stale if path.exists()]
    assert not [path for path in kept if not path.exists()]
    assert len(list(backups.iterdir())) == 3
    assert server.post("/api/backup").json()["success"]


def test_a_file_that_may_be_somebodys_is_not_written_over_by_a_copy(serve, script, tmp_path):
    server = serve(script())
    answered(server)
    server.stop()
    part = tmp_path / "kept.db.part"
    part.write_text("mine")
    done = run("backup", tmp_path / "kept.db", "--data", server.data)
    assert done.returncode == 2 and str(part) in done.stderr and "remove it" in done.stderr, done
    assert part.read_text() == "mine" and not (tmp_path / "kept.db").exists()


def put(server, name, content):
    return server.http("POST", "/api/attachments", files={"file": (name, content)}).json()["id"]


def test_w29_a_backup_has_the_files_of_messages_and_goes_back_with_them(serve, new_server, script, tmp_path):
    """By the server, by the command while it runs and while it does not, and to another disk."""
    server = serve(script())
    content = {"a.txt": b"one", "b.pdf": b"%PDF-1.4" + bytes(range(256)) * 999}
    ids = {name: put(server, name, text) for name, text in content.items()}
    server.post(f"/api/attachments/{ids['b.pdf']}/text", {"text": "said"})
    with Native(server) as client:
        client.begin("Read", attachments=[{"id": id} for id in ids.values()])
        client.until("end")
    shm = f"/dev/shm/runnel-test-{os.getpid()}-files.db"
    copies = [server.post("/api/backup").json()["path"], tmp_path / "running.db", shm, tmp_path / "own.db"]
    try:
        for file in copies[1:3]:
            assert run("backup", file, "--data", server.data).returncode == 0
        server.stop()
        done = run("backup", copies[3], "--data", server.data)
        assert done.returncode == 0 and "own.db.attachments" in done.stdout
        assert "2 files" in run("check", "--data", server.data).stdout
        for n, file in enumerate(copies):
            checked = run("check", file)
            assert checked.returncode == 0 and "2 files" in checked.stdout, checked
            restored = new_server(script(), data=f"restored{n}")
            restored.data.mkdir()
            shutil.copy(file, restored.data / "runnel.db")
            shutil.copytree(f"{file}.attachments", restored.data / "attachments")
            restored.start()
            assert {name: restored.get(f"/api/attachments/{id}").content for name, id in ids.items()} == content
            restored.stop()
    finally:
        subprocess.run(["rm", "-rf", shm, f"{shm}.attachments"], check=True)
    taken = run("backup", tmp_path / "running.db", "--data", server.data)
    assert taken.returncode == 2 and "there already" in taken.stderr
    place = tmp_path / "own.db.attachments"
    (place / ids["a.txt"][:2] / ids["a.txt"]).unlink()
    assert "of 1 the text alone" in run("check", tmp_path / "own.db").stdout
    damaged = place / ids["b.pdf"][:2] / ids["b.pdf"]
    damaged.unlink()
    damaged.write_bytes(b"%PDF-1.4 other")
    done = run("check", tmp_path / "own.db")
    assert done.returncode == 1 and ids["b.pdf"] in done.stdout and "other bytes" in done.stdout


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
