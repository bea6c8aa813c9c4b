"""The files that the checks look at, and the form of what they find."""

import re
import subprocess
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
C_FOLDERS = ("src/", "engines/")
C_SUFFIXES = {".c", ".h", ".cc"}


@dataclass(frozen=True)
class Finding:
    """One thing to mend: where, what is wrong, what to do."""

    path: Path
    line: int
    what: str
    remedy: str

    def __str__(self):
        return f"{self.path.relative_to(ROOT)}:{self.line}: {self.what}\n    -> {self.remedy}"


@lru_cache
def all_files():
    """Every file that is, or would be, committed. Without git (a source archive) the tree itself is walked."""
    try:
        listed = subprocess.run(
            ["git", "-C", str(ROOT), "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
            capture_output=True, check=True, text=True,
        ).stdout.split("\0")
    except (OSError, subprocess.CalledProcessError):
        skipped = {".git", ".deps", "build", "node_modules", "dist", "__pycache__"}
        listed = [str(path.relative_to(ROOT)) for path in ROOT.rglob("*") if not skipped & set(path.relative_to(ROOT).parts)]
    return [ROOT / name for name in sorted(set(listed)) if name and (ROOT / name).is_file()]


def name_of(path):
    return path.relative_to(ROOT).as_posix()


def c_files():
    return [path for path in all_files() if name_of(path).startswith(C_FOLDERS) and path.suffix in C_SUFFIXES]


@lru_cache
def text_of(path):
    """The text, or None of a binary file."""
    try:
        return path.read_bytes().decode("utf-8")
    except UnicodeDecodeError:
        return None


@lru_cache
def code_of(path):
    """C source with comments and the contents of strings blanked, each line in its place."""

    def blank(match):
        found = match.group(0)
        if found.startswith("/"):
            return re.sub(r"[^\n]", " ", found)
        return found[0] + found[-1]

    pattern = r'//[^\n]*|/\*.*?\*/|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\''
    return re.sub(pattern, blank, text_of(path) or "", flags=re.S)
