"""Messages that wait, and a disk that takes nothing: the page says so, and nothing that was written is lost."""

import subprocess
import uuid

import pytest

from harness.clients import Native
from pages import OBSERVE, ask, check_stored, conversation_of, end_reason, open_page, source, tale, wait_ends, wait_text

pytestmark = [pytest.mark.browser, pytest.mark.timeout(180)]

QUEUE_MAX = 16  # of a conversation, the one that is answered among them


@pytest.fixture
def held(serve, script):
    """A server whose messages may wait, and whose answer to "first" is held back before its fifth token."""
    story = script().gate(5, when="first")
    server = serve(story)
    assert server.post("/api/config", {"when_busy": "queue"}).status_code == 200
    return server, story


def begin(page, server, story):
    open_page(page, server)
    ask(page, "The first")
    wait_text(page, len("".join(story.tokens[:4])))


def queue(page):
    return [row.inner_text().split("\n") for row in page.get_by_test_id("queued-message").all()]


def wait_queue(page, n):
    page.wait_for_function("n => document.querySelectorAll('[data-testid=queued-message]:not([data-pending])').length === n", arg=n)


def questions(page):
    return [message.inner_text() for message in page.get_by_test_id("message-user").all()]


def test_two_wait_and_are_answered_in_their_turn(held, new_page):
    server, story = held
    page = new_page()
    begin(page, server, story)
    box = page.get_by_test_id("composer")
    for text in ("Second", "Third"):
        box.fill(text)
        box.press("Enter")
    wait_queue(page, 2)
    assert queue(page) == [["Next", "Second"], ["2", "Third"]]
    assert questions(page) == ["The first"]
    page.reload()
    wait_queue(page, 2)
    assert queue(page) == [["Next", "Second"], ["2", "Third"]]
    story.open_all(when="first")
    wait_ends(page, 3)
    assert questions(page) == ["The first", "Second", "Third"]
    assert page.get_by_test_id("queue").count() == 0
    stored = server.conversation(conversation_of(page))["messages"]
    assert [message["content"] for message in stored if message["role"] == "user"] == ["The first", "Second", "Third"]
    assert [message["content"] for message in stored if message["role"] == "assistant"] == [story.text] * 3


def test_w22_an_unload_ends_what_waits_and_says_so(held, new_page):
    """What was asked of a model does not load it again; the last answer goes on when its reader wants it."""
    server, story = held
    page = new_page()
    begin(page, server, story)
    ask(page, "Second")
    wait_queue(page, 1)
    page.get_by_test_id("model-status").click()
    page.get_by_test_id("model-unload").click()
    page.locator("[data-testid=model-status][data-state=none]").wait_for()
    wait_ends(page, 2)
    reasons = page.get_by_test_id("end-reason").all_inner_texts()
    assert len(reasons) == 2 and all("unloaded" in reason and "Continue" in reason for reason in reasons), reasons
    assert page.get_by_test_id("queue").count() == 0
    assert server.status()["state"] == "none"
    page.keyboard.press("Escape")
    story.open_all(when="first")
    page.get_by_test_id("continue").click()
    page.locator("[data-testid=message-assistant][data-end-reason=stop]").wait_for()
    assert source(page) == story.text == server.answer_of(conversation_of(page))["content"]


def test_the_queue_outlives_the_server(held, new_page):
    server, story = held
    page = new_page(expects_errors=True)
    begin(page, server, story)
    ask(page, "Second")
    wait_queue(page, 1)
    server.kill()
    server.start()
    page.get_by_test_id("connection-banner").wait_for(state="detached")
    story.open_all(when="first")
    wait_ends(page, 2)
    assert questions(page) == ["The first", "Second"]
    assert server.answer_of(conversation_of(page))["content"] == story.text


def test_one_that_waits_can_be_taken_back(held, new_page):
    server, story = held
    page = new_page()
    begin(page, server, story)
    for text in ("Second", "Third"):
        ask(page, text)
    wait_queue(page, 2)
    page.get_by_test_id("queued-cancel").first.click()
    wait_queue(page, 1)
    assert queue(page) == [["Next", "Third"]]
    assert end_reason(page) is None, "the answer that runs was stopped"
    story.open_all(when="first")
    page.wait_for_function("() => [...document.querySelectorAll('[data-testid=message-user]')].at(-1).textContent.includes('Third')")
    page.locator("[data-testid=message-assistant][data-end-reason=stop]").nth(1).wait_for()
    answers = [message["content"] for message in server.conversation(conversation_of(page))["messages"] if message["role"] == "assistant"]
    assert [text for text in answers if text] == [story.text, story.text]


def test_a_full_queue_keeps_the_text(held, new_page):
    server, story = held
    page = new_page()
    begin(page, server, story)
    with Native(server) as client:
        for number in range(1, QUEUE_MAX):
            client.begin(f"Waits {number}", conversation_of(page), client_msg_id=uuid.uuid4().hex)
    wait_queue(page, QUEUE_MAX - 1)
    ask(page, "One too many")
    page.get_by_role("alert").get_by_text("Not sent").wait_for()
    assert page.get_by_test_id("composer").input_value() == "One too many"
    assert len(queue(page)) == QUEUE_MAX - 1
    assert questions(page) == ["The first"]


def test_when_refused_the_composer_waits(serve, script, new_page):
    story = script().gate(5, when="first")
    server = serve(story)
    page = new_page()
    begin(page, server, story)
    box = page.get_by_test_id("composer")
    box.fill("Second")
    box.press("Enter")
    assert box.input_value() == "Second"
    assert page.get_by_test_id("send").count() == 0
    story.open_all(when="first")
    wait_ends(page)
    box.press("Enter")
    wait_ends(page, 2)
    assert questions(page) == ["The first", "Second"]


def test_the_settings_say_what_happens_then(held, new_page):
    server, _ = held
    page = open_page(new_page(), server)
    page.get_by_test_id("settings-open").click()
    page.get_by_test_id("setting-when_busy").wait_for()
    assert page.get_by_test_id("setting-when_busy").input_value() == "queue"
    page.get_by_test_id("setting-when_busy").select_option("refuse")
    page.get_by_test_id("setting-after_crash").select_option("ask")
    page.get_by_test_id("setting-detach_seconds").fill("30")
    page.get_by_test_id("settings-save").click()
    page.get_by_test_id("settings").wait_for(state="detached")
    config = server.get("/api/config").json()
    assert (config["when_busy"], config["after_crash"], config["detach_seconds"]) == ("refuse", "ask", 30)


# ---- The disk ----


def limit_files(server, size):
    """The largest file that the server may make, in bytes: a disk that is full, and one that is not any more."""
    subprocess.run(["prlimit", "--pid", str(server.process.pid), f"--fsize={size}:unlimited"], check=True)


def test_a_full_disk_is_said_until_there_is_room(serve, script, new_page):
    server = serve(script())
    page = open_page(new_page(), server)
    ask(page, "Before")
    wait_ends(page)
    limit_files(server, 100)
    with Native(server) as other:
        other.send(type="send", client_msg_id="fills", text="Something to write")
        page.get_by_test_id("storage-banner").wait_for()
        assert page.get_by_test_id("storage-banner").get_attribute("data-state") == "full"
        box = page.get_by_test_id("composer")
        box.fill("Kept")
        box.press("Enter")
        assert box.input_value() == "Kept"
        assert page.get_by_test_id("send").is_disabled()
        page.reload()
        page.get_by_test_id("storage-banner").wait_for()
        page.get_by_test_id("answer").wait_for()
        assert page.get_by_test_id("composer").input_value() == "Kept"
        limit_files(server, "unlimited")
        page.get_by_test_id("storage-banner").wait_for(state="detached")
    page.get_by_test_id("composer").press("Enter")
    wait_ends(page, 2)
    assert questions(page) == ["Before", "Kept"]


def test_a_disk_that_fills_under_an_answer(serve, script, new_page):
    """What is shown stays, and the rest comes when there is room."""
    story = script(tale()).gate(60)
    server = serve(story)
    page = open_page(new_page(), server)
    page.evaluate(OBSERVE)
    ask(page, "Tell me a tale")
    half = "".join(story.tokens[:59])
    wait_text(page, len(half))
    limit_files(server, 100)
    story.open_all()
    page.get_by_test_id("storage-banner").wait_for()
    assert source(page) == half
    limit_files(server, "unlimited")
    page.get_by_test_id("storage-banner").wait_for(state="detached")
    wait_ends(page)
    check_stored(page, server, story.text)
    assert page.evaluate("window.seen.shrank") is None


# ---- The place in the queue of all ----


def place(page):
    return page.locator("[data-testid=phase][data-phase=queued]").inner_text()


def test_an_answer_that_waits_for_others_shows_its_place(serve, script, new_page):
    story = script(slots=1).gate(5, when="first")
    server = serve(story)
    begin(new_page(), server, story)
    pages = [open_page(new_page(), server) for _ in range(2)]
    for number, page in enumerate(pages):
        ask(page, f"Waits {number}")
        page.locator("[data-testid=phase][data-phase=queued]").wait_for()
    assert [place(page) for page in pages] == ["In the queue: 1st", "In the queue: 2nd"]
    pages[1].reload()
    pages[1].locator("[data-testid=phase][data-phase=queued]").wait_for()
    assert place(pages[1]) == "In the queue: 2nd"
    story.open_all(when="first")
    for page in pages:
        wait_ends(page)
        assert server.answer_of(conversation_of(page))["content"] == story.text
