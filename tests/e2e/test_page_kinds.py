"""[N18] Thoughts and calls on the page: a closed part above the answer, a block below it, live and after a reload."""

import pytest

from pages import ask, open_page, wait_ends

pytestmark = [pytest.mark.browser, pytest.mark.timeout(300)]

TOKENS = [
    {"reasoning": "The person wants the weather."},
    {"reasoning": " I have a tool for it."},
    "Let me",
    " look that up.",
    {"tool": {"index": 0, "id": "call_1", "name": "get_weather"}},
    {"tool": {"index": 0, "arguments": '{"city": "Bern", '}},
    {"tool": {"index": 0, "arguments": '"days": 3}'}},
]


def check(page):
    thoughts = page.get_by_test_id("thoughts")
    assert thoughts.get_attribute("open") is None
    assert not page.get_by_text("I have a tool for it.").is_visible()
    assert page.get_by_test_id("answer").inner_text() == "Let me look that up."
    assert page.get_by_test_id("tool-calls").inner_text().split("\n") == ["get_weather", '{"city": "Bern", "days": 3}']


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_n18_thoughts_and_calls_live_and_after_a_reload(serve, script, new_page, screenshots, scheme):
    tale = script(tokens=TOKENS).gate(3).gate(7)
    server = serve(tale)
    page = open_page(new_page(color_scheme=scheme), server)
    ask(page, "What is the weather in Bern?")
    page.get_by_text("Thinking…").wait_for()
    tale.open(3)
    page.get_by_text("get_weather").wait_for()
    tale.open_all()
    wait_ends(page, 1)
    check(page)
    page.reload()
    wait_ends(page, 1)
    check(page)
    page.get_by_text("Thoughts").focus()
    page.keyboard.press("Enter")
    page.get_by_text("I have a tool for it.").wait_for()
    page.screenshot(path=screenshots / f"kinds-{scheme}.png")
