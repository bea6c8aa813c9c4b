"""The page in Chromium: the answer grows before the eye, and nothing is lost."""

import os
import signal
import time

import pytest

from harness.clients import Native
from harness.oracle import Mirror, follow

pytestmark = [pytest.mark.browser, pytest.mark.timeout(300)]

QUESTION = "Write a long story about a river that meets the sea."

# Notes every distinct text of the growing answer with its time, once per animation frame.
OBSERVE = """() => {
    window.states = [];
    const note = () => {
        const answer = document.querySelector('[data-testid=answer-streaming]');
        const text = answer ? answer.textContent : '';
        const last = window.states.at(-1);
        if (text && (!last || last.text !== text)) window.states.push({t: performance.now(), text});
        requestAnimationFrame(note);
    };
    note();
}"""


def ask(page, text):
    page.get_by_test_id("composer").fill(text)
    page.get_by_test_id("send").click()


def wait_end(page, n=1):
    page.wait_for_function(
        "n => document.querySelectorAll('[data-testid=message-assistant][data-end-reason]').length >= n", arg=n, timeout=200_000)


def check_grows(page, url, screenshot):
    page.goto(url)
    page.get_by_test_id("composer").wait_for()
    page.evaluate(OBSERVE)
    sent = page.evaluate("performance.now()")
    ask(page, QUESTION)
    page.wait_for_function("() => window.states.length >= 15", timeout=200_000)
    partial = page.evaluate("window.states.at(-1).text")
    page.screenshot(path=screenshot)
    assert page.get_by_test_id("stop").is_visible()
    wait_end(page)
    ended = page.evaluate("performance.now()")
    states = page.evaluate("window.states")
    final = page.get_by_test_id("answer").last.inner_text()
    assert len(states) >= 30, f"{len(states)} distinct texts"
    assert (states[0]["t"] - sent) / (ended - sent) < 0.25, "the first text came late"
    assert len(partial) < len(final)
    lengths = [len(state["text"]) for state in states]
    assert all(a <= b + 4 for a, b in zip(lengths, lengths[1:])), "the text shrank while it grew"


@pytest.fixture
def warm(real):
    """The model is loaded: what is timed is the stream."""
    assert real.post("/api/config", {"max_tokens": 480, "temperature": 0.7, "seed": 3}).status_code == 200
    assert real.post("/api/model/load", {}, timeout=200).status_code == 200
    return real


def test_the_answer_grows_through_the_server(warm, new_page, screenshots):
    check_grows(new_page(), warm.url, screenshots / "mid-answer.png")


def test_the_answer_grows_through_vite(warm, new_page, vite, screenshots):
    check_grows(new_page(), vite(warm), screenshots / "mid-answer-vite.png")


def test_a_reload_in_mid_answer_loses_nothing(warm, new_page):
    page = new_page()
    page.goto(warm.url)
    page.evaluate(OBSERVE)
    ask(page, QUESTION)
    page.wait_for_function("() => window.states.length >= 5", timeout=100_000)
    before = page.evaluate("window.states.at(-1).text")
    page.reload()
    page.wait_for_function(
        "() => document.querySelector('[data-testid=answer-streaming],[data-testid=answer]')?.textContent.length > 0", timeout=60_000)
    wait_end(page)
    conversation = page.url.rsplit("/", 1)[-1].split("?")[0]
    stored = warm.answer_of(conversation)
    assert stored["generation"]["reason"] in ("stop", "length")
    shown = " ".join(page.get_by_test_id("answer").last.inner_text().split())
    assert shown.startswith(" ".join(before.split())[:40])
    assert page.get_by_test_id("message-user").count() == 1


def test_two_pages_show_the_same_answer_live(warm, new_page):
    first, second = new_page(), new_page()
    first.goto(warm.url)
    ask(first, QUESTION)
    first.get_by_test_id("answer-streaming").wait_for()
    first.wait_for_url("**/c/**")
    second.goto(first.url)
    second.get_by_test_id("answer-streaming").wait_for()
    wait_end(first)
    wait_end(second)
    assert first.get_by_test_id("answer").last.inner_text() == second.get_by_test_id("answer").last.inner_text()


def test_stop_ends_the_answer_and_keeps_its_text(warm, new_page):
    page = new_page()
    page.goto(warm.url)
    page.evaluate(OBSERVE)
    ask(page, QUESTION)
    page.wait_for_function("() => window.states.length >= 5", timeout=100_000)
    page.get_by_test_id("stop").click()
    wait_end(page)
    assert page.get_by_test_id("message-assistant").last.get_attribute("data-end-reason") == "cancelled"
    assert page.get_by_test_id("answer").last.inner_text()
    page.get_by_test_id("send").wait_for()


def test_p5_the_page_comes_back_by_itself_after_kill_9(warm, new_page):
    page = new_page(expects_errors=True)
    page.goto(warm.url)
    page.evaluate(OBSERVE)
    ask(page, QUESTION)
    page.wait_for_function("() => window.states.length >= 8", timeout=100_000)
    warm.kill()
    seen = page.evaluate("window.states.at(-1).text")
    page.get_by_test_id("connection-banner").wait_for()
    warm.start()
    wait_end(page)
    assert page.get_by_test_id("message-assistant").get_attribute("data-end-reason") in ("stop", "length")
    assert page.get_by_test_id("went-on").is_visible()
    shown = " ".join(page.get_by_test_id("answer").last.inner_text().split())
    assert shown.startswith(" ".join(seen.split())[:60]), "text that was seen is gone"


def test_p5_an_answer_goes_on_after_a_dead_engine_and_the_next_message_works(warm, new_page):
    page = new_page()
    page.goto(warm.url)
    page.evaluate(OBSERVE)
    ask(page, QUESTION)
    page.wait_for_function("() => window.states.length >= 8", timeout=100_000)
    os.kill(warm.engine_pid(), signal.SIGSEGV)
    wait_end(page)
    assert page.get_by_test_id("message-assistant").get_attribute("data-end-reason") in ("stop", "length")
    assert page.get_by_test_id("went-on").is_visible()
    assert page.get_by_test_id("answer").last.inner_text()
    warm.post("/api/config", {"max_tokens": 8})
    ask(page, "And now?")
    wait_end(page, 2)
    assert page.get_by_test_id("message-assistant").last.get_attribute("data-end-reason") in ("stop", "length")


def test_without_a_model_the_page_says_how_to_get_one_and_keeps_the_text(serve, new_page):
    server = serve(engine="llama")
    page = new_page()
    page.goto(server.url)
    assert str(server.models) in page.get_by_test_id("no-model").inner_text()
    ask(page, "Hello there")
    page.get_by_text("there is no model yet: put a").wait_for()
    assert page.get_by_test_id("composer").input_value() == "Hello there"


def test_a_cold_start_shows_the_load(real, new_page):
    page = new_page()
    page.goto(real.url)
    page.evaluate("""() => { window.phases = new Set(); const note = () => {
        const phase = document.querySelector('[data-testid=phase]');
        if (phase) window.phases.add(phase.dataset.phase);
        requestAnimationFrame(note); }; note(); }""")
    ask(page, "Hi")
    page.get_by_test_id("answer-streaming").or_(page.get_by_test_id("answer")).first.wait_for(timeout=100_000)
    assert "loading" in page.evaluate("[...window.phases]")
    assert page.get_by_test_id("model-status").get_attribute("data-state") == "ready"


def test_the_conversation_has_an_address_and_stands_in_the_side_bar(warm, new_page):
    page = new_page()
    page.goto(warm.url)
    warm.post("/api/config", {"max_tokens": 8})
    ask(page, "A stone in the river")
    wait_end(page)
    address = page.url
    assert "/c/chat_" in address
    item = page.get_by_test_id("conversation-item").first
    assert "A stone in the river" in item.inner_text()
    page.get_by_test_id("new-conversation").first.click()
    page.wait_for_function("() => !location.pathname.startsWith('/c/')")
    page.go_back()
    page.get_by_test_id("message-user").wait_for()
    assert page.url == address


def test_another_client_s_conversation_appears_without_a_reload(warm, new_page):
    page = new_page()
    page.goto(warm.url)
    page.get_by_test_id("composer").wait_for()
    warm.post("/api/config", {"max_tokens": 8})
    with Native(warm) as client:
        ack = client.begin("From somewhere else")
        page.locator(f"[data-testid=conversation-item][data-id='{ack['conversation']}']").wait_for()
        follow(client, Mirror(ack["conversation"]))


def test_the_trace_names_reception_and_painting(warm, new_page):
    page = new_page()
    lines = []
    page.on("console", lambda message: lines.append(message.text))
    page.goto(warm.url + "/?trace=1")
    warm.post("/api/config", {"max_tokens": 16})
    ask(page, "Hi")
    wait_end(page)
    until = time.monotonic() + 20
    while not any("painted" in line for line in lines) and time.monotonic() < until:
        page.wait_for_timeout(50)
    assert any(line.startswith("[UI] tokens seq=") and "received t=" in line for line in lines)
    assert any(line.startswith("[UI] seq=") and "painted t=" in line for line in lines)


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", [(1200, 800), (390, 844)])
def test_the_page_in_each_theme_and_size(warm, new_page, screenshots, scheme, size):
    page = new_page(color_scheme=scheme, viewport={"width": size[0], "height": size[1]})
    page.goto(warm.url)
    warm.post("/api/config", {"max_tokens": 24})
    ask(page, "Hi")
    wait_end(page)
    assert page.evaluate("document.documentElement.dataset.theme") == scheme
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth"), "the page is wider than the screen"
    page.screenshot(path=screenshots / f"{scheme}-{size[0]}.png")
