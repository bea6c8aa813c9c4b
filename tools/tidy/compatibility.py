"""docs/compatibility.md says of each request what the server's own list does (`runnel fields`, src/api/fields_list.c).

    compatibility.py    writes the rows of the document; a new kind of request needs a row that begins with it first
"""

import json
import os
import re
import subprocess
from pathlib import Path

from tree import ROOT, Finding

COLUMNS = ("done", "ignored", "refused")
SELF_EVIDENT = "leave it away"


def document():
    return ROOT / "docs" / "compatibility.md"


def program():
    return Path(os.environ.get("RUNNEL_BUILD") or ROOT / "build" / "release") / "runnel"


def cell(field):
    note = re.sub(r'"(\w+)"', r"`\1`", field["note"] or "")
    if field["only"]:
        note = f"only `{field['only']}`"
    return f"`{field['name']}`" + (f" ({note})" if note and note != SELF_EVIDENT else "")


def row(request):
    cells = (", ".join(cell(field) for field in request["fields"] if field["use"] == column) for column in COLUMNS)
    return f"| `{request['request']}` | " + " | ".join(cells) + " |"


def rows():
    done = subprocess.run([program(), "fields"], capture_output=True, text=True, check=True)
    return {f"| `{request['request']}` |": row(request) for request in json.loads(done.stdout)}


def check():
    if not program().is_file():
        return
    lines = document().read_text().splitlines()
    for start, wanted in rows().items():
        found = [number for number, line in enumerate(lines, 1) if line.startswith(start)]
        if len(found) != 1:
            yield Finding(document(), 1, f"{len(found)} rows begin with {start}", "write that much, and run tools/tidy/compatibility.py")
        elif lines[found[0] - 1] != wanted:
            yield Finding(document(), found[0], "says something else than src/api/fields_list.c", "run tools/tidy/compatibility.py")


def write():
    wanted = rows()
    lines = document().read_text().splitlines()
    start_of = lambda line: next((start for start in wanted if line.startswith(start)), None)  # noqa: E731
    document().write_text("\n".join(wanted.get(start_of(line), line) for line in lines) + "\n")


if __name__ == "__main__":
    write()
