"""API keys of a data folder: made by the command, or written by hand."""

import hashlib
import json
import time

from harness.command import run

SCOPES = ["metrics", "read", "chat", "admin"]


def add_key(server, name, *options):
    """The key's text."""
    server.data.mkdir(exist_ok=True)
    done = run("key", "add", name, *options, "--data", server.data)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def revoke_key(server, name):
    done = run("key", "revoke", name, "--data", server.data)
    assert done.returncode == 0, done.stderr


def write_key(server, name, text, scope="chat", expires=None, **fields):
    """One more in the file, with what the command would refuse (an end in the past)."""
    path = server.data / "keys.json"
    content = json.loads(path.read_text()) if path.exists() else {"version": 1, "keys": []}
    key = {"name": name, "hash": hashlib.sha256(text.encode()).hexdigest(), "scope": scope, "created": int(time.time()), "expires": expires}
    content["keys"].append({**key, **fields})
    fresh = path.with_suffix(".fresh")
    fresh.write_text(json.dumps(content))
    fresh.rename(path)
    return text


def bearer(key):
    return {"Authorization": f"Bearer {key}"}


def sign_in(server, key):
    """The cookie, as a header."""
    answer = server.post("/api/login", {"key": key})
    assert answer.status_code == 200, answer.text
    return {"Cookie": answer.headers["set-cookie"].partition(";")[0]}
