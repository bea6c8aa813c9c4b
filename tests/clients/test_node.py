"""The official clients for JavaScript: each script of tests/clients/node makes the checks of one of them."""

import json
import os
import shutil
import subprocess

import pytest

from clients.test_streams import TEXT, WORDS
from clients.test_structured import WHOLE
from harness.script import KINDS
from harness.server import ROOT

NODE = ROOT / "tests" / "clients" / "node"
SCRIPTS = ["openai", "anthropic", "ollama", "ai"]


def question(name):
    return f"Say it by {name}."


@pytest.fixture(scope="module")
def server(server_of):
    said = json.dumps(WHOLE)
    server = server_of(
        {
            "plain": {"tokens": WORDS},
            "gated": {"tokens": WORDS},
            "bytes": {"tokens": [{"hex": f"{byte:02x}"} for byte in TEXT.encode()]},
            "slow": {"tokens": [" word"], "count": 100000, "token_ms": 50},
            "form": {"tokens": [said[i : i + 5] for i in range(0, len(said), 5)]},
            "kinds": {"tokens": KINDS},
        }
    )
    for name in SCRIPTS:
        server.scripts["gated"].gate_all(when=question(name))
    return server


@pytest.mark.parametrize("name", SCRIPTS)
def test_the_client_sees_what_it_expects(server, name):
    fetched = ROOT / ".deps" / "node" / "bin"
    node = shutil.which("node", path=f"{fetched}:{os.environ['PATH']}")
    assert node and (NODE / "node_modules").is_dir(), "no node, or no packages of tests/clients/node: run ./test, whose set-up gets them"
    told = {"name": name, "url": server.url, "ollama": server.ollama_url, "gates": str(server.scripts["gated"].folder)}
    done = subprocess.run([node, NODE / f"{name}.mjs", json.dumps(told)], capture_output=True, text=True, timeout=120, stdin=subprocess.DEVNULL)
    assert done.returncode == 0, done.stdout + done.stderr
