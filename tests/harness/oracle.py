"""What must be true of frames whatever happens: a client that trusts nothing [N2] [N3].

A Mirror is fed the frames of one conversation in the order they came, over as many connections as the test likes, and fails on a
gap, a repeat, a second end, or text that changed. A message is a chain of generations: its text goes on from one to the next, and its end
is that of the last. What many clients saw is compared with the database by `proof.prove`.
"""


class Mirror:
    def __init__(self, conversation):
        self.conversation = conversation
        self.order = []
        self.texts = {}
        self.seqs = {}
        self.ends = {}
        self.generations = {}
        self.continued = {}
        self.waiting = []
        self.last_generation = None
        self.epoch = None
        self.n_token_frames = 0
        self.usage = None

    def feed(self, *frames):
        for frame in frames:
            if frame.get("conversation") == self.conversation:
                getattr(self, f"on_{frame['type']}", self.ignore)(frame)
        return self

    def ignore(self, frame):
        pass

    def on_snapshot(self, frame):
        self.epoch = frame["epoch"]
        self.order = []
        for message in frame["messages"]:
            self.order.append(message["id"])
            generation = message.get("generation")
            if generation:
                self.take_snapshot_of(message, generation)
            else:
                self.texts[message["id"]] = message["content"]

    def take_snapshot_of(self, message, generation):
        seen = self.texts.get(message["id"], "")
        assert message["content"].startswith(seen), f"text that was shown changed: {seen!r} -> {message['content']!r}"
        self.generations[generation["id"]] = message["id"]
        self.texts[message["id"]] = message["content"]
        self.seqs[generation["id"]] = generation["seq"]
        self.last_generation = generation["id"]
        if generation["ended"]:
            self.ends[generation["id"]] = generation["reason"]

    def on_message(self, frame):
        message = frame["message"]
        assert message["role"] in ("user", "system")
        if message["id"] not in self.order:
            self.order.append(message["id"])
        self.texts[message["id"]] = message["content"]

    def on_start(self, frame):
        generation, message = frame["generation"], frame["message"]["id"]
        assert frame["seq"] == 1
        assert generation not in self.seqs, "a second start"
        assert frame["message"]["content"] == "", "start brings text that its tokens bring again"
        if frame.get("continues"):
            self.go_on(frame["continues"], message)
        else:
            assert message not in self.order, "a message began twice"
            self.order.append(message)
            self.texts[message] = ""
        self.generations[generation] = message
        self.seqs[generation] = 1
        self.last_generation = generation

    def go_on(self, before, message):
        """A generation of the same message: the text that is there stays."""
        assert before == self.last_generation, f"it continues {before}, the last one is {self.last_generation}"
        assert before in self.ends and self.ends[before] != "stop", "what it continues has not ended, or had said all"
        assert self.generations[before] == message, "it goes on in another message"

    def on_queue(self, frame):
        self.waiting = frame["messages"]

    def on_phase(self, frame):
        assert self.seqs[frame["generation"]] == 1, "a phase after the first token [N5]"

    def on_tokens(self, frame):
        generation = frame["generation"]
        self.take_seq(generation, frame["seq"])
        self.seqs[generation] += frame["n"] - 1
        self.texts[self.generations[generation]] += frame["text"]
        self.n_token_frames += 1
        self.usage = frame["tokens_used"]

    def on_end(self, frame):
        self.take_seq(frame["generation"], frame["seq"])
        self.ends[frame["generation"]] = frame["reason"]
        if frame.get("continued_by"):
            assert frame["reason"] == "interrupted", "what goes on by itself was interrupted"
            self.continued[frame["generation"]] = frame["continued_by"]

    def take_seq(self, generation, seq):
        assert generation not in self.ends, f"something follows the end of {generation} (P1)"
        assert seq == self.seqs[generation] + 1, f"seq {seq} after {self.seqs[generation]} (P2)"
        self.seqs[generation] = seq

    @property
    def text(self):
        """Of the last answer."""
        return self.texts[self.generations[self.last_generation]]

    @property
    def seq(self):
        return self.seqs[self.last_generation]

    @property
    def end(self):
        """The reason; None while it runs or is about to go on."""
        return None if self.last_generation in self.continued else self.ends.get(self.last_generation)

    @property
    def chain(self):
        """The generations of the last answer."""
        message = self.generations[self.last_generation]
        return [generation for generation, its in self.generations.items() if its == message]

    def cursor(self, epoch):
        return {"generation": self.last_generation, "epoch": epoch, "after_seq": self.seq}


def follow(client, mirror, until_end=True, seconds=60):
    """Reads frames into the mirror until the last answer ended."""
    for frame in client.frames:
        mirror.feed(frame)
    while until_end and (mirror.last_generation is None or mirror.end is None):
        mirror.feed(client.recv(seconds))
    return mirror


def check_stored(server, mirror):
    """What was shown is what is stored, for every message (P6)."""
    stored = server.conversation(mirror.conversation)["messages"]
    assert [message["id"] for message in stored] == mirror.order
    for message in stored:
        assert message["content"] == mirror.texts[message["id"]]


def check_w12(tokens, last, prompt_tokens=None):
    """One answer of [W12]: frame by frame."""
    used = [frame["tokens_used"] for frame in tokens]
    assert used == list(range(used[0], used[0] + len(used))), f"tokens_used does not rise by one: {used}"
    if prompt_tokens is not None:
        assert used[0] == prompt_tokens + 1
    assert all(isinstance(frame["token"], str) for frame in tokens)
    assert len({frame["max_tokens"] for frame in tokens}) == 1
    assert [frame["seq"] for frame in tokens] == list(range(2, len(tokens) + 2))
    assert last["type"] == "done" and last["conversation_id"] == tokens[0]["conversation_id"]
    return "".join(frame["token"] for frame in tokens)
