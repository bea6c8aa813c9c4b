"""Search that goes to the place, files with a message, conversations as files. [W60] [W61] [W62] [W63] [W64] [N30]"""

import json

import pytest

from pages import ask, conversation_of, open_page, wait_ends
from test_page_access import CALM, PHONE, check_axe

pytestmark = [pytest.mark.browser, pytest.mark.timeout(180)]

PROGRAM = "def river(depth):\n    return depth * 2\n" * 20


def pdf(text):
    """One page with one line."""
    stream = f"BT /F1 18 Tf 72 720 Td ({text}) Tj ET"
    objects = [
        "<< /Type /Catalog /Pages 2 0 R >>",
        "<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
        "<< /Type /Page /Parent 2 0 R /MediaBox [0 0 612 792] /Contents 4 0 R /Resources << /Font << /F1 5 0 R >> >> >>",
        f"<< /Length {len(stream)} >>\nstream\n{stream}\nendstream",
        "<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>",
    ]
    out, places = "%PDF-1.4\n", []
    for number, body in enumerate(objects, 1):
        places.append(len(out))
        out += f"{number} 0 obj\n{body}\nendobj\n"
    start = len(out)
    rows = "".join(f"{place:010} 00000 n \n" for place in places)
    out += f"xref\n0 {len(objects) + 1}\n0000000000 65535 f \n{rows}trailer\n<< /Size {len(objects) + 1} /Root 1 0 R >>\nstartxref\n{start}\n%%EOF\n"
    return out.encode()


def choose(page, *files):
    page.get_by_test_id("attach-input").set_input_files([{"name": name, "mimeType": kind, "buffer": content} for name, kind, content in files])


def wait_ready(page, n):
    page.wait_for_function("n => document.querySelectorAll('[data-testid=draft-file][data-state=ready]').length === n", arg=n)


def in_view(page, text):
    return page.evaluate(
        """text => { const view = document.querySelector('.scroller').getBoundingClientRect();
            return [...document.querySelectorAll('.message')].some(one => { const box = one.getBoundingClientRect();
                return one.textContent.includes(text) && box.bottom > view.top && box.top < view.bottom; }); }""",
        text,
    )


@pytest.mark.parametrize("scheme, size", [("light", "desktop"), ("dark", "phone"), ("light", "phone"), ("dark", "desktop")])
def test_files_go_with_a_message(serve, script, new_page, screenshots, scheme, size):
    server = serve(script(tokens=[], echo=True, name="Some-Model-7B"))
    page = new_page(color_scheme=scheme, **CALM, **(PHONE if size == "phone" else {}))

    def look(state):
        check_axe(page, f"{state}, {scheme}, {size}")
        page.screenshot(path=screenshots / f"{size}-{scheme}-{state}.png")

    open_page(page, server)
    choose(page, ("river.py", "text/x-python", PROGRAM.encode()), ("Report.pdf", "application/pdf", pdf("The depth is nine")), ("cat.png", "image/png", b"\x89PNG"))
    wait_ready(page, 2)
    page.get_by_test_id("composer").fill("What do these say?")
    assert page.get_by_test_id("send").is_disabled()
    look("files")
    page.get_by_label("Remove cat.png").click()
    page.get_by_test_id("send").click()
    wait_ends(page)
    answer = server.answer_of(conversation_of(page))["content"]
    assert answer == f"river.py:\n```\n{PROGRAM}```\n\nReport.pdf:\n```\nThe depth is nine\n```\n\nWhat do these say?"
    assert page.get_by_test_id("message-file").count() == 2
    with page.expect_download() as download:
        page.get_by_test_id("message-file").first.click()
    assert download.value.suggested_filename == "river.py" and download.value.path().read_text() == PROGRAM
    page.reload()
    page.get_by_test_id("message-file").nth(1).wait_for()
    page.locator(".scroller").evaluate("view => { view.scrollTop = 0; }")
    look("files-sent")


def test_dropped_pasted_and_kept_over_a_reload(serve, script, new_page, screenshots):
    server = serve(script(["ok"]))
    page = new_page(**CALM)
    open_page(page, server)
    data = page.evaluate_handle("() => { const data = new DataTransfer(); data.items.add(new File(['abc'], 'dropped.md')); return data; }")
    page.dispatch_event(".conversation", "dragenter", {"dataTransfer": data})
    page.get_by_test_id("drop-veil").wait_for()
    page.screenshot(path=screenshots / "desktop-light-drop.png")
    page.dispatch_event(".conversation", "drop", {"dataTransfer": data})
    page.get_by_test_id("drop-veil").wait_for(state="detached")
    page.evaluate("""() => { const data = new DataTransfer(); data.setData('text/plain', 'long text '.repeat(1000));
        document.querySelector('[data-testid=composer]').dispatchEvent(new ClipboardEvent('paste', {clipboardData: data, bubbles: true, cancelable: true})); }""")
    wait_ready(page, 2)
    assert page.get_by_test_id("composer").input_value() == ""
    page.reload()
    wait_ready(page, 2)
    assert page.locator(".chip-name").all_inner_texts() == ["dropped.md", "Pasted text.txt"]
    page.get_by_test_id("send").click()
    wait_ends(page)
    assert [file["name"] for file in server.conversation(conversation_of(page))["messages"][0]["attachments"]] == ["dropped.md", "Pasted text.txt"]


@pytest.mark.parametrize("scheme, size", [("light", "desktop"), ("dark", "phone")])
def test_a_hit_leads_to_its_place(serve, script, new_page, screenshots, scheme, size):
    """Far from what is in the page, in another conversation, and by its address."""
    server = serve(script(["An", " answer", "\n\nwith", " more", "."] * 6))
    messages = []
    for number in range(120):
        said = f"needle number {number}" if number == 21 else f"Message number {number}.\n" + "Some words of it.\n" * 5
        parent = messages[-1]["id"] if messages else None
        messages.append({"id": f"{number:032x}", "parent": parent, "role": "assistant" if number % 2 else "user", "content": said})
    whole = {"format": "runnel-conversation", "version": 1, "title": "A long one", "messages": messages}
    assert server.http("POST", "/api/import", content=json.dumps(whole), headers={"Content-Type": "application/json"}).json()["imported"] == 1
    page = new_page(color_scheme=scheme, **CALM, **(PHONE if size == "phone" else {}))
    open_page(page, server)
    ask(page, "Another needle?")
    wait_ends(page)
    page.keyboard.press("Control+k")
    page.get_by_test_id("search").wait_for()
    page.keyboard.type("needle num")
    page.locator("[data-testid=search-hit] mark").first.wait_for()
    check_axe(page, f"search, {scheme}, {size}")
    page.screenshot(path=screenshots / f"{size}-{scheme}-search-dialog.png")
    page.keyboard.press("Enter")
    page.locator(".message-found").wait_for()
    assert in_view(page, "needle number 21") and page.url.endswith(f"#{21:032x}")
    page.screenshot(path=screenshots / f"{size}-{scheme}-jump.png")
    page.reload()
    page.locator(".message-found").wait_for()
    assert in_view(page, "needle number 21")
    page.get_by_test_id("jump-latest").click()
    page.wait_for_function("() => document.querySelector('.scroller').textContent.includes('Message number 119')")


@pytest.mark.parametrize("scheme, size", [("light", "desktop"), ("dark", "phone")])
def test_conversations_go_out_and_come_in(serve, script, new_page, screenshots, scheme, size):
    server = serve(script(["ok"]))
    page = new_page(color_scheme=scheme, **CALM, **(PHONE if size == "phone" else {}))
    open_page(page, server)
    ask(page, "Keep me")
    wait_ends(page)
    page.get_by_test_id("export-open").click()
    page.get_by_test_id("export-markdown").wait_for()
    check_axe(page, f"export, {scheme}, {size}")
    page.screenshot(path=screenshots / f"{size}-{scheme}-export.png")
    with page.expect_download() as download:
        page.get_by_test_id("export-markdown").click()
    assert download.value.suggested_filename == "Keep me.md"
    assert download.value.path().read_text() == "# Keep me\n\n## You\n\nKeep me\n\n## Assistant\n\nok\n\n"
    page.get_by_test_id("settings-open").click()
    with page.expect_download() as download:
        page.get_by_test_id("export-all").click()
    assert len(json.loads(download.value.path().read_text())) == 1
    chat = b"USER:\nFrom elsewhere\n\nASSISTANT:\nYes.\n\n"
    page.get_by_test_id("import-input").set_input_files([{"name": "old.txt", "mimeType": "text/plain", "buffer": chat}])
    page.get_by_text("1 conversation imported.").wait_for()
    page.get_by_test_id("import").scroll_into_view_if_needed()
    check_axe(page, f"import, {scheme}, {size}")
    page.screenshot(path=screenshots / f"{size}-{scheme}-import.png")
    page.keyboard.press("Escape")
    if size == "phone":
        page.get_by_test_id("sidebar-open").click()
    page.get_by_text("From elsewhere").click()
    page.get_by_text("Yes.").wait_for()
