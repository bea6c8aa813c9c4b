"""Builds the page: ui/dist from ui/, when its sources changed.

Needs node and npm (tools/setup/fetch.py brings them). Without them, or when npm's packages cannot be had, it says so
and the program gets a page that says the same; a page that does not build is an error (exit code 1).
"""

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

from fetch import DEPS, LOGS, ROOT, NotHad, get_npm_packages, is_stamped, node_environment, say

UI = ROOT / "ui"
NOT_SOURCES = {"node_modules", "dist", "coverage", ".vite"}


def pin_of_sources():
    digest = hashlib.sha256()
    for folder, folders, files in os.walk(UI):
        folders[:] = sorted(name for name in folders if name not in NOT_SOURCES)
        for name in sorted(files):
            path = Path(folder) / name
            digest.update(f"{path.relative_to(UI)}\0".encode())
            digest.update(path.read_bytes())
    return digest.hexdigest()


def build(npm, env):
    """vite writes beside the old page; a broken build leaves no stamp."""
    stamp = DEPS / "page.stamp"
    pin = pin_of_sources()
    if is_stamped(stamp, pin) and (UI / "dist" / "index.html").is_file():
        return
    say("building the page")
    stamp.unlink(missing_ok=True)
    LOGS.mkdir(parents=True, exist_ok=True)
    log = LOGS / "page.log"
    with open(log, "w") as out:
        done = subprocess.run([npm, "run", "build"], cwd=UI, env=env, stdout=out, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL)
    if done.returncode != 0:
        print("\n".join(log.read_text().splitlines()[-30:]), file=sys.stderr)
        sys.exit(f"set-up: the page does not build (npm run build in ui/; all of it: {log.relative_to(ROOT)})")
    stamp.write_text(pin)


def main():
    if not (UI / "package-lock.json").is_file():
        return
    DEPS.mkdir(exist_ok=True)
    env = node_environment()
    npm = shutil.which("npm", path=env["PATH"])
    with open(DEPS / ".lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        try:
            if not npm:
                raise NotHad("There is no node and npm here.")
            get_npm_packages(UI, npm, "the page's packages")
            build(npm, env)
        except NotHad as reason:
            older = "an older page is embedded" if (UI / "dist" / "index.html").is_file() else "a page that says so is embedded"
            say(f"{reason}\n        The server and its APIs work; {older}.")


if __name__ == "__main__":
    main()
