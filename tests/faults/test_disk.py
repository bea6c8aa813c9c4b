"""The disk: what is shown is stored, what is stored stays, and trouble is told and heals (P4, P8).

F8 death at a write, F15 full, F16 a call that fails once, F17 read-only, F20 two owners, F21 the log's size, F23 a slow disk and one that does
not answer any more, F24 strangers.
"""

import os
import signal
import sqlite3
import subprocess
import threading
import time

import pytest

from harness import proof
from harness.clients import Native
from harness.command import run
from harness.oracle import Mirror, check_stored, follow
from harness.syscalls import inject

WRITES = "pwrite64,write,fdatasync,ftruncate"


def limit_files(server, size):
    """The largest file that the server may make, in bytes: a disk that is full, and one that is not any more."""
    subprocess.run(["prlimit", "--pid", str(server.process.pid), f"--fsize={size}:unlimited"], check=True)


def text_stored(server, ack):
    return server.answer_of(ack["conversation"])["content"]


# ---- F8 ----


def death_points(is_long):
    if is_long:
        return [("store", n) for n in range(1, 61)] + [("store-sync", n) for n in range(1, 9)]
    return [("store", 1), ("store", 2), ("store", 5), ("store", 9), ("store-sync", 1), ("store-sync", 2)]


def test_death_at_any_write_of_an_answer_loses_nothing_that_was_shown(new_server, script, is_long):
    """F8: SIGKILL at the N-th call that changes the disk, of each thread that makes some."""
    tale = script()
    server = new_server(tale)
    for thread, number in death_points(is_long):
        server.start()
        with Native(server) as client:
            with inject(server, thread, WRITES, f"signal=KILL:when={number}"):
                client.send(type="send", client_msg_id=f"{thread}-{number}", text="Tell me")
                client.close_code()
            assert server.wait_exit() == -9, f"{thread} {number}"
        stored = proof.prove(server.data)
        for ack in client.of_type("ack"):
            assert ack["message"] in stored.messages, f"{thread} {number}: an acknowledged message is lost"
            mirror = Mirror(ack["conversation"]).feed(*client.frames)
            if mirror.last_generation:
                kept = stored.generations[mirror.last_generation]
                assert kept.last_seq >= mirror.seq, f"{thread} {number}: {mirror.seq} was shown, {kept.last_seq} is stored"
                assert kept.text.decode().startswith(mirror.text), f"{thread} {number}"
    server.start()
    assert server.is_serving()


# ---- F15 ----


def test_a_disk_that_is_full_stops_the_answer_and_lets_it_go_on(serve, script):
    """F15: nothing is shown that is not stored, reading works, and the answer goes on when there is space again."""
    tale = script().gate(5)
    server = serve(tale)
    with Native(server) as client:
        ack = client.begin("Tell me")
        client.until_seq(5)
        limit_files(server, 100)
        tale.open(5)
        trouble = client.until("storage")
        assert trouble["state"] == "full" and trouble["text"], trouble
        mirror = Mirror(ack["conversation"]).feed(*client.frames)
        assert mirror.text == "".join(tale.tokens[:4]) == text_stored(server, ack)
        assert server.get("/health").json()["storage"] == "full"
        assert ack["conversation"] in server.get("/api/conversations").text
        limit_files(server, "unlimited")
        client.until("storage", state="fine")
        mirror = follow(client, Mirror(ack["conversation"]))
        assert mirror.end == "stop" and mirror.text == tale.text
        check_stored(server, mirror)


def test_a_message_that_comes_in_trouble_is_answered_when_it_is_over(serve, script):
    """F15: it waits, and trouble ends by itself."""
    server = serve(script())
    with Native(server) as client:
        limit_files(server, 100)
        client.send(type="send", client_msg_id="one", text="Now")
        client.until("storage", state="full")
        limit_files(server, "unlimited")
        client.until("storage", state="fine")  # the answer may be over by then: the log was moved last
        if not client.of_type("end"):
            client.until("end")
        assert client.of_type("end")[0]["reason"] == "stop"
    assert server.get("/health").json()["storage"] == "fine"


# ---- F16 ----


@pytest.mark.parametrize(("thread", "call"), [("store", "pwrite64"), ("store-sync", "fdatasync")])
def test_a_call_that_fails_once_costs_nothing(serve, script, is_long, thread, call):
    """F16: EIO at the N-th call of an answer; the batch is written again with the same numbers, and there is no hole."""
    tale = script().gate(4)
    server = serve(tale)
    numbers = range(1, 200) if is_long else (1, 2, 3)
    for number in numbers:
        with Native(server) as client:
            with inject(server, thread, call, f"error=EIO:when={number}"):
                ack = client.begin("Tell me")
                tale.open_all()
                mirror = follow(client, Mirror(ack["conversation"]))
            assert mirror.end == "stop" and mirror.text == tale.text, f"{call} {number}"
            check_stored(server, mirror)
    part = "commit" if thread == "store" else "sync"
    assert server.stderr().count(f"part={part} is=failing") >= 1, "nothing failed"
    server.stop()
    proof.prove(server.data, all_ended=True)


# ---- F17 ----


def mount_read_only(data):
    """A command that sees the folder read-only: a mount of its own, or, where mounts are not allowed, opening that fails."""
    mount = ["unshare", "-rm", "sh", "-c", f'mount --bind "{data}" "{data}" && mount -o remount,bind,ro "{data}" && exec "$@"', "sh"]
    if subprocess.run([*mount, "true"], capture_output=True).returncode == 0:
        return mount
    paths = [word for name in ("lock", "runnel.db") for word in ("-P", str(data / name))]
    return ["strace", "-f", "-o", "/dev/null", *paths, "-e", "inject=openat:error=EROFS"]


def test_a_folder_that_cannot_be_written_is_said_in_one_line(new_server, script):
    """F17: at the start."""
    server = new_server(script()).start()
    server.stop()
    server.prefix = mount_read_only(server.data)
    server.env = {"ASAN_OPTIONS": os.environ.get("ASAN_OPTIONS", "") + ":detect_leaks=0"}  # nobody looks for leaks under strace
    server.spawn()
    assert server.wait_exit() == 3
    said = [line for line in server.stderr().splitlines() if line.startswith("runnel: ")]
    assert len(said) == 1 and "Read-only" in said[0], said
    server.prefix = []


def test_a_disk_that_becomes_read_only_is_told_and_heals(serve, script):
    """F17: in the middle."""
    tale = script().gate(3)
    server = serve(tale)
    with Native(server) as client:
        ack = client.begin("Tell me")
        client.until_seq(3)
        with inject(server, "store", "pwrite64", "error=EROFS:when=1+"):
            tale.open_all()
            client.until("storage", state="read_only")
            assert text_stored(server, ack) == "".join(tale.tokens[:2])
        client.until("storage", state="fine")
        mirror = follow(client, Mirror(ack["conversation"]))
        assert mirror.end == "stop"
        check_stored(server, mirror)


# ---- F20, F24 ----


def test_others_are_kept_out_of_a_database_in_use(serve, script):
    """F20, F24: commands name the owner, SQLite's own shell is refused, and the server goes on."""
    server = serve(script())
    for command in ("check", "salvage"):
        done = run(command, "--data", server.data)
        assert done.returncode == 3 and str(server.process.pid) in done.stderr, done
    stranger = sqlite3.connect(server.data / "runnel.db", timeout=0.1)
    with pytest.raises(sqlite3.OperationalError, match="locked"):
        stranger.execute("SELECT count(*) FROM message").fetchall()
    with pytest.raises(sqlite3.OperationalError, match="locked"):
        stranger.execute("BEGIN EXCLUSIVE")
    stranger.close()
    assert server.post("/api/chat", {"message": "Hi"}).status_code == 200
    server.stop()
    proof.prove(server.data, all_ended=True)


# ---- F21 ----


class Largest(threading.Thread):
    """The largest size that a file ever had."""

    def __init__(self, path):
        super().__init__()
        self.path = path
        self.size = 0
        self.over = threading.Event()

    def run(self):
        while not self.over.wait(0.02):
            self.size = max(self.size, self.path.stat().st_size)

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        self.over.set()
        self.join()


def test_the_log_stays_small(new_server, script, is_long):
    """F21: it is moved into the database also while an answer never pauses."""
    count = 60_000 if is_long else 6_000
    tale = script(tokens=[" word" * 400], count=count, context_size=100_000)
    server = new_server(tale, flags=["--context", "100000"]).start()
    with Native(server) as client, Largest(server.data / "runnel.db-wal") as log:
        ack = client.begin("Say much")
        client.send(type="unwatch", conversation=ack["conversation"])
        client.until("conversation", running=False, seconds=150)
    assert 4 << 20 < log.size <= 64 << 20, f"the log had {log.size >> 20} MiB"
    assert len(text_stored(server, ack)) > 5 << 20


# ---- F23 ----


def test_tokens_flow_while_the_disk_takes_two_seconds_to_sync(serve, script):
    """F23: only what promises to be on the disk waits for it."""
    tale = script(tokens=[f" {number}" for number in range(60)], token_ms=20)
    server = serve(tale)
    with Native(server) as client:
        client.begin("Warm up")
        client.until("end")
        with inject(server, "store-sync", "fdatasync", "delay_exit=2000000"):
            client.begin("Count")
            client.until("start")
            arrived = []
            while client.until("tokens", "end")["type"] == "tokens":
                arrived.append(time.monotonic())
            gaps = [after - before for before, after in zip(arrived, arrived[1:])]
            assert len(arrived) >= 20 and max(gaps) < 1.5, f"{len(arrived)} frames, {max(gaps):.2f} s between two"


@pytest.mark.parametrize(("thread", "call"), [("store-sync", "fdatasync"), ("store", "pwrite64"), ("store", "fdatasync")])
def test_a_disk_that_does_not_answer_holds_no_stop(new_server, script, thread, call):
    """F23: in the middle of an answer, at a commit, and when the log is moved at the end. Exit code 4, within the time of a stop."""
    tale = script().gate(5)
    server = new_server(tale).start()
    with Native(server) as client:
        ack = client.begin("Tell me")
        client.until_seq(5)
        with inject(server, thread, call, "delay_enter=100000000"):
            if call == "pwrite64":
                tale.open_all()
            server.process.send_signal(signal.SIGTERM)
            until = time.monotonic() + 10
            # The kernel keeps the process until the call is over, so its word must do.
            while "does not answer" not in server.stderr():
                assert time.monotonic() < until, "it waits for the disk"
                time.sleep(0.05)
        assert server.wait_exit() == 4
    tale.open_all()
    stored = proof.prove(server.data)
    mirror = Mirror(ack["conversation"]).feed(*client.frames)
    assert stored.generations[mirror.last_generation].last_seq >= mirror.seq
    server.start()
    assert server.is_serving()


def test_a_start_can_be_stopped(new_server, script, fault_points):
    """F23: in the middle of a migration, which may take long."""
    server = new_server(script(), flags=["--fault", "migrate.inside:1:stop"])
    server.spawn()
    until = time.monotonic() + 30
    while "\nState:\tT" not in open(f"/proc/{server.process.pid}/status").read():
        assert time.monotonic() < until
        time.sleep(0.02)
    server.process.send_signal(signal.SIGTERM)
    server.process.send_signal(signal.SIGCONT)
    assert server.wait_exit() == -signal.SIGTERM
    server.flags = []
    server.start()
    assert server.is_serving()
