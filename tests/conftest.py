"""Fixtures of the whole-program tests. Every server that a test starts is stopped and judged when the test ends."""

import os

import pytest

from harness.certificate import Certificate
from harness.command import run
from harness.proxy import Proxy
from harness.script import Script
from harness.server import Server, build_folder, default_model


def pytest_addoption(parser):
    parser.addoption("--long", action="store_true", help="fault tests at full length: minutes instead of seconds")
    parser.addoption("--minutes", type=float, default=10, help="of the soak, with --long")
    parser.addoption("--seed", type=int, default=1, help="of everything that tests choose by chance")


def pytest_collection_modifyitems(config, items):
    """At full length a test may take as long as the soak was told to, and ten minutes more."""
    if config.getoption("--long"):
        for item in items:
            item.add_marker(pytest.mark.timeout(60 * config.getoption("--minutes") + 600))


@pytest.fixture
def seed(request):
    """Of what a test chooses by chance; it stands in the report of a test that failed."""
    number = request.config.getoption("--seed")
    print(f"repeat with --seed {number}")
    return number


@pytest.fixture
def is_long(request):
    return request.config.getoption("--long")


@pytest.fixture
def proxy():
    """Makes proxies in front of servers."""
    made = []

    def make(server, plan=None):
        made.append(Proxy(server.port, plan, server.context()))
        return made[-1]

    yield make
    for one in made:
        one.close()


@pytest.fixture
def script(tmp_path):
    """Makes a script for the fake engine in the model folder of this test."""

    def make(tokens=None, **fields):
        return Script(tmp_path / "models", tokens, **fields)

    return make


@pytest.fixture(scope="session")
def certificate(tmp_path_factory):
    return Certificate(tmp_path_factory.mktemp("certificate"))


@pytest.fixture(scope="module", params=["plain", "tls"])
def transport(request):
    """What a server of a test is told so that the test runs without TLS and with it."""
    return {"certificate": request.getfixturevalue("certificate")} if request.param == "tls" else {}


@pytest.fixture
def new_server(tmp_path):
    """Makes servers that are not started yet."""
    made = []

    def make(script=None, data="data", **options):
        models = tmp_path / "models"
        models.mkdir(exist_ok=True)
        server = Server(tmp_path / data, models, model=script.path if script else None, **options)
        made.append(server)
        return server

    yield make
    failures = []
    for server in made:
        try:
            server.stop()
        except AssertionError as failure:
            failures.append(str(failure))
    assert not failures, "\n".join(failures)


@pytest.fixture
def serve(new_server):
    """Starts a server."""

    def start(script=None, **options):
        return new_server(script, **options).start()

    return start


@pytest.fixture(scope="session")
def fault_points():
    """Builds for people have none (src/base/fault_point.h)."""
    if "no such point" not in run("check", "--fault", "nowhere:1").stderr:
        pytest.skip("this build has no fault points")


@pytest.fixture(scope="session")
def model():
    """The default model's path."""
    path = default_model()
    assert path.is_file(), f"no {path}: run ./test, whose set-up gets it"
    assert (build_folder() / "runnel-engine-llama").is_file(), "runnel-engine-llama is not built"
    return path


@pytest.fixture
def real(model, tmp_path):
    """A started server on the real model. One thread for the engine: the tests themselves need the other core."""
    (tmp_path / "models").mkdir()
    os.symlink(model, tmp_path / "models" / model.name)
    server = Server(tmp_path / "data", tmp_path / "models", engine="llama", flags=["--threads", "1"])
    yield server.start()
    server.stop()
