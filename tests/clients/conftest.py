"""Official clients against a server with the scripted engine."""

import socket

import openai
import pytest

from harness.script import KINDS, Script
from harness.server import Server


@pytest.fixture
def server(serve, script):
    return serve(script(tokens=KINDS, prompt_tokens=5))


@pytest.fixture
def plain(serve, script):
    """Says " one two three" and nothing else."""
    return serve(script(tokens=[" one", " two", " three"], prompt_tokens=5))


@pytest.fixture
def slow(serve, script):
    """Says words, for as long as anybody wants."""
    return serve(script(tokens=[" word"], count=100000, token_ms=5, prompt_tokens=5))


def free_port():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


@pytest.fixture(scope="module")
def server_of(tmp_path_factory):
    """Starts a server of this module, with a scripted model for each name, and a port where Ollama's clients are at home too (`ollama_url`)."""
    made = []

    def make(scripts, **options):
        folder = tmp_path_factory.mktemp("clients")
        said = {name: Script(folder / "models", name=name, **fields) for name, fields in scripts.items()}
        port = free_port()
        server = Server(folder / "data", folder / "models", model=next(iter(said.values())).path, flags=["--ollama", port], **options)
        made.append(server)
        server.start()
        server.scripts = said
        server.ollama_url = f"http://127.0.0.1:{port}"
        return server

    yield make
    for server in made:
        server.stop()


@pytest.fixture
def client_of():
    """Makes clients of OpenAI's library."""

    def make(server, kind=openai.OpenAI, **options):
        return kind(base_url=f"{server.url}/v1", api_key="none", max_retries=0, **options)

    return make
