import pytest

from engine_driver import Engine, model_path, program


@pytest.fixture
def fake():
    with Engine("fake", "--log", "info") as engine:
        assert engine.read()["ev"] == "hello"
        yield engine


@pytest.fixture(scope="module")
def require_llama():
    if not program("llama").exists() or not model_path().exists():
        pytest.skip("runnel-engine-llama or the default model is not here")


@pytest.fixture
def llama(require_llama):
    """A process of its own for one test; nothing is loaded."""
    with Engine("llama") as engine:
        assert engine.read()["ev"] == "hello"
        yield engine


@pytest.fixture(scope="module")
def shared_llama(require_llama):
    """One loaded model for the tests of a file; they use ids of their own."""
    with Engine("llama") as engine:
        engine.load(model_path(), context_size=4096, slots=8)
        yield engine


@pytest.fixture
def loaded(shared_llama):
    shared_llama.events.clear()
    return shared_llama
