"""Signing in and out on the page. [W46]"""

import re

import pytest

from harness.keys import add_key, revoke_key

pytestmark = [pytest.mark.browser, pytest.mark.timeout(180)]


def body(page):
    return page.locator("body").inner_text()


def sign_in(page, key):
    page.get_by_test_id("key").fill(key)
    page.get_by_test_id("sign-in-submit").click()


def test_a_key_opens_the_page_until_it_is_revoked(new_server, script, new_page, screenshots):
    server = new_server(script())
    key = add_key(server, "phone", "--scope", "admin")
    server.start()
    page = new_page(expects_errors=True)  # a 401 is one line of the console
    page.goto(server.url)
    page.get_by_test_id("sign-in").wait_for()
    page.screenshot(path=screenshots / "sign-in.png")
    sign_in(page, "wrong")
    page.get_by_test_id("sign-in-failure").wait_for()
    assert "not known here" in body(page)
    page.screenshot(path=screenshots / "sign-in-failure.png")
    sign_in(page, key)
    page.get_by_test_id("composer").fill("Hello")
    page.get_by_test_id("send").click()
    page.locator("[data-end-reason=stop]").wait_for()
    # Nothing that a script can read has it, and it comes back by itself.
    assert page.evaluate("document.cookie") == ""
    assert key not in page.evaluate("JSON.stringify([{...localStorage}, {...sessionStorage}])")
    page.reload()
    page.get_by_test_id("composer").wait_for()
    page.get_by_test_id("settings-open").click()
    page.get_by_test_id("signed-in").wait_for()
    page.screenshot(path=screenshots / "signed-in.png")
    page.get_by_test_id("sign-out").click()
    page.get_by_test_id("sign-in").wait_for()
    assert "Hello" not in body(page)
    sign_in(page, key)
    page.get_by_test_id("composer").wait_for()
    revoke_key(server, "phone")
    page.get_by_test_id("sign-in").wait_for()
    assert "Hello" not in body(page)


def test_the_address_of_the_log_signs_in_once(serve, script, new_page):
    server = serve(script(), flags=["--token", "a token of a person"])
    address = re.search(r"sign_in_once url=(\S+)", server.stderr()).group(1)
    page = new_page(expects_errors=True)
    page.goto(address)
    page.get_by_test_id("composer").wait_for()
    assert page.url == server.url + "/"
    other = new_page(expects_errors=True)
    other.goto(address)
    other.get_by_test_id("sign-in-failure").wait_for()
    assert other.url == server.url + "/"
    sign_in(other, "a token of a person")
    other.get_by_test_id("composer").wait_for()


def test_without_keys_there_is_nothing_to_sign_in_to(serve, script, new_page):
    page = new_page()
    page.goto(serve(script()).url)
    page.get_by_test_id("settings-open").click()
    page.get_by_test_id("settings-save").wait_for()
    assert page.get_by_test_id("signed-in").count() == 0 and page.get_by_test_id("sign-in").count() == 0
