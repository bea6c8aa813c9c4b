"""The sub-commands: runnel check, salvage, backup."""

import os
import subprocess

from harness.server import build_folder


def run(*arguments, prefix=()):
    """`prefix` stands before it: strace, under which there is no looking for leaks."""
    env = {key: value for key, value in os.environ.items() if not key.startswith(("RUNNEL_", "XDG_"))}
    if prefix:
        env["ASAN_OPTIONS"] = "detect_leaks=0"
    command = [*map(str, prefix), str(build_folder() / "runnel"), *map(str, arguments)]
    return subprocess.run(command, env=env, capture_output=True, text=True, timeout=120, stdin=subprocess.DEVNULL)
