"""Branches of a conversation and the list of conversations, as the page shows them. [N20]–[N25] [W50]–[W55]"""

import pytest

from pages import ask, conversation_of, open_page, wait_ends
from test_page_access import CALM, PHONE, check_axe

pytestmark = [pytest.mark.browser, pytest.mark.timeout(180)]


@pytest.fixture
def server(serve, script):
    return serve(script(["A ", "short ", "answer."], name="Some-Model-7B"))


def texts(page):
    return [bubble.inner_text() for bubble in page.locator(".bubble").all()]


def wait_texts(page, *wanted):
    page.wait_for_function(
        "wanted => JSON.stringify([...document.querySelectorAll('.bubble')].map(one => one.innerText)) === JSON.stringify(wanted)",
        arg=list(wanted))


def wait_answers(page, n):
    page.wait_for_function(
        "n => document.querySelectorAll('[data-testid=message-assistant][data-end-reason]').length === n", arg=n)


def place(page):
    return page.locator(".branch-place [aria-hidden]").all_inner_texts()


def begin(page, server, *questions):
    open_page(page, server)
    for n, text in enumerate(questions):
        ask(page, text)
        wait_ends(page, n + 1)


def choose(page, label):
    page.get_by_role("menuitem", name=label).click()


def test_a_message_is_edited_and_both_versions_stay(server, new_page):
    page, other = new_page(**CALM), new_page(**CALM)
    begin(page, server, "One", "Two")
    open_page(other, server, f"/c/{conversation_of(page)}")
    wait_answers(other, 2)
    page.get_by_test_id("composer").press("ArrowUp")
    box = page.get_by_test_id("edit-box")
    assert box.input_value() == "Two" and page.evaluate("document.activeElement.dataset.testid") == "edit-box"
    box.press("Escape")
    box.wait_for(state="detached")
    page.get_by_test_id("message-user").first.hover()
    page.get_by_test_id("edit").first.click()
    box.fill("Other")
    box.press("Enter")
    for one in (page, other):
        wait_texts(one, "Other")
        wait_answers(one, 1)
        assert place(one) == ["2/2"]
    other.get_by_label("The version before").click()
    for one in (page, other):
        wait_texts(one, "One", "Two")
        assert place(one) == ["1/2"]
    page.reload()
    wait_texts(page, "One", "Two")
    ask(page, "Three")
    wait_answers(page, 3)
    assert server.conversation(conversation_of(page))["content"].count("USER:") == 3


def test_another_answer_and_back_again(server, new_page, screenshots):
    page = new_page(**CALM)
    begin(page, server, "One")
    page.get_by_test_id("regenerate").click()
    page.locator(".branch-place").wait_for()
    wait_answers(page, 1)
    assert place(page) == ["2/2"] and texts(page) == ["One"]
    page.get_by_test_id("message-assistant").hover()
    check_axe(page, "branches")
    page.screenshot(path=screenshots / "desktop-light-branches.png")
    first = page.get_by_test_id("message-assistant").get_attribute("data-message")
    page.get_by_label("The version before").click()
    page.wait_for_function("first => document.querySelector('[data-testid=message-assistant]').dataset.message !== first", arg=first)
    assert place(page) == ["1/2"]
    stored = server.conversation(conversation_of(page))
    assert stored["current"] == page.get_by_test_id("message-assistant").get_attribute("data-message")


def test_the_address_of_a_version_that_is_not_shown_shows_it(server, new_page):
    """[N23] A hit and an address name one message, whatever branch it is on."""
    page = new_page(**CALM)
    begin(page, server, "One", "Two")
    name = conversation_of(page)
    hidden = page.get_by_test_id("message-assistant").last.get_attribute("data-message")
    page.get_by_test_id("message-user").first.hover()
    page.get_by_test_id("edit").first.click()
    page.get_by_test_id("edit-box").fill("Other")
    page.get_by_test_id("edit-box").press("Enter")
    wait_texts(page, "Other")
    wait_answers(page, 1)
    page.goto(f"{server.url}/c/{name}#{hidden}")
    wait_texts(page, "One", "Two")
    assert page.locator(".message-found").get_attribute("data-message") == hidden
    assert server.conversation(name)["current"] == hidden
    page.get_by_label("The next version").click()
    wait_texts(page, "Other")


def test_a_running_version_can_be_left_and_found_again(serve, script, new_page):
    """[N23] [N24] It goes on while another one is shown."""
    story = script(["A ", "short ", "answer."]).gate(2, when="hold")
    server = serve(story)
    page = new_page(**CALM)
    begin(page, server, "One")
    page.get_by_test_id("message-user").hover()
    page.get_by_test_id("edit").click()
    page.get_by_test_id("edit-box").fill("hold it")
    page.get_by_test_id("edit-send").click()
    page.locator("[data-testid=answer-streaming]").wait_for()
    page.get_by_label("The version before").click()
    wait_texts(page, "One")
    page.get_by_test_id("elsewhere").click()
    wait_texts(page, "hold it")
    story.open_all(when="hold")
    wait_answers(page, 1)
    assert page.get_by_test_id("elsewhere").count() == 0


def test_a_message_is_deleted_and_brought_back_and_a_branch_becomes_a_conversation(server, new_page):
    page = new_page(**CALM)
    begin(page, server, "One", "Two")
    name = conversation_of(page)
    page.get_by_test_id("message-user").last.hover()
    page.get_by_test_id("message-more").nth(2).click()
    choose(page, "Delete from here")
    wait_texts(page, "One")
    page.get_by_text("Undo").click()
    wait_texts(page, "One", "Two")
    page.get_by_test_id("message-assistant").first.hover()
    page.get_by_test_id("message-more").nth(1).click()
    choose(page, "Fork from here")
    page.wait_for_function("name => !location.pathname.includes(name)", arg=name)
    wait_texts(page, "One")
    assert len(server.conversation(name)["messages"]) == 4
    assert len(server.conversation(conversation_of(page))["messages"]) == 2


def item(page, title):
    return page.locator("[data-testid=conversation-item]", has_text=title)


def open_menu(page, title):
    item(page, title).hover()
    item(page, title).get_by_test_id("conversation-more").click()


def titles(page):
    return page.locator("[data-testid=conversation-list] .conversation-title").all_inner_texts()


def wait_titles(page, *wanted):
    page.wait_for_function(
        "wanted => JSON.stringify([...document.querySelectorAll('[data-testid=conversation-list] .conversation-title')]"
        ".map(one => one.innerText)) === JSON.stringify(wanted)", arg=list(wanted))


@pytest.mark.parametrize("scheme, size", [("light", "desktop"), ("dark", "phone")])
def test_the_list_is_kept_in_order(server, new_page, screenshots, scheme, size):
    page = new_page(color_scheme=scheme, **CALM, **(PHONE if size == "phone" else {}))
    open_page(page, server)
    for text in ("Alpha", "Beta", "Gamma", "Delta"):
        page.goto(f"{server.url}/")
        page.get_by_test_id("composer").wait_for()
        ask(page, text)
        wait_ends(page)
    if size == "phone":
        page.get_by_test_id("sidebar-open").click()
    wait_titles(page, "Delta", "Gamma", "Beta", "Alpha")
    open_menu(page, "Alpha")
    page.get_by_role("menuitem", name="Pin").wait_for()
    check_axe(page, f"menu, {scheme}, {size}")
    page.screenshot(path=screenshots / f"{size}-{scheme}-menu.png")
    choose(page, "Pin")
    wait_titles(page, "Alpha", "Delta", "Gamma", "Beta")
    open_menu(page, "Beta")
    choose(page, "Rename")
    page.get_by_test_id("rename").fill("Bêta two")
    page.get_by_test_id("rename").press("Enter")
    wait_titles(page, "Alpha", "Delta", "Gamma", "Bêta two")
    open_menu(page, "Gamma")
    choose(page, "Move to folder")
    page.get_by_test_id("folder-name").fill("Work")
    check_axe(page, f"folders, {scheme}, {size}")
    page.get_by_test_id("folder-name").press("Enter")
    wait_titles(page, "Alpha", "Gamma", "Delta", "Bêta two")
    check_axe(page, f"list, {scheme}, {size}")
    page.screenshot(path=screenshots / f"{size}-{scheme}-list.png")
    page.get_by_test_id("folder").hover()
    page.get_by_label("Rename the folder “Work”").click()
    page.get_by_test_id("rename").fill("River")
    page.get_by_test_id("rename").press("Enter")
    page.locator("[data-testid=folder] summary", has_text="River").wait_for()
    wait_titles(page, "Alpha", "Gamma", "Delta", "Bêta two")
    page.get_by_test_id("choose-several").click()
    for title in ("Delta", "Bêta"):
        item(page, title).get_by_test_id("choose").check()
    check_axe(page, f"choice, {scheme}, {size}")
    page.screenshot(path=screenshots / f"{size}-{scheme}-choice.png")
    page.get_by_test_id("choice-bar").get_by_label("Archive").click()
    wait_titles(page, "Alpha", "Gamma")
    open_menu(page, "Alpha")
    choose(page, "Delete")
    wait_titles(page, "Gamma")
    page.get_by_test_id("view-archived").click()
    wait_titles(page, "Delta", "Bêta two")
    open_menu(page, "Delta")
    choose(page, "Out of the archive")
    wait_titles(page, "Bêta two")
    page.get_by_test_id("view-trash").click()
    wait_titles(page, "Alpha")
    check_axe(page, f"trash, {scheme}, {size}")
    page.screenshot(path=screenshots / f"{size}-{scheme}-trash.png")
    open_menu(page, "Alpha")
    choose(page, "Restore")
    wait_titles(page)
    page.get_by_label("Back to the conversations").click()
    wait_titles(page, "Alpha", "Gamma", "Delta")


@pytest.mark.parametrize("size", ["desktop", "phone"])
def test_what_is_deleted_comes_back_by_undo(server, new_page, screenshots, size):
    """On a phone while the list stands over the page."""
    page = new_page(**CALM, **(PHONE if size == "phone" else {}))
    begin(page, server, "Alpha")
    if size == "phone":
        page.get_by_test_id("sidebar-open").click()
    open_menu(page, "Alpha")
    choose(page, "Delete")
    wait_titles(page)
    page.get_by_text("What would you like to ask?").wait_for()
    page.get_by_text("Undo").wait_for()
    check_axe(page, f"undo, {size}")
    page.screenshot(path=screenshots / f"{size}-light-undo.png")
    page.get_by_role("button", name="Undo").click()
    wait_titles(page, "Alpha")


@pytest.mark.parametrize("scheme, size", [("light", "desktop"), ("dark", "phone")])
def test_a_conversation_has_its_own_system_prompt_and_temperature(server, new_page, screenshots, scheme, size):
    page = new_page(color_scheme=scheme, **CALM, **(PHONE if size == "phone" else {}))
    open_page(page, server)
    page.get_by_test_id("own-open").click()
    page.get_by_test_id("own-has-prompt").check()
    page.get_by_test_id("own-system_prompt").fill("Be short.")
    page.get_by_test_id("own-temperature").fill("9")
    assert page.get_by_test_id("own-save").is_disabled()
    page.get_by_test_id("own-temperature").fill("0.2")
    check_axe(page, f"own, {scheme}, {size}")
    page.screenshot(path=screenshots / f"{size}-{scheme}-own.png")
    page.get_by_test_id("own-save").click()
    page.get_by_test_id("own").wait_for(state="detached")
    ask(page, "One")
    wait_ends(page)
    name = conversation_of(page)
    assert server.conversation(name)["settings"] == {"system_prompt": "Be short.", "temperature": 0.2}
    page.reload()
    wait_texts(page, "One")
    page.get_by_test_id("own-open").click()
    page.get_by_test_id("own-temperature").fill("")
    page.get_by_test_id("own-save").click()
    page.get_by_test_id("own").wait_for(state="detached")
    assert server.conversation(name)["settings"] == {"system_prompt": "Be short."}
    assert server.post(f"/api/conversation/{name}", {"model": "Some-Model-7B"}).json()["model"] == "Some-Model-7B.json"
    page.get_by_text("only here").wait_for()
    page.get_by_test_id("model-status").click()
    page.get_by_test_id("own-model-note").wait_for()
    check_axe(page, f"a model of its own, {scheme}, {size}")
    page.screenshot(path=screenshots / f"{size}-{scheme}-own-model.png")
    page.get_by_test_id("own-model-clear").click()
    page.get_by_text("only here").wait_for(state="detached")
    assert server.conversation(name)["model"] is None


def test_a_temporary_conversation_is_not_listed(server, new_page):
    page = new_page(**CALM)
    open_page(page, server)
    page.get_by_test_id("temporary").click()
    ask(page, "Quietly")
    wait_ends(page)
    assert titles(page) == []
    assert server.conversation(conversation_of(page))["temporary"] is True


@pytest.mark.parametrize("scheme, size", [("light", "desktop"), ("dark", "phone")])
def test_n41_what_ended_while_nobody_looked_is_marked_until_it_is_opened(serve, script, new_page, screenshots, scheme, size):
    """On every screen, also one that was reloaded."""
    story = script(["A ", "short ", "answer."]).gate(2, when="hold")
    server = serve(story)
    page = new_page(color_scheme=scheme, **CALM, **(PHONE if size == "phone" else {}))
    open_page(page, server)
    ask(page, "hold it")
    page.locator("[data-testid=answer-streaming]").wait_for()
    name = conversation_of(page)
    page.keyboard.press("Control+Shift+O")
    page.get_by_text("What would you like to ask?").wait_for()
    story.open_all(when="hold")
    if size == "phone":
        page.locator("[data-testid=sidebar-open][data-marked]").wait_for()
        page.get_by_test_id("sidebar-open").click()
    page.get_by_test_id("unread").wait_for()
    check_axe(page, f"unread, {scheme}, {size}")
    page.screenshot(path=screenshots / f"{size}-{scheme}-unread.png")
    other = new_page(**CALM)
    open_page(other, server)
    other.get_by_test_id("unread").wait_for()
    other.goto(f"{server.url}/c/{name}")
    wait_ends(other)
    for one in (other, page):
        one.get_by_test_id("unread").wait_for(state="detached")
