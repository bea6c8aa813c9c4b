"""What the server has and does, in the page: models and downloads, the monitor, the inspector, the log, and what programs need."""

import json

import pytest

from harness.file_server import FileServer
from pages import ask, open_page, wait_ends
from test_page_access import CALM, PHONE, check_axe

pytestmark = [pytest.mark.browser, pytest.mark.timeout(180)]


def open_server(page, button="models-open"):
    page.get_by_test_id("model-status").click()
    page.get_by_test_id(button).click()
    page.get_by_test_id("server").wait_for()


def tab(page, name):
    page.get_by_test_id(f"tab-{name}").click()


@pytest.fixture
def source():
    made = FileServer(json.dumps({"name": "fetched", "tokens": ["Fetched"], "note": "x" * (1 << 19)}).encode(), plan=["hold", "send"])
    yield made
    made.close()


@pytest.fixture
def server(new_server, script):
    script(["Small"], name="another-model-with-a-longer-name", context_size=2048)
    told = script(name="mill", token_ms=2, count=120)
    return new_server(told, env={"no_proxy": "127.0.0.1", "NO_PROXY": "127.0.0.1"}).start()


@pytest.mark.parametrize("size", ["desktop", "phone"])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_part_in_each_theme_and_size(server, source, new_page, screenshots, scheme, size):
    page = open_page(new_page(color_scheme=scheme, **CALM, **(PHONE if size == "phone" else {})), server)
    open_server(page)
    page.get_by_test_id("model-card").nth(1).wait_for()
    page.get_by_test_id("download-source").fill(source.url + "/fetched.json")
    page.get_by_test_id("download-begin").click()
    page.locator("[data-testid=download][data-state=running]").wait_for()

    def seen(state):
        check_axe(page, f"{state}, {scheme}, {size}")
        page.screenshot(path=screenshots / f"{size}-{scheme}-server-{state}.png")

    seen("models")
    tab(page, "inspector")
    page.keyboard.press("Escape")
    ask(page, "Hello")
    wait_ends(page)
    open_server(page, "monitor-open")
    page.get_by_text("Tokens per second").wait_for()
    page.locator(".figure-line").first.wait_for()
    seen("monitor")
    tab(page, "inspector")
    page.get_by_text("Tokens are listed here").wait_for()
    seen("inspector")
    tab(page, "log")
    page.get_by_test_id("log-line").first.wait_for()
    seen("log")
    tab(page, "programs")
    page.get_by_test_id("snippet").nth(2).wait_for()
    seen("programs")
    if size == "phone":
        assert page.evaluate("document.documentElement.scrollWidth") <= 390


def test_a_model_is_downloaded_loaded_and_deleted(server, source, new_page):
    page = open_page(new_page(), server)
    open_server(page)
    page.get_by_test_id("download-source").fill(source.url + "/fetched.json")
    page.get_by_test_id("download-begin").click()
    row = page.get_by_test_id("download")
    assert source.held.wait(30)
    row.get_by_label("Pause").click()
    page.locator("[data-testid=download][data-state=paused]").wait_for()
    row.get_by_label("Resume").click()
    page.locator("[data-testid=download][data-state=done]").wait_for()
    card = page.get_by_test_id("model-card").filter(has_text="fetched")
    card.get_by_text("Load", exact=True).click()
    card.get_by_text("Unload").wait_for()
    assert card.get_by_label("Delete the file").is_disabled()
    card.get_by_text("Unload").click()
    card.get_by_label("Delete the file").click()
    card.get_by_test_id("model-delete").click()
    card.wait_for(state="detached")
    assert not (server.models / "fetched.json").exists()


def test_n33_the_inspector_shows_the_way_of_each_token(server, new_page, screenshots):
    page = open_page(new_page(), server)
    other = open_page(new_page(), server)
    ask(page, "Hello")
    wait_ends(page)
    conversation = page.url.rsplit("/", 1)[-1].split("?")[0]
    other.goto(f"{server.url}/c/{conversation}?trace=1")
    wait_ends(other)
    open_server(other, "monitor-open")
    tab(other, "inspector")
    ask(page, "Again")
    wait_ends(page, 2)
    wait_ends(other, 2)
    row = other.get_by_test_id("way").first
    row.wait_for()
    other.wait_for_function(
        "() => [...document.querySelectorAll('[data-testid=way]')].every(row => [...row.cells].slice(1).every(cell => cell.textContent.startsWith('+')))")
    figures = other.locator(".figure").all_inner_texts()
    values = {words[0]: words[1] for words in (figure.split() for figure in figures)}
    assert values["Repeats"] == values["Holes"] == "0" and int(values["Tokens"]) >= 100, figures
    other.screenshot(path=screenshots / "desktop-light-server-ways.png")
