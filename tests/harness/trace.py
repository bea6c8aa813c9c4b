"""What clients saw, written down as they saw it: the evidence that `proof.prove` compares with the database.

A connection is one socket; a client that comes back opens another one and says from which cursor. Records are added by one thread at a
time per connection; a list takes them from many.
"""

import dataclasses
import itertools
import json
import time


@dataclasses.dataclass
class Record:
    """One thing that one connection saw. `seq` is the first of `n` events, `text` what they brought together."""

    time: float
    connection: int
    kind: str
    generation: str | None = None
    seq: int = 0
    n: int = 1
    text: str = ""
    more: dict = dataclasses.field(default_factory=dict)


@dataclasses.dataclass
class Connection:
    """`protocol`: native, watch, sse or events; socket: all that came over one. `cursor`: (generation, after_seq), None for one that asks
    for the whole. `is_part`: a conversation among others of a socket, which has a connection of its own here."""

    number: int
    client: str
    protocol: str
    cursor: tuple | None
    is_part: bool = False


class Trace:
    def __init__(self):
        self.records = []
        self.connections = {}
        self.sends = {}
        self.numbers = itertools.count(1)

    # ---- Writing ----

    def open(self, client, protocol="native", cursor=None, is_part=False):
        connection = Connection(next(self.numbers), client, protocol, cursor, is_part)
        self.connections[connection.number] = connection
        self.add(connection.number, "open")
        return connection.number

    def add(self, connection, kind, generation=None, seq=0, n=1, text="", **more):
        self.records.append(Record(time.monotonic(), connection, kind, generation, seq, n, text, more))

    def sent(self, client_msg_id, text):
        """What somebody is about to send: the ack, which may never come, names it."""
        self.sends[client_msg_id] = text

    def native(self, connection, frame):
        """A frame of GET /ws."""
        kind = frame["type"]
        if kind == "snapshot":
            for message in frame["messages"]:
                self.message(connection, message)
        elif kind == "start":
            more = {"message": frame["message"]["id"], "continues": frame.get("continues")}
            self.add(connection, "start", frame["generation"], frame["seq"], **more)
        elif kind == "tokens":
            self.add(connection, "tokens", frame["generation"], frame["seq"], frame["n"], frame["text"])
        elif kind == "end":
            self.end(connection, frame)
        elif kind == "ack":
            self.add(connection, "ack", frame["generation"], client_msg_id=frame["client_msg_id"], message=frame["message"])
        else:
            self.add(connection, "other", type=kind)

    def watch(self, connection, frame):
        """A frame of [W13]."""
        kind = frame["type"]
        if kind == "delta":
            self.add(connection, "tokens", frame["generation"], frame["seq"], 1, frame["text"])
        elif kind == "end":
            self.end(connection, frame)
        elif kind == "update":
            self.add(connection, "transcript", frame["generation"], frame["seq"], text=frame["content"])
        else:
            self.add(connection, "other", type=kind)

    def message(self, connection, message):
        generation = message.get("generation")
        if generation:
            ended = generation["reason"] if generation["ended"] else None
            self.add(connection, "whole", generation["id"], generation["seq"], text=message["content"], message=message["id"], ended=ended)
        else:
            self.add(connection, "said", text=message["content"], message=message["id"])

    def end(self, connection, frame):
        more = {"reason": frame["reason"], "continued_by": frame.get("continued_by")}
        self.add(connection, "end", frame["generation"], frame["seq"], **more)

    # ---- Reading ----

    def of(self, *kinds):
        return [record for record in self.records if record.kind in kinds]

    def by_connection(self):
        """The records of each connection, in the order they were seen."""
        found = {number: [] for number in self.connections}
        for record in self.records:
            found[record.connection].append(record)
        return found

    def save(self, path):
        """One line of JSON per record, for whoever looks at a failure."""
        with open(path, "w") as file:
            for record in self.records:
                file.write(json.dumps(dataclasses.asdict(record)) + "\n")
