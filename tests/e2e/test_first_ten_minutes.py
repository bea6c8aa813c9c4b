"""What a person does in the first ten minutes, on the real model: one walk through the page, at a desk and then with a phone."""

import os

import pytest

from pages import ask, conversation_of, end_reason, open_page, source, wait_ends, wait_text
from test_page_access import CALM, PHONE

pytestmark = [pytest.mark.browser, pytest.mark.timeout(300)]

# Nothing hangs on what the model says, but that it counts on when it has begun to count: a greedy answer that the test stops, and of which it makes
# sure that it still runs. It begins a conversation, so that nothing else is in its prompt.
SHORT = {"temperature": 0, "max_tokens": 12}
LONG = {"temperature": 0, "max_tokens": -1}
ENDLESS = "Write a very long list of the numbers: 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, and so on."
SECOND = "Tiny-Second"
NOTES = "The lighthouse keeper counts the ships.\n" * 6


@pytest.fixture
def server(real, model):
    """Two model files to choose from."""
    os.symlink(model, real.models / f"{SECOND}.gguf")
    return real


def settings(server, values):
    answer = server.post("/api/config", values)
    assert answer.status_code == 200, answer.text


def answers_that_run(page):
    return page.get_by_test_id("answer-streaming").count()


def wait_questions(page, *wanted):
    page.wait_for_function(
        "wanted => JSON.stringify([...document.querySelectorAll('.bubble')].map(one => one.innerText)) === JSON.stringify(wanted)", arg=list(wanted))


def begin_endless(page, server):
    """In a new conversation: an answer runs, and some of it is on the page."""
    page.keyboard.press("Control+Shift+O")
    page.wait_for_function("() => !location.pathname.startsWith('/c/')")
    settings(server, LONG)
    ask(page, ENDLESS)
    wait_text(page, 20)
    assert answers_that_run(page) == 1, "the answer ended by itself"
    settings(server, SHORT)
    return conversation_of(page)


def check_same(server, *pages):
    """Each page has what the database has."""
    stored = server.answer_of(conversation_of(pages[0]))["content"]
    assert stored and all(source(page) == stored for page in pages)


def test_the_first_ten_minutes(server, new_page, screenshots):
    page = new_page(**CALM)

    def look(step, at=page, name="desktop"):
        assert at.evaluate("document.documentElement.scrollWidth <= window.innerWidth"), f"{step}: wider than the screen"
        at.screenshot(path=screenshots / f"first-{name}-{step}.png")

    # Start: nothing is set up, the box has the focus.
    settings(server, SHORT)
    open_page(page, server)
    page.get_by_text("The model is loaded with your first message.").wait_for()
    assert page.evaluate("document.activeElement.dataset.testid") == "composer"
    look("1-start")

    # Ask, by the keyboard.
    page.keyboard.type("What is a lighthouse?")
    page.keyboard.press("Enter")
    wait_ends(page)
    assert end_reason(page) in ("stop", "length")
    check_same(server, page)
    look("2-ask")

    # A file goes with a question.
    page.get_by_test_id("attach-input").set_input_files([{"name": "notes.txt", "mimeType": "text/plain", "buffer": NOTES.encode()}])
    page.locator("[data-testid=draft-file][data-state=ready]").wait_for()
    ask(page, "What is in these notes?")
    page.get_by_test_id("message-file").wait_for()
    wait_ends(page, 2)
    first = conversation_of(page)
    sent = server.conversation(first)["messages"]
    assert [file["name"] for message in sent for file in message.get("attachments") or []] == ["notes.txt"]
    look("3-attach")

    # Stop.
    begin_endless(page, server)
    look("4-running")
    page.get_by_test_id("stop").click()
    wait_ends(page)
    assert end_reason(page) == "cancelled"
    check_same(server, page)
    assert page.evaluate("document.activeElement.dataset.testid") == "composer"
    stopped = source(page)
    look("5-stop")

    # Edit what was asked, and another answer to it.
    page.get_by_test_id("message-user").hover()
    page.get_by_test_id("edit").click()
    page.get_by_test_id("edit-box").fill("Tell me of the sea.")
    look("6-edit")
    page.get_by_test_id("edit-send").click()
    wait_questions(page, "Tell me of the sea.")
    wait_ends(page)
    edited = page.get_by_test_id("message-assistant").get_attribute("data-message")
    page.get_by_test_id("regenerate").click()
    page.wait_for_function("""first => { const answer = document.querySelector('[data-testid=message-assistant]');
        return answer && answer.dataset.message !== first && answer.dataset.endReason; }""", arg=edited)
    assert page.locator(".branch-place [aria-hidden]").all_inner_texts() == ["2/2", "2/2"]
    look("7-regenerate")

    # Back to the first version of the question, with the answer that was stopped.
    page.get_by_test_id("message-user").get_by_label("The version before").click()
    wait_questions(page, ENDLESS)
    assert source(page) == stopped and end_reason(page) == "cancelled"
    look("8-branch")

    # By search to a place in the conversation before.
    page.keyboard.press("Control+k")
    page.get_by_test_id("search").wait_for()
    page.keyboard.type("in these notes")
    page.locator("[data-testid=search-hit] mark").first.wait_for()
    look("9-search")
    page.keyboard.press("Enter")
    page.wait_for_url(f"**/c/{first}*")
    page.locator(".message-found").wait_for()
    look("10-found")

    # The conversation as a file.
    page.get_by_test_id("export-open").click()
    page.get_by_test_id("export-markdown").wait_for()
    look("11-export")
    with page.expect_download() as download:
        page.get_by_test_id("export-markdown").click()
    exported = download.value.path().read_text()
    assert all(text in exported for text in ("What is a lighthouse?", "What is in these notes?", source(page)))

    # Another model.
    page.get_by_test_id("model-status").click()
    chosen = page.get_by_test_id("model-item").filter(has_text=SECOND)
    chosen.wait_for()
    look("12-models")
    chosen.click()
    page.locator("[data-testid=model-status][data-state=ready]").filter(has_text=SECOND).wait_for()
    page.keyboard.press("Escape")
    ask(page, "And who are you?")
    wait_ends(page, 3)
    assert SECOND in server.answer_of(first)["generation"]["model"]
    look("13-model")

    # A reload in the middle of an answer.
    name = begin_endless(page, server)
    before = source(page)
    page.reload()
    wait_text(page, len(before) + 1)
    assert source(page).startswith(before) and answers_that_run(page) == 1
    look("14-reload")

    # On a phone, which shows it live: it is stopped there, and goes on there.
    phone = new_page(color_scheme="dark", **CALM, **PHONE)
    open_page(phone, server, f"/c/{name}")
    wait_text(phone, 1)
    for one, other in ((phone, page), (page, phone)):
        shown = source(one)
        wait_text(other, len(shown) + 1)
        assert source(other).startswith(shown)
    assert answers_that_run(page) == answers_that_run(phone) == 1
    look("1-running", phone, "phone")
    phone.get_by_test_id("stop").click()
    for one in (phone, page):
        one.get_by_test_id("continue").wait_for()
        assert end_reason(one) == "cancelled"
    check_same(server, page, phone)
    look("2-stop", phone, "phone")
    told = source(phone)
    phone.get_by_test_id("continue").click()
    for one in (phone, page):
        wait_text(one, len(told) + 1)
    assert answers_that_run(page) == answers_that_run(phone) == 1
    page.get_by_test_id("stop").click()
    for one in (phone, page):
        one.get_by_test_id("continue").wait_for()
    check_same(server, page, phone)
    assert source(page).startswith(told)
    look("3-goes-on", phone, "phone")
    look("15-goes-on")
    phone.get_by_test_id("sidebar-open").click()
    phone.get_by_test_id("conversation-item").nth(2).wait_for()
    look("4-list", phone, "phone")
