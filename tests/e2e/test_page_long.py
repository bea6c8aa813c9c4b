"""A long conversation: what is in the page, and that nothing moves under the reader."""

import pytest

from pages import ask, open_page, tale, wait_ends

pytestmark = [pytest.mark.browser, pytest.mark.timeout(180)]

SHOWN = 30
SHOWN_MAX = 90
TURNS = 60

COUNT = "() => document.querySelectorAll('.message').length"
PLACE = """() => { const view = document.querySelector('.scroller').getBoundingClientRect();
    const first = [...document.querySelectorAll('.message')].find(one => one.getBoundingClientRect().bottom > view.top + 40);
    window.watched ??= first;
    return window.watched.getBoundingClientRect().top; }"""

# What comes at an edge comes in the frames after it is near.
SETTLE = """async () => { const view = document.querySelector('.scroller');
    for (let still = 0, top = view.scrollTop; still < 6; top = view.scrollTop) {
        await new Promise(requestAnimationFrame);
        still = view.scrollTop === top ? still + 1 : 0;
    } }"""


def test_old_messages_come_without_a_jump_and_go_again(serve, script, new_page):
    server = serve(script(tale(60)))
    conversation = None
    for number in range(TURNS):
        more = {"conversation_id": conversation} if conversation else {}
        answer = server.post("/api/chat", {"message": f"Question {number}", **more})
        assert answer.status_code == 200, answer.text
        conversation = answer.json()["conversation_id"]
    page = new_page(reduced_motion="reduce")
    open_page(page, server, f"/c/{conversation}")
    page.wait_for_function(f"n => ({COUNT})() === n", arg=SHOWN)
    for _ in range(200):
        before = page.evaluate(PLACE)
        page.evaluate("document.querySelector('.scroller').scrollTop -= 700")
        page.evaluate(SETTLE)
        moved = page.evaluate(PLACE) - before
        assert 0 <= moved <= 700, f"700 pixels up moved the text by {moved}"
        page.evaluate("delete window.watched")
        assert page.evaluate(COUNT) <= SHOWN_MAX
        if page.evaluate("document.querySelector('.scroller').scrollTop === 0"):
            break
    assert page.get_by_test_id("message-user").first.inner_text() == "Question 0", "the begin was not reached"
    assert page.evaluate(COUNT) == SHOWN_MAX
    page.get_by_test_id("jump-latest").click()
    page.wait_for_function(f"n => ({COUNT})() === n", arg=SHOWN)
    assert page.evaluate("() => { const view = document.querySelector('.scroller'); return view.scrollHeight - view.clientHeight - view.scrollTop; }") < 2
    ask(page, "One more")
    wait_ends(page, SHOWN // 2)
    page.get_by_test_id("jump-latest").wait_for(state="detached")
