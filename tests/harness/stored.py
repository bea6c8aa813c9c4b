"""What is on disk: the database of a server that does not run, read by SQLite's own library and not by the server.

The files are copied first: a look must change nothing, and a database that was killed needs its log replayed.
"""

import contextlib
import dataclasses
import shutil
import sqlite3
import tempfile
from pathlib import Path


@dataclasses.dataclass
class StoredGeneration:
    """`ends[seq]` is the size of the generation's own text, in bytes, once event seq is there; ends[0] and ends[1] are 0."""

    id: str
    conversation: str
    message: str
    continues: str | None
    last_seq: int
    ended: bool
    reason: str | None
    text: bytes
    ends: list
    before: bytes = b""  # the text of the generations of the message that came before it


@dataclasses.dataclass
class StoredMessage:
    id: str
    conversation: str
    parent: str | None
    role: str
    content: str
    client_msg_id: str | None
    generations: list


def varints(blob):
    value = shift = 0
    for byte in blob:
        value |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:
            yield value
            value = shift = 0


def read(folder, replace_name="runnel.db"):
    """The database of a data folder."""
    with tempfile.TemporaryDirectory() as copy:
        for path in Path(folder).glob(f"{replace_name}*"):
            if not path.name.endswith("-shm"):
                shutil.copy(path, copy)
        with contextlib.closing(sqlite3.connect(Path(copy) / replace_name)) as database:
            database.row_factory = sqlite3.Row
            return Stored(database)


class Stored:
    ROLES = ("system", "user", "assistant")

    def __init__(self, database):
        self.integrity = [row[0] for row in database.execute("PRAGMA integrity_check")]
        self.foreign = [tuple(row) for row in database.execute("PRAGMA foreign_key_check")]
        self.epoch = database.execute("SELECT value FROM meta WHERE name = 'epoch'").fetchone()
        self.messages, self.generations, self.holes = {}, {}, []
        self.read_messages(database)
        self.read_generations(database)

    def read_messages(self, database):
        query = (
            "SELECT m.*, c.name AS conversation, p.id AS parent FROM message m JOIN conversation c ON c.key = m.conversation_key"
            " LEFT JOIN message p ON p.key = m.parent_key ORDER BY m.key"
        )
        for row in database.execute(query):
            role = self.ROLES[row["role"]]
            self.messages[row["id"]] = StoredMessage(
                row["id"], row["conversation"], row["parent"], role, row["content"], row["client_msg_id"], []
            )

    def read_generations(self, database):
        columns = {row["name"] for row in database.execute("PRAGMA table_info(generation)")}
        continues = "g.continues_key" if "continues_key" in columns else "NULL"
        query = (
            f"SELECT g.*, m.id AS message, c.name AS conversation, o.id AS continues FROM generation g"
            f" JOIN message m ON m.key = g.message_key JOIN conversation c ON c.key = g.conversation_key"
            f" LEFT JOIN generation o ON o.key = {continues} ORDER BY g.key"
        )
        for row in database.execute(query):
            self.read_generation(database, row)

    def read_generation(self, database, row):
        message = self.messages[row["message"]]
        before = b"".join(self.generations[name].text for name in message.generations)
        if row["ended"]:
            sizes = list(varints(row["text_sizes"]))
            text = message.content.encode()[len(before) : len(before) + sum(sizes)]
        else:
            events = database.execute("SELECT seq, text FROM event WHERE generation_key = ? ORDER BY seq", (row["key"],)).fetchall()
            if [event["seq"] for event in events] != list(range(2, row["last_seq"] + 1)):
                self.holes.append(row["id"])
            sizes = [len(event["text"].encode()) for event in events]
            text = b"".join(event["text"].encode() for event in events)
        ends = [0, 0]
        for size in sizes:
            ends.append(ends[-1] + size)
        if row["ended"]:
            ends.append(ends[-1])
        generation = StoredGeneration(
            row["id"], row["conversation"], row["message"], row["continues"], row["last_seq"], bool(row["ended"]), row["reason"], text, ends, before
        )
        self.generations[row["id"]] = generation
        message.generations.append(row["id"])

    def chain(self, generation):
        """All generations of its message, in the order they were made."""
        return [self.generations[name] for name in self.messages[self.generations[generation].message].generations]
