"""Scripts for runnel-engine-fake (docs/engine-protocol.md): what it says, what goes wrong, and gates that a test opens.

A gate is a file. The engine waits just before token k until the file is there, so a test moves an answer on one token
at a time and never sleeps.
"""

import json
from pathlib import Path

WORDS = ["The", " river", " runs", " past", " the", " old", " mill", " and", " on", " to", " the", " sea", "."]


# A thought, a text in which a character is cut, and a call.
ARGUMENTS = '{"city": "Bern"}'
KINDS = [
    {"reasoning": "Hm,"},
    {"reasoning": " Bern.", "text": "I"},
    " ask",
    {"hex": "c3"},
    {"hex": "a4"},
    {"tool": {"index": 0, "id": "call_1", "name": "get_weather"}},
    {"tool": {"index": 0, "arguments": '{"city":'}},
    {"tool": {"index": 0, "arguments": ' "Bern"}'}},
]
WEATHER = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}


class Script:
    def __init__(self, folder, tokens=None, name="fake", **fields):
        self.folder = Path(folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        self.path = self.folder / f"{name}.json"
        self.tokens = list(WORDS) if tokens is None else list(tokens)
        self.fields = {"name": name, "tokens": self.tokens, "token_ms": 0, **fields}
        self.faults = []
        self.write()

    @property
    def text(self):
        """What one whole answer says, for tokens that are text."""
        return "".join(self.tokens)

    def write(self):
        self.path.write_text(json.dumps({**self.fields, "at": self.faults}))

    def at(self, token, do, **fields):
        self.faults.append({"token": token, "do": do, **fields})
        self.write()
        return self

    def gate(self, token, when=None):
        """Holds token `token` (from 1) back; 0 is the end of the load. `when`: only for messages that contain it."""
        fields = {"gate": str(self.gate_path(token, when))}
        return self.at(token, "gate", **fields, **({"when": when} if when else {}))

    def gate_all(self, when=None):
        for token in range(1, len(self.tokens) + 2):
            self.gate(token, when)
        return self

    def gate_path(self, token, when=None):
        return self.folder / f"gate-{when or 'any'}-{token}"

    def open(self, *tokens, when=None):
        for token in tokens:
            self.gate_path(token, when).touch()

    def open_all(self, when=None):
        """Also the one behind the last token, where the end is."""
        self.open(*range(0, len(self.tokens) + 2), when=when)


def corrupt_model(folder, name="corrupt"):
    path = Path(folder) / f"{name}.json"
    path.write_text('{"tokens": [')
    return path
