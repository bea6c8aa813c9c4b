"""Diagrams in answers: code while they are written, drawn when they are whole, and without harm whatever they say."""

import pytest

from pages import ask, open_page, wait_ends
from test_page_access import CALM, PHONE, check_axe, pieces

pytestmark = [pytest.mark.browser, pytest.mark.timeout(180)]

FLOW = """```mermaid
flowchart LR
    A[Phone] --> B{Server}
    B -->|token| C[(Disk)]
    B --> D[Laptop]
```

And then:

```mermaid
sequenceDiagram
    participant P as Page
    participant S as Server
    P->>S: send
    S-->>P: ack
    Note over S: stored first
    S-->>P: tokens
```
"""

BROKEN = "```mermaid\nflowchart LR\n    A[Phone --> B\n```\n"

HOSTILE = """```mermaid
%%{init: {"securityLevel": "loose", "htmlLabels": true, "themeCSS": "* { background: url(http://127.0.0.1:9/x) }"}}%%
flowchart LR
    A["<img src=x onerror='window.harmed=1'><script>window.harmed=1</script>"] --> B
    click A "http://127.0.0.1:9/" _self
    click B call harm()
```

```mermaid
flowchart LR
    A@{ img: "http://127.0.0.1:9/picture.png", label: "x" }
```
"""


@pytest.fixture
def server(serve, script):
    return serve(script(tokens=[], echo=True, name="Some-Model-7B"))


def drawn(page):
    page.locator("[data-testid=diagram] svg").first.wait_for()


@pytest.mark.parametrize("scheme, size", [("light", "desktop"), ("dark", "phone"), ("dark", "desktop")])
def test_diagrams_are_drawn_when_they_are_whole(serve, script, new_page, screenshots, scheme, size):
    story = script(pieces(FLOW)).gate(6)
    server = serve(story)
    page = new_page(color_scheme=scheme, **CALM, **(PHONE if size == "phone" else {}))
    asked = []
    page.on("request", lambda request: asked.append(request.url))
    open_page(page, server)
    ask(page, "Draw it")
    page.locator("[data-testid=answer-streaming] .code-block").wait_for()
    assert not [url for url in asked if "diagrams-" in url] and page.get_by_test_id("diagram").count() == 0
    story.open_all()
    wait_ends(page)
    page.wait_for_function("() => document.querySelectorAll('[data-testid=diagram]').length === 2")
    drawn(page)
    page.locator(".scroller").evaluate("view => { view.scrollTop = 0; }")
    assert page.get_by_test_id("diagram").first.get_by_text("Laptop").is_visible()
    check_axe(page, f"diagrams, {scheme}, {size}")
    page.screenshot(path=screenshots / f"{size}-{scheme}-diagram.png")
    page.get_by_label("Source of the diagram").first.click()
    assert page.locator(".code-block pre").first.is_visible() and page.get_by_test_id("diagram").count() == 1
    assert all(url.startswith(server.url) for url in asked)


def test_what_cannot_be_drawn_stays_code(server, new_page, screenshots):
    page = new_page(**CALM)
    open_page(page, server)
    ask(page, BROKEN)
    page.get_by_text("This diagram cannot be drawn: it is not understood near line 2.").wait_for()
    assert page.locator(".code-block pre").is_visible()
    check_axe(page, "a diagram that cannot be drawn")
    page.screenshot(path=screenshots / "desktop-light-diagram-broken.png")


def test_a_diagram_does_no_harm(server, new_page):
    page = new_page(**CALM)
    outside = []
    page.on("request", lambda request: request.url.startswith(server.url) or outside.append(request.url))
    open_page(page, server)
    ask(page, HOSTILE)
    wait_ends(page)
    drawn(page)
    page.get_by_text("This diagram cannot be drawn").wait_for()
    assert page.evaluate("""() => { const root = document.querySelector('[data-testid=diagram] > div').shadowRoot;
        return root.querySelectorAll('a, img, image, script, [onerror]').length; }""") == 0
    assert page.evaluate("window.harmed") is None and outside == []
