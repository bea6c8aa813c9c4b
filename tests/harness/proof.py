"""The one judge of the fault tests: traces and the database must tell the same story.

The invariants are those of docs/reliability.md: I1 dense seq, I2 one (generation, seq) has one text everywhere, I3 exactly one end, I4 what
was seen is stored, I5 an acked send is there once, I6 the parts are the content, I7 the file is whole, I9 no silence. I8 (memory, descriptors)
is `Vitals` of server.py, I10 (sanitizers) is `Server.check_stderr`.
"""

import collections

from harness import stored as disk


class Broken(AssertionError):
    """An invariant does not hold; the message names it."""


def need(truth, name, text):
    if not truth:
        raise Broken(f"{name}: {text}")


def prove(folder, *traces, all_ended=False, silence_s=None):
    """Checks the database of a stopped server and every trace against it; returns what is stored."""
    stored = disk.read(folder)
    check_database(stored, all_ended)
    for trace in traces:
        check_trace(trace, stored, silence_s)
    return stored


# ---- The database alone ----


def check_database(stored, all_ended=False):
    need(stored.integrity == ["ok"], "I7", f"integrity_check says {stored.integrity}")
    need(stored.foreign == [], "I7", f"foreign_key_check says {stored.foreign}")
    need(stored.holes == [], "I1", f"events are missing in {stored.holes}")
    for generation in stored.generations.values():
        check_generation(generation, all_ended)
    for message in stored.messages.values():
        check_message(stored, message)


def check_generation(generation, all_ended):
    name = generation.id
    need(len(generation.ends) == generation.last_seq + 1, "I1", f"{name} has {len(generation.ends) - 1} events and last_seq {generation.last_seq}")
    need(generation.ended == (generation.reason is not None), "I3", f"{name}: ended {generation.ended}, reason {generation.reason}")
    need(generation.ended or not all_ended, "I3", f"{name} has no end")
    need(generation.ends[-1] == len(generation.text), "I6", f"{name}: events of {generation.ends[-1]} bytes, text of {len(generation.text)}")


def check_message(stored, message):
    """The chain of a message: each goes on where the one before it ended, and together they are the content."""
    chain = [stored.generations[name] for name in message.generations]
    for before, after in zip(chain, chain[1:]):
        need(after.continues == before.id, "I6", f"{after.id} continues {after.continues}, not {before.id}")
        need(before.ended, "I3", f"{before.id} is continued and has no end")
        need(before.reason != "stop", "I3", f"{before.id} had said all and is continued")
    if chain:
        need(chain[0].continues is None, "I6", f"{chain[0].id} continues {chain[0].continues}, which is not of its message")
        parts = b"".join(generation.text for generation in chain if generation.ended)
        need(parts == message.content.encode(), "I6", f"message {message.id}: its parts are {len(parts)} bytes, its content is another text")


# ---- Traces ----


def check_trace(trace, stored, silence_s=None):
    for number, records in trace.by_connection().items():
        Walk(trace.connections[number], stored).run(records)
        if silence_s is not None and not trace.connections[number].is_part:
            check_silence(trace.connections[number], records, silence_s)
    check_sends(trace, stored)


def check_silence(connection, records, silence_s):
    """I9: between any two things that one connection saw, its opening and its close among them."""
    for before, after in zip(records, records[1:]):
        gap = after.time - before.time
        if gap > silence_s:
            raise Broken(f"I9: {connection}: {gap:.2f} s of silence between {before} and {after}")


def check_sends(trace, stored):
    """I5: what was acknowledged is there, once, under the same names; P10: nothing is there twice, acknowledged or not."""
    for record in trace.of("ack"):
        name = record.more["client_msg_id"]
        message = stored.messages.get(record.more["message"])
        need(message is not None, "I5", f"the send {name} was acknowledged and is not stored")
        if name in trace.sends:  # else it asked an answer to go on
            text = trace.sends[name]
            need(message.client_msg_id == name and message.role == "user", "I5", f"{message.id} is not what {name} sent")
            need(message.content == text, "I5", f"{name} said {text!r}, stored is {message.content!r}")
        need(record.generation in stored.generations, "I5", f"the answer to {name} is not stored")
    times = collections.Counter((m.conversation, m.client_msg_id) for m in stored.messages.values() if m.client_msg_id)
    times.update(m.client_msg_id for m in stored.messages.values() if m.client_msg_id in trace.sends)
    twice = [name for name, count in times.items() if count > 1]
    need(not twice, "I5", f"stored twice: {twice}")


class Walk:
    """One connection, record by record."""

    def __init__(self, connection, stored):
        self.connection = connection
        self.stored = stored
        self.generation, self.seq = connection.cursor or (None, 0)
        self.texts = {}
        self.ended = set()

    def run(self, records):
        for record in records:
            getattr(self, f"on_{record.kind}", self.ignore)(record)

    def need(self, truth, name, text, record):
        if not truth:
            raise Broken(f"{name}: {text}; seen by {self.connection}: {record}")

    def ignore(self, record):
        pass

    def known(self, record):
        generation = self.stored.generations.get(record.generation)
        self.need(generation is not None, "I4", f"generation {record.generation} is not stored", record)
        last = record.seq + record.n - 1
        self.need(last <= generation.last_seq, "I4", f"event {last} was seen, stored are {generation.last_seq}", record)
        return generation

    def step(self, record):
        """The next event of the generation this connection is at, or the beginning of the next one."""
        generation = self.known(record)
        if record.generation != self.generation:
            self.enter(record, generation)
        self.need(record.generation not in self.ended, "I3", "something follows the end", record)
        self.need(record.seq == self.seq + 1, "I1", f"event {record.seq} after {self.seq}", record)
        self.seq = record.seq + record.n - 1
        return generation

    def enter(self, record, generation):
        """Another generation: `start` is told only by the native protocol, and the others do not tell the end of one that goes on."""
        before = self.stored.generations.get(self.generation)
        if before is not None and self.generation not in self.ended:
            whole = self.seq >= before.last_seq - (self.connection.protocol != "native")
            self.need(before.ended and whole, "I1", f"{record.generation} before the end of {self.generation} at {self.seq} of {before.last_seq}", record)
        if before is not None and generation.message == before.message:
            self.need(generation.continues == self.generation, "I1", "a generation of the chain was passed by", record)
        self.generation = record.generation
        self.seq = 0 if self.connection.protocol in ("native", "events") else 1

    def on_start(self, record):
        generation = self.step(record)
        self.need(record.seq == 1, "I1", "start is not event 1", record)
        self.need(record.more.get("continues") == generation.continues, "I2", f"it continues {generation.continues}", record)
        self.need(record.more.get("message") in (None, generation.message), "I2", f"it is of message {generation.message}", record)

    def on_tokens(self, record):
        generation = self.step(record)
        last = record.seq + record.n - 1
        text = generation.text[generation.ends[record.seq - 1] : generation.ends[last]]
        self.need(record.text.encode() == text, "I2", f"stored is {text[:200]!r}", record)
        self.need(not generation.ended or last < generation.last_seq, "I3", "a token where the end is stored", record)

    def on_end(self, record):
        generation = self.step(record)
        self.ended.add(record.generation)
        self.need(generation.ended and record.seq == generation.last_seq, "I3", f"stored: ended {generation.ended} at {generation.last_seq}", record)
        reason = record.more.get("reason")
        self.need(reason in (None, generation.reason), "I3", f"stored is {generation.reason}", record)
        after = record.more.get("continued_by")
        if after:
            follower = self.stored.generations.get(after)
            self.need(follower is not None and follower.continues == generation.id, "I4", f"no {after} goes on with it", record)

    def on_whole(self, record):
        """A message in a snapshot: the text of its chain up to (generation, seq)."""
        generation = self.known(record)
        text = generation.before + generation.text[: generation.ends[record.seq]]
        self.need(record.text.encode() == text, "I2", f"stored is {text[-200:]!r}", record)
        self.generation, self.seq = record.generation, record.seq
        if record.more.get("ended"):
            self.need(generation.ended and generation.last_seq == record.seq, "I3", f"stored: {generation.last_seq}", record)
            self.ended.add(record.generation)

    def on_said(self, record):
        message = self.stored.messages.get(record.more["message"])
        self.need(message is not None, "I4", "this message is not stored", record)
        self.need(message.content == record.text, "I2", f"stored is {message.content[:200]!r}", record)

    def on_transcript(self, record):
        """The whole of [W13]: its last answer ends where its cursor says."""
        if record.generation is None:
            return
        generation = self.known(record)
        shown = (generation.before + generation.text[: generation.ends[record.seq]]).decode()
        self.need(record.text.rstrip("\n").endswith(shown.rstrip("\n")), "I2", f"stored is {shown[-200:]!r}", record)
        if self.seq == 0:
            self.generation, self.seq = record.generation, record.seq
            if generation.ended and record.seq == generation.last_seq:
                self.ended.add(record.generation)
