"""Files and functions that a person can hold in their head."""

import re

from tree import Finding, all_files, c_files, code_of, name_of, text_of

FILE_LINES_MAX = 800
FUNCTION_LINES_MAX = 70
FILE_BYTES_MAX = 1024 * 1024
SOURCES = {".c", ".h", ".cc", ".ts", ".tsx", ".css", ".py", ".sh", ".cmake", ".sql"}
ENDS_A_SIGNATURE = re.compile(r"\)\s*(const|noexcept|override|->[^{]*)?\s*\{$")


def check_files():
    for path in all_files():
        if path.stat().st_size > FILE_BYTES_MAX:
            yield Finding(path, 1, f"{path.stat().st_size} bytes", "large or generated files do not belong in the tree")
        elif path.suffix in SOURCES:
            lines = text_of(path).count("\n")
            if lines > FILE_LINES_MAX:
                yield Finding(path, 1, f"{lines} lines (at most {FILE_LINES_MAX})", "split it where the idea changes")


def check_functions():
    """A function opens with `) {` on a line outside all braces and ends with `}` in column 0 (clang-format sees to it)."""
    for path in c_files():
        start = None
        for number, line in enumerate(code_of(path).splitlines(), 1):
            line = line.rstrip()
            if start is None and line[:1] not in ("", " ", "\t", "}", "#") and line.endswith("{"):
                start = number if ENDS_A_SIGNATURE.search(line) else None
            elif start is None and line.startswith(" ") and ENDS_A_SIGNATURE.search(line) and is_continued(path, number):
                start = number
            elif start is not None and line == "}":
                if number - start > FUNCTION_LINES_MAX:
                    what = f"a function of {number - start} lines (at most {FUNCTION_LINES_MAX})"
                    yield Finding(path, start, what, "give a part of it a name")
                start = None


def is_continued(path, number):
    """Is line `number` the end of a signature that began in column 0 on a line before it?"""
    lines = code_of(path).splitlines()
    for before in reversed(lines[: number - 1]):
        if not before.strip() or before.rstrip().endswith((";", "{", "}")):
            return False
        if before[0] not in " \t#":
            return True
    return False
