"""The page while things die: an answer is one message, nothing of it is lost, and nothing of it is said twice."""

import os
import signal

import pytest
from playwright.sync_api import Error

from pages import OBSERVE, ask, check_stored, conversation_of, end_reason, open_page, source, tale, wait_ends, wait_text

pytestmark = [pytest.mark.browser, pytest.mark.timeout(300)]

HALF = 120
N_RELOADS = 100


@pytest.fixture
def story(script):
    """An answer that waits in its middle."""
    return script(tale()).gate(HALF + 1)


def half_of(story):
    return "".join(story.tokens[:HALF])


def begin(page, server, story):
    """Half of an answer is on the page."""
    open_page(page, server)
    page.evaluate(OBSERVE)
    ask(page, "Tell me a tale")
    wait_text(page, len(half_of(story)))
    assert source(page) == half_of(story)


def check_one_bubble(page):
    seen = page.evaluate("window.seen")
    assert seen["answers"] == 1, "a second answer was shown"
    assert seen["same"], "the answer was built anew"
    assert seen["shrank"] is None, f"the text shrank: {seen['shrank']}"


def test_f27_a_hundred_reloads_in_one_answer(serve, script, new_page):
    """Each reload falls into a moment in which tokens come."""
    story = script(tale(3 * N_RELOADS + 30), token_ms=1)
    for token in range(2, 3 * N_RELOADS + 3, 3):
        story.gate(token)
    server = serve(story)
    page = open_page(new_page(), server)
    ask(page, "Tell me a tale")
    conversation = conversation_of(page)
    shown = 0
    for number in range(N_RELOADS):
        story.open(2 + 3 * number)
        page.reload()
        page.get_by_test_id("message-assistant").wait_for()
        page.wait_for_function("() => (window.__runnel?.message(document.querySelector('[data-testid=message-assistant]').dataset.message) ?? '') !== ''")
        text = source(page)
        assert story.text.startswith(text), f"reload {number}: {text[-80:]!r}"
        assert len(text) >= shown, f"reload {number}: text that was shown is gone"
        shown = len(text)
        assert page.get_by_test_id("message-assistant").count() == 1, f"reload {number}"
        assert page.get_by_test_id("message-user").count() == 1, f"reload {number}"
        assert conversation_of(page) == conversation
    assert end_reason(page) is None, "the answer ended before the last reload"
    story.open_all()
    wait_ends(page)
    assert end_reason(page) == "stop"
    check_stored(page, server, story.text)


def test_p5_kill_9_of_the_server_and_the_answer_goes_on_in_its_place(serve, story, new_page):
    server = serve(story)
    page = new_page(expects_errors=True)
    begin(page, server, story)
    conversation = conversation_of(page)
    server.kill()
    page.get_by_test_id("connection-banner").wait_for()
    assert source(page) == half_of(story), "text that was seen is gone"
    server.start()
    page.locator("[data-testid=phase][data-seam]").wait_for()
    assert "Interrupted, goes on" in page.get_by_test_id("phase").inner_text()
    page.get_by_test_id("connection-banner").wait_for(state="detached")
    story.open_all()
    wait_ends(page)
    assert end_reason(page) == "stop"
    assert conversation_of(page) == conversation
    stored = check_stored(page, server, story.text)
    assert stored["generation"]["continues"]
    check_one_bubble(page)
    assert page.get_by_test_id("end-reason").count() == 0
    assert "interrupted" in page.get_by_test_id("went-on").get_attribute("title")
    page.reload()
    page.get_by_test_id("went-on").wait_for()
    assert source(page) == story.text


def test_kill_9_again_and_again_and_the_page_stays_open(serve, script, new_page):
    story = script(tale()).gate(60).gate(120).gate(180)
    server = serve(story)
    page = open_page(new_page(expects_errors=True), server)
    page.evaluate(OBSERVE)
    ask(page, "Tell me a tale")
    for token in (60, 120, 180):
        wait_text(page, len("".join(story.tokens[: token - 1])))
        server.kill()
        server.start()
        story.open(token)
    wait_ends(page)
    check_stored(page, server, story.text)
    check_one_bubble(page)


def test_a_reload_while_the_server_is_dead(serve, story, new_page):
    """Not even the page itself can be reached; with the server everything is there again."""
    server = serve(story)
    page = new_page(expects_errors=True)
    begin(page, server, story)
    address = page.url
    server.kill()
    with pytest.raises(Error, match="ERR_CONNECTION_REFUSED"):
        page.reload()
    page.wait_for_url("chrome-error://**")
    server.start()
    page.goto(address)
    wait_text(page, len(half_of(story)))
    page.locator("[data-testid=phase][data-seam]").wait_for()
    story.open_all()
    wait_ends(page)
    check_stored(page, server, story.text)


def test_a_dead_engine_is_hardly_noticed(serve, story, new_page):
    server = serve(story)
    server.expects_crash = True
    page = new_page()
    begin(page, server, story)
    os.kill(server.engine_pid(), signal.SIGSEGV)
    page.locator("[data-testid=phase][data-seam]").wait_for()
    assert source(page) == half_of(story)
    story.open_all()
    wait_ends(page)
    assert end_reason(page) == "stop"
    check_stored(page, server, story.text)
    check_one_bubble(page)
    page.get_by_test_id("went-on").wait_for()


def test_the_reader_s_place_stays_over_a_crash(serve, story, new_page):
    server = serve(story)
    server.expects_crash = True
    page = new_page(viewport={"width": 900, "height": 420})
    begin(page, server, story)
    box = page.locator(".scroller").bounding_box()
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    top = page.evaluate("document.querySelector('.scroller').scrollTop") - 120
    page.mouse.wheel(0, -120)
    page.get_by_test_id("jump-latest").wait_for()
    page.wait_for_function("top => document.querySelector('.scroller').scrollTop === top", arg=top)
    page.evaluate("window.seen.jumps = 0")
    os.kill(server.engine_pid(), signal.SIGSEGV)
    page.locator("[data-testid=phase][data-seam]").wait_for()
    story.open_all()
    wait_ends(page)
    assert page.evaluate("document.querySelector('.scroller').scrollTop") == top
    assert page.evaluate("window.seen.jumps") == 0
    check_one_bubble(page)


def test_two_tabs_show_the_same_over_a_crash(serve, story, new_page):
    server = serve(story)
    first, second = new_page(expects_errors=True), new_page(expects_errors=True)
    begin(first, server, story)
    open_page(second, server, f"/c/{conversation_of(first)}")
    wait_text(second, len(half_of(story)))
    for page in (first, second):
        page.evaluate(OBSERVE)
    server.kill()
    server.start()
    story.open_all()
    for page in (first, second):
        wait_ends(page)
        check_stored(page, server, story.text)
        check_one_bubble(page)


def test_the_line_is_away_and_comes_back(serve, script, new_page):
    story = script(tale()).gate(60).gate(120)
    server = serve(story)
    page = new_page(expects_errors=True)
    lines, is_down = [], []

    def connect(route):
        if is_down:
            route.close(code=1001)
            return
        route.connect_to_server()
        lines.append(route)

    page.route_web_socket("**/ws", connect)
    open_page(page, server)
    page.evaluate(OBSERVE)
    ask(page, "Tell me a tale")
    wait_text(page, len("".join(story.tokens[:59])))
    is_down.append(True)
    page.context.set_offline(True)
    lines[-1].close(code=1001)
    page.get_by_test_id("connection-banner").wait_for()
    story.open(60)
    before = source(page)
    is_down.clear()
    page.context.set_offline(False)
    page.get_by_test_id("connection-banner").wait_for(state="detached")
    wait_text(page, len("".join(story.tokens[:119])))
    assert source(page).startswith(before)
    story.open_all()
    wait_ends(page)
    check_stored(page, server, story.text)
    check_one_bubble(page)
    assert page.get_by_test_id("went-on").count() == 0, "only the line was interrupted"


# ---- Going on at a reader's wish ----

def test_asked_first_the_page_offers_to_go_on(serve, story, new_page):
    server = serve(story)
    server.expects_crash = True
    server.post("/api/config", {"after_crash": "ask"})
    page = new_page()
    begin(page, server, story)
    os.kill(server.engine_pid(), signal.SIGSEGV)
    wait_ends(page)
    assert end_reason(page) == "interrupted"
    assert source(page) == half_of(story)
    story.open_all()
    page.get_by_test_id("continue").click()
    page.locator("[data-testid=message-assistant][data-end-reason=stop]").wait_for()
    check_stored(page, server, story.text)
    check_one_bubble(page)
    assert page.get_by_test_id("continue").count() == 0


def test_a_stopped_answer_goes_on_after_a_reload(serve, story, new_page):
    server = serve(story)
    page = new_page()
    begin(page, server, story)
    page.get_by_test_id("stop").click()
    wait_ends(page)
    assert end_reason(page) == "cancelled"
    page.reload()
    story.open_all()
    page.get_by_test_id("continue").click()
    page.locator("[data-testid=message-assistant][data-end-reason=stop]").wait_for()
    check_stored(page, server, story.text)


def test_n13_an_answer_whose_model_is_gone_goes_on_with_another(new_server, story, script, new_page):
    """It could not go on by itself and ended as an error: the page says why, and offers to go on all the same."""
    server = new_server().start()
    page = new_page(expects_errors=True)
    begin(page, server, story)
    server.kill()
    story.path.unlink()
    other = script(story.tokens, name="other")
    server.start()
    page.locator("[data-testid=message-assistant][data-end-reason=error]").wait_for()
    assert "fake.json" in page.get_by_test_id("end-reason").inner_text()
    assert source(page) == half_of(story)
    page.get_by_test_id("continue").click()
    page.locator("[data-testid=message-assistant][data-end-reason=stop]").wait_for()
    check_stored(page, server, other.text)
    check_one_bubble(page)


def test_continue_in_two_tabs_makes_one_continuation(serve, story, new_page):
    server = serve(story)
    first, second = new_page(), new_page()
    begin(first, server, story)
    open_page(second, server, f"/c/{conversation_of(first)}")
    first.get_by_test_id("stop").click()
    for page in (first, second):
        wait_ends(page)
    for page in (first, second):
        page.evaluate("document.querySelector('[data-testid=continue]')?.click()")
    story.open_all()
    for page in (first, second):
        page.locator("[data-testid=message-assistant][data-end-reason=stop]").wait_for()
        check_stored(page, server, story.text)


def test_a_wish_to_go_on_survives_the_server(serve, story, new_page):
    """It is made while the server is dead, and reaches the next one."""
    server = serve(story)
    page = new_page(expects_errors=True)
    begin(page, server, story)
    page.get_by_test_id("stop").click()
    wait_ends(page)
    server.kill()
    page.get_by_test_id("connection-banner").wait_for()
    page.get_by_test_id("continue").click()
    page.get_by_test_id("phase").wait_for()
    story.open_all()
    server.start()
    page.locator("[data-testid=message-assistant][data-end-reason=stop]").wait_for()
    check_stored(page, server, story.text)
    check_one_bubble(page)


# ---- How it looks ----


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", [(1200, 800), (390, 844)])
def test_the_states_of_going_on_in_each_theme_and_size(serve, story, new_page, screenshots, scheme, size):
    server = serve(story)
    server.expects_crash = True
    server.post("/api/config", {"when_busy": "queue"})
    page = new_page(color_scheme=scheme, viewport={"width": size[0], "height": size[1]})

    def look(name):
        assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth"), f"{name}: wider than the screen"
        page.screenshot(path=screenshots / f"{name}-{scheme}-{size[0]}.png")

    begin(page, server, story)
    ask(page, "And what does the sea say to it when at last they meet, after all that way?")
    page.get_by_test_id("queued-message").wait_for()
    os.kill(server.engine_pid(), signal.SIGSEGV)
    page.locator("[data-testid=phase][data-seam]").wait_for()
    look("going-on")
    page.get_by_test_id("queued-cancel").click()
    page.get_by_test_id("queue").wait_for(state="detached")
    story.open_all()
    wait_ends(page)
    page.get_by_test_id("went-on").wait_for()
    look("went-on")
