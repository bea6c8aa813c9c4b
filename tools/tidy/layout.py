"""The form of files: headers, white space, sources that are built, links that lead somewhere."""

import json
import re
import subprocess
import sys
from pathlib import Path

from tree import ROOT, Finding, all_files, c_files, name_of, text_of


def check_headers():
    """A header opens with `/* name.h - ...` and its guard is its path."""
    for path in c_files():
        if path.suffix != ".h":
            continue
        text = text_of(path)
        if not text.startswith(f"/* {path.name} - "):
            yield Finding(path, 1, f"does not open with `/* {path.name} - ...`", "say what it is, its owner, thread, memory, units, limits")
        place = name_of(path).removeprefix("src/")
        guard = "RUNNEL_" + re.sub(r"[^A-Za-z0-9]", "_", place).upper()
        if f"#ifndef {guard}\n#define {guard}\n" not in text:
            yield Finding(path, 1, "has another include guard than its path", f"#ifndef {guard}")


def check_space():
    """What every editor can do by itself (.editorconfig)."""
    for path in all_files():
        text = text_of(path)
        is_data = path.suffix in {".svg", ".txt", ".patch"} or name_of(path).startswith("fuzz/corpus/")
        if not text or is_data:
            continue
        if not text.endswith("\n"):
            yield Finding(path, text.count("\n") + 1, "no line end at the end of the file", "add one")
        for number, line in enumerate(text.split("\n"), 1):
            if line.endswith((" ", "\t", "\r")):
                yield Finding(path, number, "white space at the end of a line", "remove it")
            if re.match(r"(<<<<<<<|>>>>>>>) ", line):
                yield Finding(path, number, "a conflict marker", "finish the merge")
            if path.suffix in {".c", ".h", ".cc", ".ts", ".tsx", ".py"} and "\t" in line:
                yield Finding(path, number, "a tab", "use spaces")
            if re.search(r"\b(TODO|FIXME|XXX)\b(?!.*#\d)", line) and path.parent.name != "tidy":
                yield Finding(path, number, "a to-do without an issue", "do it, or file it and write its #number")


def is_named(path):
    """Some are built by other presets alone (src/base/fault_point.c)."""
    listed = path.parent / "CMakeLists.txt"
    return listed.is_file() and path.name in listed.read_text()


def check_sources_are_built():
    """A C file that no CMakeLists names is dead."""
    database = ROOT / "build" / "release" / "compile_commands.json"
    if not database.is_file():
        return
    built = {Path(entry["file"]).resolve() for entry in json.loads(database.read_text())}
    for path in c_files():
        is_left_out = not any(folder == path.parent for folder in {file.parent for file in built})
        if path.suffix != ".h" and path not in built and not is_left_out and not is_named(path):
            yield Finding(path, 1, "is built by no target", f"name it in {name_of(path.parent)}/CMakeLists.txt, or remove it")


def check_links():
    """Relative links of Markdown files."""
    for path in all_files():
        if path.suffix != ".md":
            continue
        for number, line in enumerate(text_of(path).splitlines(), 1):
            for target in re.findall(r"\]\(([^)\s#]+)(?:#[^)]*)?\)", line):
                if not re.match(r"[a-z]+:|/", target) and not (path.parent / target).exists():
                    yield Finding(path, number, f"the link {target} leads nowhere", "mend it")


def check_scripts():
    """Python and shell files at least parse."""
    for path in all_files():
        text = text_of(path) or ""
        first = text.split("\n", 1)[0]
        if path.suffix == ".py" or re.match(r"#!.*python", first):
            try:
                compile(text, str(path), "exec")
            except SyntaxError as error:
                yield Finding(path, error.lineno or 1, str(error.msg), "mend it")
        elif path.suffix == ".sh" or re.match(r"#!.*\b(ba)?sh\b", first):
            done = subprocess.run(["bash", "-n", str(path)], capture_output=True, text=True)
            if done.returncode != 0:
                yield Finding(path, 1, done.stderr.strip(), "mend it")


def clang_format():
    """The pinned one of tests/requirements.txt: another version lays code out in another way."""
    for candidate in (ROOT / ".deps" / "venv" / "bin" / "clang-format", Path(sys.prefix) / "bin" / "clang-format"):
        if candidate.is_file():
            return str(candidate)
    return None


def check_format():
    tool = clang_format()
    files = [str(path) for path in c_files()]
    if tool is None:
        yield Finding(ROOT / ".clang-format", 1, "there is no clang-format in .deps/venv", "start ./test with PyPI at hand")
        return
    if not files:
        return
    done = subprocess.run([tool, "--dry-run", "--style=file", *files], capture_output=True, text=True, cwd=ROOT)
    first = {}
    for path, line in re.findall(r"^(/[^:\n]+):(\d+):\d+: (?:warning|error)", done.stderr, re.M):
        first.setdefault(Path(path), int(line))
    for path, line in first.items():
        yield Finding(path, line, "is not laid out as .clang-format says", f"tools/tidy/format {name_of(path)}")
