"""Debian's Chromium, and the page as the server and as Vite serve it."""

import os
import re
import shutil
import subprocess
import threading
from pathlib import Path

import pytest
from playwright.sync_api import sync_playwright

from harness.server import ROOT

# Nothing leaves this machine; root needs --no-sandbox.
ARGUMENTS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
             "--disable-component-update", "--disable-sync", "--no-proxy-server"]


@pytest.fixture(scope="session")
def chromium():
    program = shutil.which("chromium") or shutil.which("chromium-browser")
    assert program, "no chromium: apt-get install chromium"
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=ARGUMENTS)
        yield browser
        browser.close()


class Problems(list):
    """What the console and the page complained of."""

    def watch(self, page):
        page.on("console", lambda message: message.type in ("error", "warning") and self.append(message.text))
        page.on("pageerror", lambda error: self.append(str(error)))
        return page


@pytest.fixture
def new_page(chromium):
    """Makes pages of separate browser profiles; at the end nobody may have complained. `expects_errors`: a test that cuts the
    connection makes the browser itself write to the console."""
    contexts, problems = [], Problems()

    def make(expects_errors=False, **options):
        context = chromium.new_context(**{"viewport": {"width": 1200, "height": 800}, **options})
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(60_000)
        return page if expects_errors else problems.watch(page)

    yield make
    for context in contexts:
        context.close()
    assert not problems, problems


@pytest.fixture
def vite():
    """`npm run dev` in ui/, before a given server: yields a function that starts it and says its address."""
    started = []

    def start(server):
        process = subprocess.Popen(
            ["npm", "run", "dev"], cwd=ROOT / "ui", env={**os.environ, "RUNNEL_PORT": str(server.port), "NO_COLOR": "1"},
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True, text=True)
        started.append(process)
        for line in process.stdout:
            found = re.search(r"http://localhost:(\d+)/", line)
            if found:
                threading.Thread(target=process.stdout.read, daemon=True).start()
                return f"http://localhost:{found.group(1)}"
        raise AssertionError("vite did not start")

    yield start
    for process in started:
        os.killpg(process.pid, 15)
        process.wait(20)


@pytest.fixture
def screenshots():
    folder = Path(os.environ.get("RUNNEL_SCREENSHOTS", ROOT / "build" / "screenshots"))
    folder.mkdir(parents=True, exist_ok=True)
    return folder
