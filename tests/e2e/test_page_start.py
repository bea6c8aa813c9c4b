"""What somebody sees who has no model yet, a broken one, or no server: words that tell what to do."""

import json

import pytest

from harness.file_server import FileServer
from harness.script import corrupt_model
from pages import ask, open_page, wait_ends
from test_page_access import CALM, PHONE, check_axe

pytestmark = [pytest.mark.browser, pytest.mark.timeout(180)]
LOCAL = {"no_proxy": "127.0.0.1", "NO_PROXY": "127.0.0.1"}


@pytest.fixture
def look(screenshots):
    def make(page, scheme, size):
        def seen(state):
            check_axe(page, f"{state}, {scheme}, {size}")
            assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth"), f"{state}: wider than the screen"
            page.screenshot(path=screenshots / f"{size}-{scheme}-{state}.png")
        return seen
    return make


@pytest.fixture
def source():
    made = FileServer(json.dumps({"name": "fetched", "tokens": ["Fetched"], "note": "x" * (1 << 19)}).encode(), plan=["hold"])
    yield made
    made.close()


@pytest.mark.parametrize("scheme, size", [("light", "desktop"), ("dark", "phone")])
def test_a_newcomer_gets_a_model(new_server, source, new_page, look, scheme, size):
    server = new_server(env=LOCAL).start()
    page = open_page(new_page(color_scheme=scheme, **CALM, **(PHONE if size == "phone" else {})), server)
    seen = look(page, scheme, size)
    help_box = page.get_by_test_id("no-model")
    assert str(server.models) in help_box.inner_text() and "./run" in help_box.inner_text()
    seen("no-model")
    page.get_by_test_id("help-models").click()
    page.get_by_test_id("download-source").fill(source.url + "/fetched.json")
    page.get_by_test_id("download-begin").click()
    assert source.held.wait(30)
    page.keyboard.press("Escape")
    page.get_by_text("fetched.json:").wait_for()
    seen("model-coming")
    source.let_go.set()
    help_box.wait_for(state="detached")
    ask(page, "Hello")
    wait_ends(page)
    assert page.get_by_test_id("answer").inner_text() == "Fetched"


@pytest.mark.parametrize("scheme, size", [("light", "desktop"), ("dark", "phone")])
def test_a_broken_model_and_no_server(new_server, script, new_page, look, scheme, size):
    server = new_server()
    corrupt_model(server.models)
    server.start()
    page = open_page(new_page(expects_errors=True, color_scheme=scheme, **CALM, **(PHONE if size == "phone" else {})), server)
    seen = look(page, scheme, size)
    ask(page, "Hello")
    page.get_by_test_id("broken-model").wait_for()
    seen("broken-model")
    script(["Good"], name="sound")
    page.get_by_test_id("help-models").click()
    page.get_by_test_id("model-card").filter(has_text="sound").get_by_text("Load", exact=True).click()
    page.locator("[data-testid=model-status][data-state=ready]").wait_for()
    page.keyboard.press("Escape")
    page.get_by_test_id("broken-model").wait_for(state="detached")
    server.kill()
    page.get_by_test_id("connection-banner").get_by_text("./run").wait_for()
    seen("no-server")
