"""The page for everybody: by keyboard alone, with a screen reader, on a phone, from right to left, without the server, after a sleep."""

import json
from pathlib import PurePosixPath

import pytest

from harness.server import ROOT
from pages import ask, conversation_of, open_page, source, tale, wait_ends, wait_text

pytestmark = [pytest.mark.browser, pytest.mark.timeout(180)]

AXE = (ROOT / "ui" / "node_modules" / "axe-core" / "axe.min.js").read_text()
PHONE = {"viewport": {"width": 390, "height": 844}, "has_touch": True, "is_mobile": True}
CALM = {"reduced_motion": "reduce"}

RICH = """## A title

Some *words* with **weight**, `code`, a [link](https://example.org) and ![a picture](https://example.org/a.png).

```python
def river(depth: int) -> str:
    return "deep" if depth > 3 else "shallow"  # a comment
```

| Place | Depth |
|:------|------:|
| mill  |     3 |

1. one
2. two

> A quotation.

- [x] done
- [ ] to do

The area is $\\pi r^2$.

مرحبا بالعالم، هذا نص من اليمين إلى اليسار.

And the end.
"""


def pieces(text):
    return [word + " " for word in text.split(" ")][:-1] + [text.split(" ")[-1]]


def check_axe(page, state):
    """Everything that axe knows, the best practices too."""
    if not page.evaluate("window.axe !== undefined"):
        page.evaluate(AXE)
    page.wait_for_function("() => document.getAnimations().every(one => one.playState !== 'running' || one.effect.getTiming().iterations > 1)")
    found = page.evaluate("""async () => {
        const result = await axe.run(document, {resultTypes: ['violations']});
        return result.violations.map(one => [one.id, one.help, one.nodes.map(node => node.html.slice(0, 160) + ' ' + node.failureSummary)]);
    }""")
    assert not found, f"{state}: {json.dumps(found, indent=1)}"


def focused(page):
    return page.evaluate("""() => { const one = document.activeElement;
        return one.dataset.testid || one.getAttribute('aria-label') || one.textContent.trim().slice(0, 40); }""")


@pytest.fixture
def held(serve, script):
    """An answer of every kind of Markdown, that waits in its middle for messages that say so."""
    story = script(pieces(RICH), name="Some-Model-7B").gate(20, when="half")
    return serve(story), story


@pytest.mark.parametrize("scheme, size", [("light", "desktop"), ("dark", "phone")])
def test_axe_finds_nothing_in_any_state(held, new_page, screenshots, scheme, size):
    server, story = held
    page = new_page(color_scheme=scheme, **CALM, **(PHONE if size == "phone" else {}))

    def look(state):
        check_axe(page, f"{state}, {scheme}, {size}")
        page.screenshot(path=screenshots / f"{size}-{scheme}-{state}.png")

    open_page(page, server)
    look("empty")
    ask(page, "Tell me all")
    wait_ends(page)
    page.locator(".katex").wait_for()
    page.locator(".syn-keyword").first.wait_for()
    page.locator(".scroller").evaluate("view => { view.scrollTop = 0; }")
    look("answer")
    page.get_by_test_id("jump-latest").click()
    ask(page, "Only half of it")
    page.locator("[data-testid=answer-streaming] .code-block").wait_for()
    look("streaming")
    page.get_by_test_id("stop").click()
    wait_ends(page, 2)
    look("stopped")
    page.get_by_test_id("settings-open").click()
    page.get_by_test_id("setting-temperature").fill("nine")
    look("settings")
    page.keyboard.press("Escape")
    page.get_by_test_id("model-status").click()
    page.get_by_text("context of").wait_for()
    look("model")
    page.keyboard.press("Escape")
    page.locator(".model-popup").wait_for(state="detached")
    page.evaluate("document.activeElement.blur()")
    page.keyboard.press("?")
    page.get_by_test_id("help").wait_for()
    look("help")
    page.keyboard.press("Escape")
    page.get_by_test_id("help").wait_for(state="detached")
    page.keyboard.press("Control+k")
    page.wait_for_function("() => document.activeElement.matches('[data-search]')")
    page.keyboard.type("river")
    page.locator("mark").first.wait_for()
    look("search")
    page.goto(f"{server.url}/c/chat_2020-01-01-00-00-00-000.txt")
    page.get_by_text("This conversation is not here").wait_for()
    look("missing")


def test_axe_finds_nothing_where_something_is_wrong(new_server, script, new_page, screenshots):
    story = script(tale()).at(12, "error")
    server = new_server(story).start()
    page = new_page(expects_errors=True, **CALM)
    open_page(page, server)
    ask(page, "Fail")
    wait_ends(page)
    page.locator(".end-line[data-level=error]").wait_for()
    check_axe(page, "error")
    page.screenshot(path=screenshots / "desktop-light-error.png")
    server.kill()
    page.get_by_test_id("connection-banner").wait_for()
    check_axe(page, "offline")
    page.screenshot(path=screenshots / "desktop-light-offline.png")


def test_keyboard_alone(held, new_page):
    """From the first paint to an answer that is stopped, copied and left, without a pointer."""
    server, story = held
    page = new_page(**CALM, permissions=["clipboard-read", "clipboard-write"])
    open_page(page, server)
    assert focused(page) == "composer"
    page.keyboard.type("Only half")
    page.keyboard.press("Shift+Enter")
    page.keyboard.type("of it")
    page.keyboard.press("Enter")
    page.locator("[data-testid=answer-streaming]").wait_for()
    assert page.get_by_test_id("message-user").inner_text() == "Only half\nof it"
    page.locator("[data-testid=conversation-item][data-running=true]").wait_for()
    assert page.title().startswith("●")
    page.keyboard.press("Escape")
    wait_ends(page)
    page.keyboard.press("Control+b")
    page.locator("nav").wait_for(state="detached")
    page.keyboard.press("Control+k")
    page.wait_for_function("() => document.activeElement.matches('[data-search]')")
    page.keyboard.press("Control+Shift+O")
    page.get_by_text("What would you like to ask?").wait_for()
    page.get_by_test_id("search").wait_for(state="detached")
    page.evaluate("document.activeElement.blur()")
    page.keyboard.press("?")
    page.get_by_test_id("help").wait_for()
    assert page.evaluate("document.querySelector('[data-testid=help]').contains(document.activeElement)")
    page.keyboard.press("Escape")
    page.get_by_test_id("help").wait_for(state="detached")
    page.keyboard.press("/")
    assert focused(page) == "composer"
    page.keyboard.type("?/")
    assert page.get_by_test_id("composer").input_value() == "?/", "single keys are text where text is written"


def test_the_focus_goes_through_the_page_in_its_order_and_comes_back(held, new_page):
    server, _ = held
    page = new_page(**CALM)
    open_page(page, server)
    page.evaluate("document.activeElement.blur()")
    seen = []
    for _ in range(20):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement !== document.body"):
            seen.append(focused(page))
        if seen[-1:] == ["composer"]:
            break
    assert seen[:2] == ["attach", "Skip to the message box"], "behind the box, and then from the beginning"
    wanted = ["Hide the sidebar", "new-conversation", "search-open", "model-status", "theme-toggle", "settings-open", "composer"]
    assert [name for name in seen if name in wanted] == wanted
    page.get_by_test_id("settings-open").focus()
    page.keyboard.press("Enter")
    page.get_by_test_id("settings-save").wait_for()
    for _ in range(40):
        page.keyboard.press("Tab")
        # Its guards, which send the focus round, have it for a moment.
        page.wait_for_function("() => document.querySelector('[data-testid=settings]').contains(document.activeElement)", timeout=10_000)
    page.keyboard.press("Escape")
    page.wait_for_function("() => document.activeElement.dataset.testid === 'settings-open'")


def test_the_live_region_speaks_by_sentence(serve, script, new_page):
    sentences = ["The river runs. ", "It meets the sea. ", "There it ends."]
    story = script([word for sentence in sentences for word in pieces(sentence)]).gate(9)
    server = serve(story)
    page = new_page()
    open_page(page, server)
    page.evaluate("""() => { window.spoken = [];
        new MutationObserver(() => window.spoken.push(document.querySelector('[aria-live=polite]').textContent))
            .observe(document.querySelector('[aria-live=polite]'), {childList: true, characterData: true, subtree: true}); }""")
    ask(page, "Go")
    page.locator("[data-testid=answer-streaming]").wait_for()
    page.wait_for_function("() => window.spoken.length > 0")
    story.open_all()
    wait_ends(page)
    page.wait_for_function("() => window.spoken.at(-1).includes('ends.')")
    spoken = [text for text in page.evaluate("window.spoken") if text]
    assert " ".join(spoken) == "".join(sentences)
    assert all(text.endswith(".") for text in spoken), spoken


def test_every_block_reads_in_its_own_direction(held, new_page, screenshots):
    server, _ = held
    page = new_page(**CALM)
    open_page(page, server)
    ask(page, "مرحبا، ما هذا؟")
    wait_ends(page)
    directions = page.evaluate("""() => Object.fromEntries([...document.querySelectorAll('.prose > *, .bubble')]
        .map(block => [block.textContent.trim().slice(0, 5), getComputedStyle(block).direction]))""")
    assert directions["مرحبا"] == "rtl"
    assert directions["And t"] == "ltr" and directions["A tit"] == "ltr"
    page.screenshot(path=screenshots / "desktop-light-rtl.png")


def test_a_phone_shows_all_of_it(held, new_page):
    server, _ = held
    page = new_page(**CALM, **PHONE)
    open_page(page, server)
    page.get_by_test_id("composer").tap()
    page.get_by_test_id("composer").fill("Tell me\nall")
    page.get_by_test_id("composer").press("Enter")
    assert page.get_by_test_id("message-user").count() == 0, "on a touch screen Enter breaks the line"
    page.get_by_test_id("send").tap()
    wait_ends(page)
    assert page.evaluate("document.documentElement.scrollWidth") == 390, "the page is wider than the screen"
    small = page.evaluate("""() => [...document.querySelectorAll('header button, form button')].map(one => [one.ariaLabel, one.getBoundingClientRect()])
        .filter(([, box]) => box.width < 36 || box.height < 36).map(([name]) => name)""")
    assert not small, f"too small for a finger: {small}"
    page.get_by_test_id("sidebar-open").tap()
    page.get_by_test_id("conversation-item").first.wait_for()
    page.get_by_test_id("new-conversation").tap()
    page.get_by_test_id("conversation-item").first.wait_for(state="detached")
    page.get_by_text("What would you like to ask?").wait_for()


def test_without_the_server_everything_that_was_open_can_be_read(new_server, script, new_page):
    server = new_server(script(tale(60))).start()
    page = new_page(expects_errors=True)
    open_page(page, server)
    ask(page, "One")
    wait_ends(page)
    first = conversation_of(page)
    text = source(page)
    page.get_by_test_id("new-conversation").click()
    ask(page, "Two")
    page.wait_for_url(lambda url: "/c/" in url and first not in url)
    wait_ends(page)
    server.kill()
    page.get_by_test_id("connection-banner").wait_for()
    page.locator(f"[data-id='{first}'] a").click()
    page.get_by_text("One", exact=True).first.wait_for()
    assert source(page) == text
    page.get_by_test_id("composer").fill("Three")
    page.get_by_test_id("send").click()
    assert page.get_by_test_id("message-user").last.inner_text() == "Three"
    server.start()
    page.get_by_test_id("connection-banner").wait_for(state="detached")
    wait_ends(page, 2)


def test_what_is_selected_stays_selected_while_the_answer_grows(serve, script, new_page):
    story = script(tale(200)).gate(60)
    server = serve(story)
    page = new_page()
    open_page(page, server)
    ask(page, "Go")
    wait_text(page, len("".join(story.tokens[:58])))
    page.evaluate("""() => { const first = document.querySelector('.prose p'); window.first = first;
        document.getSelection().selectAllChildren(first); }""")
    chosen = page.evaluate("document.getSelection().toString()")
    place = page.evaluate("document.querySelector('.scroller').scrollTop")
    story.open_all()
    wait_ends(page)
    assert page.evaluate("document.getSelection().toString()") == chosen
    assert page.evaluate("window.first.isConnected"), "a settled block was built anew"
    assert page.evaluate("document.querySelector('.scroller').scrollTop") == place, "the page moved under a selection"
    page.get_by_test_id("jump-latest").click()
    page.wait_for_function("""() => { const view = document.querySelector('.scroller');
        return view.scrollHeight - view.clientHeight - view.scrollTop < 2; }""")
    page.get_by_test_id("jump-latest").wait_for(state="detached")


def test_it_can_be_installed(serve, script, new_page):
    server = serve(script())
    page = new_page()
    open_page(page, server)
    address = page.locator("link[rel=manifest]").get_attribute("href")
    answer = server.get(address)
    assert answer.headers["content-type"].startswith("application/manifest+json")
    manifest = answer.json()
    assert manifest["display"] == "standalone" and manifest["start_url"] == "/"
    for icon in manifest["icons"]:
        found = server.get(icon["src"])
        assert found.status_code == 200 and found.headers["content-type"] == icon["type"], icon
        if icon["type"] == "image/png":
            size = int.from_bytes(found.content[16:20], "big")
            assert icon["sizes"] == f"{size}x{size}"
    problems = page.context.new_cdp_session(page).send("Page.getAppManifest")
    assert not problems["errors"], problems
    assert PurePosixPath(page.locator("link[rel='apple-touch-icon']").get_attribute("href")).suffix == ".png"
