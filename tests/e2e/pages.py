"""What the tests of the page have in common: asking, waiting, and looking at the source text that the page holds."""

# In every animation frame, until it is asked: the answers on the page, the length of the text of the last one, and how far it is scrolled.
OBSERVE = """() => {
    window.seen = {answers: 0, shrank: null, same: true, texts: 0, jumps: 0, states: []};
    let length = 0, element = null, top = null;
    const note = () => {
        const answers = document.querySelectorAll('[data-testid=message-assistant]');
        const last = answers[answers.length - 1];
        const state = document.querySelector('[data-testid=phase]')?.dataset.seam;
        if (state && !window.seen.states.includes(state)) window.seen.states.push(state);
        if (last) {
            const text = last.querySelector('.prose').textContent;
            window.seen.answers = Math.max(window.seen.answers, answers.length);
            if (element && element !== last) window.seen.same = false;
            if (text.length < length - 4 && !window.seen.shrank) window.seen.shrank = [length, text];
            if (text.length !== length) window.seen.texts += 1;
            const view = document.querySelector('.scroller');
            if (top !== null && view.scrollTop !== top) window.seen.jumps += 1;
            top = view.scrollTop;
            element = last;
            length = text.length;
        }
        requestAnimationFrame(note);
    };
    note();
}"""

SOURCE = """() => {
    const answers = document.querySelectorAll('[data-testid=message-assistant]');
    const id = answers[answers.length - 1]?.dataset.message;
    return id ? window.__runnel.message(id) : null;
}"""


def tale(n=240):
    """Tokens of which each is another one, in paragraphs of Markdown."""
    return [f"{'' if i % 20 else chr(10) * 2 if i else ''}word{i} {'**bold** ' if i % 7 == 0 else ''}" for i in range(n)]


def open_page(page, server, path="/"):
    """`?trace=1`: the page tells its source texts."""
    page.goto(f"{server.url}{path}?trace=1")
    page.get_by_test_id("composer").wait_for()
    return page


def ask(page, text):
    page.get_by_test_id("composer").fill(text)
    page.get_by_test_id("send").click()


def source(page):
    """The text of the last answer as the page holds it."""
    return page.evaluate(SOURCE)


def wait_text(page, at_least, timeout=60_000):
    """Waits until the last answer holds so many characters."""
    page.wait_for_function(f"n => (({SOURCE})() ?? '').length >= n", arg=at_least, timeout=timeout)


def wait_ends(page, n=1, timeout=100_000):
    page.wait_for_function(
        "n => document.querySelectorAll('[data-testid=message-assistant][data-end-reason]').length >= n", arg=n, timeout=timeout)


def end_reason(page):
    return page.get_by_test_id("message-assistant").last.get_attribute("data-end-reason")


def conversation_of(page):
    page.wait_for_url("**/c/**")
    return page.url.rsplit("/", 1)[-1].split("?")[0]


def check_stored(page, server, text, n=1):
    """One message of each side per turn, and the page, the database and the script say the same, byte for byte."""
    stored = server.answer_of(conversation_of(page))
    assert stored["content"] == text
    assert source(page) == text
    assert page.get_by_test_id("message-user").count() == n
    assert page.get_by_test_id("message-assistant").count() == n
    return stored
