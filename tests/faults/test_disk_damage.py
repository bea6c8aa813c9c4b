"""A database that is damaged: it is said, never written over, and what can be read is saved (F18, F19)."""

import contextlib
import hashlib
import random
import shutil
import sqlite3

import pytest

from harness import proof
from harness.clients import Native
from harness.command import run
from harness.server import Server

PAGE = 4096
N_CONVERSATIONS = 12


@pytest.fixture(scope="module")
def template(tmp_path_factory):
    """A data folder with some conversations, whose log has not been moved into the database; and what they say."""
    from harness.script import Script

    folder = tmp_path_factory.mktemp("template")
    tale = Script(folder / "models", tokens=[f" word-{number:04} of the long answer" for number in range(400)])
    server = Server(folder / "data", folder / "models", model=tale.path).start()
    for number in range(N_CONVERSATIONS):
        assert server.post("/api/chat", {"message": f"Question {number} " + "and more " * 40}).status_code == 200
    said = texts_of(server)
    server.kill()
    return folder, said


def texts_of(server):
    """What all conversations say that can be read."""
    said = {}
    for row in server.get("/api/conversations").json().get("conversations", []):
        answer = server.get(f"/api/conversation/{row['name']}")
        if answer.status_code == 200:
            said[row["name"]] = [message["content"] for message in answer.json()["messages"]]
    return said


def copy_data(source, folder):
    """Without the socket, which is nobody's data."""
    shutil.copytree(source, folder, ignore=shutil.ignore_patterns("*.sock"))


def copy_of(template, tmp_path, name):
    folder = tmp_path / name
    copy_data(template[0] / "data", folder)
    return folder


def settle(folder):
    """Moves the log into the database, so that damage done to it is not hidden behind the log."""
    with contextlib.closing(sqlite3.connect(folder / "runnel.db")) as database:
        database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        database.execute("PRAGMA journal_mode = WAL")


def digest(folder):
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in folder.iterdir() if path.name.startswith("runnel.db")}


def damage(path, chance):
    """Bytes, a sector or a whole page, behind the first page; where."""
    size = path.stat().st_size
    kind = chance.choice(["bytes", "sector", "page", "pages"])
    with open(path, "r+b") as file:
        for _ in range({"bytes": 20, "pages": 4}.get(kind, 1)):
            page = chance.randrange(1, size // PAGE)
            at, length = page * PAGE, PAGE
            if kind == "bytes":
                at, length = at + chance.randrange(PAGE), 1
            elif kind == "sector":
                at, length = at + 512 * chance.randrange(8), 512
            file.seek(at)
            file.write(chance.randbytes(length))
    return kind


def seeds(seed, is_long):
    return range(seed, seed + (300 if is_long else 12))


def test_what_is_damaged_is_found_and_all_that_can_be_read_is_saved(template, tmp_path, seed, is_long):
    """F18, by the commands alone: many kinds of damage."""
    n_saved = n_damaged = 0
    for number in seeds(seed, is_long):
        chance = random.Random(number)
        folder = copy_of(template, tmp_path, f"data-{number}")
        settle(folder)
        kind = damage(folder / "runnel.db", chance)
        before = digest(folder)
        done = run("check", "--data", folder)
        assert done.returncode in (0, 1), f"seed {number}: {done}"
        assert digest(folder) == before, f"seed {number}: a look changed something"
        if done.returncode == 0:
            continue  # it hit what nothing refers to, or letters of a text
        n_damaged += 1
        assert "runnel salvage" in done.stdout, done.stdout
        saved = run("salvage", "--data", folder)
        where = f"seed {number} ({kind}): {saved.stdout}{saved.stderr}"
        kept = [path for path in folder.iterdir() if "damaged" in path.name and not path.name.endswith("-wal")]
        assert saved.returncode == 0, where
        assert len(kept) == 1 and hashlib.sha256(kept[0].read_bytes()).hexdigest() == before["runnel.db"], where
        good = run("check", "--data", folder)
        assert good.returncode == 0, where + good.stdout
        n_saved += 1
        shutil.rmtree(folder)
    assert n_damaged > 0 and n_saved == n_damaged, f"{n_saved} of {n_damaged} saved"


def test_what_check_says_can_be_read_whatever_the_damaged_rows_say(template, tmp_path):
    folder = copy_of(template, tmp_path, "data")
    settle(folder)
    with contextlib.closing(sqlite3.connect(folder / "runnel.db", isolation_level=None)) as database:
        database.execute("PRAGMA ignore_check_constraints = 1")
        changed = database.execute("UPDATE generation SET id = CAST(x'61a20a1b62' AS TEXT), reason = NULL WHERE key = (SELECT min(key) FROM generation WHERE ended = 1)")
        assert changed.rowcount == 1
    done = run("check", "--data", folder)
    assert done.returncode == 1
    assert "answer a???b: it has ended without an end" in done.stdout.splitlines()


def test_a_server_on_a_damaged_database_refuses_or_reports_and_after_salvage_it_serves(template, tmp_path, seed, new_server):
    """F18: one leaf of the messages is gone."""
    folder = copy_of(template, tmp_path, "data")
    settle(folder)
    content = (folder / "runnel.db").read_bytes()
    hit = content.find(b"word-0200")
    assert hit > PAGE
    page = hit // PAGE
    (folder / "runnel.db").write_bytes(content[: page * PAGE] + random.Random(seed).randbytes(PAGE) + content[(page + 1) * PAGE :])
    server = new_server()
    server.spawn()
    line = server.read_line()
    if line:
        import re

        server.port = int(re.search(r":(\d+)", line).group(1))
        found = texts_of(server)
        assert all(found[name] == template[1][name] for name in found), "a text was made up"
        server.stop()
    else:
        assert server.wait_exit() == 3 and "runnel salvage" in server.stderr()
    assert run("check", "--data", folder).returncode == 1
    saved = run("salvage", "--data", folder)
    assert saved.returncode == 0 and "LOST" in saved.stdout, saved
    server.start()
    found = texts_of(server)
    whole = [name for name in template[1] if found.get(name) == template[1][name]]
    assert len(whole) >= N_CONVERSATIONS - 2, f"{len(whole)} of {N_CONVERSATIONS} are whole\n{saved.stdout}"
    assert server.post("/api/chat", {"message": "Hi"}).status_code == 503  # no model, but it answers


def test_cursors_of_a_database_that_was_salvaged_are_reset(template, tmp_path, new_server, script):
    """P3: a new epoch."""
    server = new_server(script()).start()
    with Native(server) as client:
        ack = client.begin("Hi")
        client.until("end")
        cursor = {"generation": ack["generation"], "epoch": client.epoch, "after_seq": 3}
    server.stop()
    with open(server.data / "runnel.db", "r+b") as file:
        file.seek(file.seek(0, 2) // PAGE * PAGE - PAGE)
        file.write(bytes(PAGE))
    if run("salvage", "--data", server.data).returncode != 0:
        pytest.fail("nothing was salvaged")
    server.start()
    with Native(server) as client:
        client.watch(ack["conversation"], cursor)
        assert client.until("reset", "error")["type"] == "reset"


def test_a_damaged_first_page_is_refused_and_stays_as_it_is(template, tmp_path, new_server):
    folder = copy_of(template, tmp_path, "data")
    settle(folder)
    with open(folder / "runnel.db", "r+b") as file:
        file.write(random.Random(1).randbytes(PAGE))
    before = digest(folder)
    server = new_server()
    server.spawn()
    assert server.wait_exit() == 3
    assert "runnel check" in server.stderr() and "runnel salvage" in server.stderr()
    assert digest(folder)["runnel.db"] == before["runnel.db"]


SCHEMA_PAGES = "SELECT pageno FROM dbstat WHERE name = 'sqlite_schema'"


@pytest.mark.parametrize("log", ["moved", "waiting"])
def test_without_the_list_of_its_tables_all_is_saved(template, tmp_path, new_server, log):
    """F18: the first page and those behind it that say where each table begins are gone; the newest conversation is only in the log."""
    folder = copy_of(template, tmp_path, "data")
    settle(folder)
    expected = dict(template[1])
    if log == "waiting":
        tale = Server(folder, template[0] / "models", model=template[0] / "models" / "fake.json").start()
        tale.post("/api/chat", {"message": "The newest"})
        expected = texts_of(tale)
        tale.kill()
    shutil.copy(folder / "runnel.db", tmp_path / "pages.db")
    with contextlib.closing(sqlite3.connect(tmp_path / "pages.db")) as database:
        pages = [row[0] for row in database.execute(SCHEMA_PAGES)]
    assert 1 in pages and len(pages) > 1
    with open(folder / "runnel.db", "r+b") as file:
        for page in pages:
            file.seek((page - 1) * PAGE)
            file.write(random.Random(page).randbytes(PAGE))
    before = digest(folder)
    assert run("check", "--data", folder).returncode == 1
    saved = run("salvage", "--data", folder)
    assert saved.returncode == 0 and "list of its tables" in saved.stdout and "LOST" not in saved.stdout, saved
    assert before["runnel.db"] in digest(folder).values()
    assert not list(folder.glob("runnel.db.new*"))
    server = new_server().start()
    assert texts_of(server) == expected


def test_what_cannot_be_salvaged_stays_and_the_good_copies_are_named(template, tmp_path):
    """F18: not a page is left, nor of one of the copies. What to do is said, with the paths."""
    folder = copy_of(template, tmp_path, "data")
    for _ in range(2):
        assert run("backup", "--data", folder).returncode == 0
    kept = sorted((folder / "backups").iterdir())
    bad = folder / "backups" / "runnel-2026-11-22-21-05-10-123.db"
    bad.write_bytes(random.Random(2).randbytes(50 * PAGE))
    older = folder / "runnel.db.before-002-2026-11-22-21-05-10-123"
    shutil.copy(kept[0], older)
    (folder / "runnel.db-wal").unlink()
    (folder / "runnel.db").write_bytes(random.Random(1).randbytes(100 * PAGE))
    before = digest(folder)
    for command, said in (("salvage", "nothing in"), ("check", "is damaged")):
        done = run(command, "--data", folder)
        assert done.returncode == 1 and said in done.stdout + done.stderr, done
        for path in (*kept, older):
            assert f"{N_CONVERSATIONS} conversations, {2 * N_CONVERSATIONS} messages: {path}\n" in done.stdout, done
        assert str(bad) not in done.stdout and "to go back to one of them" in done.stdout
    assert digest(folder) == before


def test_a_database_of_another_program_is_not_salvaged_as_if_it_were_ours(tmp_path):
    (tmp_path / "data").mkdir()
    with contextlib.closing(sqlite3.connect(tmp_path / "data" / "runnel.db")) as database:
        database.executescript("PRAGMA application_id = 7; CREATE TABLE message (id, content); INSERT INTO message VALUES (1, 'mine')")
    before = digest(tmp_path / "data")
    done = run("salvage", "--data", tmp_path / "data")
    assert done.returncode == 1 and "another program" in done.stdout, done
    assert digest(tmp_path / "data") == before


# ---- A salvage that is cut off ----


POINTS = ["salvage.ready", "salvage.decided", "salvage.log_moved", "salvage.moved", "salvage.placed"]


@pytest.fixture(scope="module")
def damaged(template, tmp_path_factory):
    """A damaged database whose log holds the newest conversation; what is left of it after a salvage."""
    folder = tmp_path_factory.mktemp("damaged") / "data"
    copy_data(template[0] / "data", folder)
    settle(folder)
    server = Server(folder, template[0] / "models", model=template[0] / "models" / "fake.json").start()
    server.post("/api/chat", {"message": "The newest"})
    server.kill()
    content = (folder / "runnel.db").read_bytes()
    page = content.find(b"word-0200") // PAGE
    (folder / "runnel.db").write_bytes(content[: page * PAGE] + bytes(PAGE) + content[(page + 1) * PAGE :])
    whole = folder.parent / "whole"
    copy_data(folder, whole)
    assert run("salvage", "--data", whole).returncode == 0
    server = Server(whole, template[0] / "models").start()
    left = texts_of(server)
    server.stop()
    assert any("The newest" in texts for texts in left.values())
    return folder, left


@pytest.mark.parametrize("point", POINTS)
def test_a_salvage_that_is_killed_leaves_the_old_one_or_the_new_one(damaged, tmp_path, fault_points, new_server, point):
    """F18: at each step of taking the place; a start finishes it, and so does another salvage."""
    for then in ("start", "salvage"):
        folder = tmp_path / then
        copy_data(damaged[0], folder)
        before = digest(folder)
        assert run("salvage", "--data", folder, "--fault", f"{point}:1").returncode == -9
        is_decided = point != "salvage.ready"
        if not is_decided:
            assert {**digest(folder), **before} == digest(folder), "the old one was touched"
        if point in ("salvage.decided", "salvage.log_moved", "salvage.moved"):
            for command in ("check", "backup"):
                done = run(command, "--data", folder)
                assert done.returncode == 2 and ("runnel salvage" in done.stderr or "No such file" in done.stderr), done
        if then == "start":
            server = new_server(data=then)
            server.spawn()
            if server.read_line():
                server.stop()
            else:
                assert not is_decided and server.wait_exit() == 3
        if then == "salvage" or not is_decided:
            done = run("salvage", "--data", folder)
            assert done.returncode == (2 if point == "salvage.placed" else 0), done
        after = digest(folder)
        assert before["runnel.db"] in [after[name] for name in after if "damaged" in name] or not is_decided
        if is_decided:
            assert before["runnel.db-wal"] in [after[name] for name in after if "damaged" in name]
        assert not [name for name in after if "new" in name or "salvaged" in name]
        server = new_server(data=then).start()
        assert texts_of(server) == damaged[1], f"{point}, {then}"
        server.stop()


@pytest.mark.parametrize("kind", ["cut", "garbage", "torn"])
def test_a_damaged_log_keeps_what_came_before_the_damage(template, tmp_path, seed, is_long, kind):
    """F19: the valid beginning of the log counts, and it is a state that was."""
    log_size = (template[0] / "data" / "runnel.db-wal").stat().st_size
    for number in range(seed, seed + (40 if is_long else 3)):
        chance = random.Random(f"{kind} {number}")
        folder = copy_of(template, tmp_path, f"data-{number}")
        at = chance.randrange(log_size)
        with open(folder / "runnel.db-wal", "r+b") as file:
            if kind == "cut":
                file.truncate(at)
            else:
                file.seek(at)
                file.write(chance.randbytes(512 if kind == "torn" else min(20000, log_size - at)))
        server = Server(folder, template[0] / "models").start()
        found = texts_of(server)
        server.stop()
        for name, texts in found.items():
            for text, whole in zip(texts, template[1][name]):
                assert whole.startswith(text), f"{kind} {number}: {text[:80]!r}"
        order = sorted(template[1])
        assert sorted(found) == order[: len(found)], f"{kind} {number}: a later conversation without an earlier one"
        proof.prove(folder)
        assert run("check", "--data", folder).returncode == 0
