"""The oracle itself: a true story passes, and each way of lying about it is found."""

import copy
import sqlite3

import pytest

from harness import proof
from harness.oracle import Mirror
from harness.trace import Trace

G1, G2 = "a" * 32, "b" * 32
CHAT = "chat_2026-01-01-00-00-00-000.txt"

SCHEMA = """
CREATE TABLE meta (name TEXT, value TEXT);
CREATE TABLE conversation (key INTEGER PRIMARY KEY, name TEXT);
CREATE TABLE message (key INTEGER PRIMARY KEY, id TEXT, conversation_key INTEGER, parent_key INTEGER, role INTEGER, content TEXT,
                      client_msg_id TEXT);
CREATE TABLE generation (key INTEGER PRIMARY KEY, id TEXT, conversation_key INTEGER, message_key INTEGER, continues_key INTEGER,
                         last_seq INTEGER, ended INTEGER, reason TEXT, text_sizes BLOB);
CREATE TABLE event (generation_key INTEGER, seq INTEGER, token INTEGER, text TEXT);
"""


class Story:
    """One question; its answer "One two three four." in two generations of two tokens each, the second one goes on with the first."""

    def __init__(self, folder):
        self.folder = folder
        self.trace = Trace()
        self.database = sqlite3.connect(folder / "runnel.db", isolation_level=None)
        self.database.executescript(SCHEMA)
        rows = {
            "conversation": [(1, CHAT)],
            "message": [(1, "q1", 1, None, 1, "Count", "try-1"), (2, "m1", 1, 1, 2, "One two three four.", None)],
            "generation": [(1, G1, 1, 2, None, 4, 1, "interrupted", b"\x03\x04"), (2, G2, 1, 2, 1, 4, 1, "stop", b"\x06\x06")],
        }
        for table, values in rows.items():
            self.database.executemany(f"INSERT INTO {table} VALUES ({','.join('?' * len(values[0]))})", values)
        self.frames = [
            {"type": "ack", "client_msg_id": "try-1", "message": "q1", "generation": G1},
            {"type": "start", "generation": G1, "seq": 1, "message": {"id": "m1", "content": ""}},
            {"type": "tokens", "generation": G1, "seq": 2, "n": 2, "text": "One two"},
            {"type": "end", "generation": G1, "seq": 4, "reason": "interrupted", "continued_by": G2},
            {"type": "start", "generation": G2, "seq": 1, "continues": G1, "message": {"id": "m1", "content": ""}},
            {"type": "tokens", "generation": G2, "seq": 2, "n": 1, "text": " three"},
            {"type": "tokens", "generation": G2, "seq": 3, "n": 1, "text": " four."},
            {"type": "end", "generation": G2, "seq": 4, "reason": "stop"},
        ]
        self.trace.sent("try-1", "Count")

    def tell(self, frames=None, cursor=None):
        number = self.trace.open("client", cursor=cursor)
        for frame in frames if frames is not None else self.frames:
            self.trace.native(number, {"conversation": CHAT, **copy.deepcopy(frame)})
        return number

    def prove(self, **options):
        return proof.prove(self.folder, self.trace, **options)

    def mirror(self):
        mirror = Mirror(CHAT)
        for frame in self.frames:
            mirror.feed({"conversation": CHAT, "tokens_used": 1, **frame})
        return mirror


@pytest.fixture
def story(tmp_path):
    made = Story(tmp_path)
    yield made
    made.database.close()


def test_the_true_story_passes(story):
    story.tell()
    story.tell(story.frames[6:], cursor=(G2, 2))
    story.tell([story.frames[4], *story.frames[5:]], cursor=(G1, 4))
    stored = story.prove(all_ended=True)
    assert stored.generations[G2].before == b"One two"
    assert story.mirror().text == "One two three four." and story.mirror().end == "stop" and story.mirror().chain == [G1, G2]


def drop(number):
    return lambda frames: frames.pop(number)


def twice(number):
    return lambda frames: frames.insert(number, frames[number])


def change(number, **fields):
    return lambda frames: frames.__setitem__(number, {**frames[number], **fields})


LIES = {
    "a gap": (drop(5), "I1"),
    "a gap at the seam": (drop(3), "I1"),
    "a generation without its start": (drop(4), "I1"),
    "a repeat": (twice(5), "I1"),
    "a changed byte": (change(5, text=" thref"), "I2"),
    "a changed character at a border": (change(2, text="One tw"), "I2"),
    "another message": (change(1, message={"id": "m2", "content": ""}), "I2"),
    "another chain": (change(4, continues=None), "I2"),
    "a second end": (twice(7), "I3"),
    "an end of another kind": (change(7, reason="length"), "I3"),
    "more than is stored": (lambda frames: frames.insert(7, {"type": "tokens", "generation": G2, "seq": 4, "n": 2, "text": "!!"}), "I4"),
    "a token for an end": (change(7, type="tokens", n=1, text=""), "I3"),
    "an answer that is not stored": (change(1, generation="c" * 32), "I4"),
    "a continuation that is not stored": (change(3, continued_by="c" * 32), "I4"),
    "an acknowledged send that is lost": (change(0, message="q2"), "I5"),
    "an acknowledged answer that is lost": (change(0, generation="c" * 32), "I5"),
}


@pytest.mark.parametrize("name", LIES)
def test_a_client_that_saw_something_else(story, name):
    lie, invariant = LIES[name]
    lie(story.frames)
    story.tell()
    with pytest.raises(proof.Broken, match=f"^{invariant}:"):
        story.prove()


DAMAGE = {
    "an event too few": ("UPDATE generation SET last_seq = 5 WHERE key = 1", "I1"),
    "a changed byte": ("UPDATE message SET content = 'One twö hree four.' WHERE key = 2", "I2"),
    "a longer content": ("UPDATE message SET content = content || '!' WHERE key = 2", "I6"),
    "no end": ("UPDATE generation SET reason = NULL WHERE key = 2", "I3"),
    "a message twice": ("INSERT INTO message VALUES (3, 'q3', 1, NULL, 1, 'Count', 'try-1')", "I5"),
    "another text": ("UPDATE message SET content = 'Counts' WHERE key = 1", "I5"),
    "a broken chain": ("UPDATE generation SET continues_key = NULL WHERE key = 2", "I6"),
    "a continuation of a whole answer": ("UPDATE generation SET reason = 'stop' WHERE key = 1", "I3"),
    "a hole": (
        "UPDATE generation SET ended = 0, reason = NULL, last_seq = 3 WHERE key = 2; INSERT INTO event VALUES (2, 3, 1, ' four.');"
        "UPDATE message SET content = 'One two' WHERE key = 2",
        "I1",
    ),
}


@pytest.mark.parametrize("name", DAMAGE)
def test_a_database_that_says_something_else(story, name):
    sql, invariant = DAMAGE[name]
    story.tell()
    story.database.executescript(sql)
    with pytest.raises(proof.Broken, match=f"^{invariant}:"):
        story.prove()


def test_an_answer_that_never_ended_is_found_when_all_must_have_ended(story):
    sql = "UPDATE generation SET ended = 0, reason = NULL, last_seq = 2 WHERE key = 2; INSERT INTO event VALUES (2, 2, 1, ' three');"
    story.database.executescript(sql + "UPDATE message SET content = 'One two' WHERE key = 2")
    story.tell(story.frames[:6])
    story.prove()
    with pytest.raises(proof.Broken, match="^I3:"):
        story.prove(all_ended=True)


def test_a_damaged_file_is_found(story):
    story.tell()
    story.database.execute("CREATE INDEX words ON message (content)")
    story.database.execute("PRAGMA writable_schema = ON")
    story.database.execute("UPDATE sqlite_schema SET sql = 'CREATE INDEX words ON message (id)' WHERE name = 'words'")
    with pytest.raises(proof.Broken, match="^I7:"):
        story.prove()


def test_silence_is_found(story):
    number = story.tell()
    story.prove(silence_s=1)
    story.trace.records[-1].time += 2
    story.trace.add(number, "close")
    with pytest.raises(proof.Broken, match="^I9:"):
        story.prove(silence_s=1)


@pytest.mark.parametrize(
    "name", [name for name in LIES if name.startswith(("a gap", "a repeat", "a second", "a generation", "a token for"))]
)
def test_the_mirror_finds_it_without_a_database(story, name):
    LIES[name][0](story.frames)
    with pytest.raises((AssertionError, KeyError)):
        assert story.mirror().end == "stop"


def test_the_mirror_does_not_let_text_that_was_shown_change(story):
    generation = {"id": G2, "seq": 3, "ended": False, "reason": None}
    message = {"id": "m1", "role": "assistant", "content": "One two thref", "generation": generation}
    mirror = story.mirror()
    with pytest.raises(AssertionError, match="changed"):
        mirror.feed({"type": "snapshot", "conversation": CHAT, "epoch": "e", "messages": [message]})
