"""A person registers, accepts, asks and is refused, in a real browser with the real script."""

import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import uvicorn
from playwright.sync_api import Page, expect, sync_playwright

from browsing import service_fixture
from hegui.web.app import Application

__all__ = ["service_fixture"]

CHROMIUM = Path("/usr/bin/chromium")
FLAGS = ["--no-sandbox", "--disable-gpu"]


@pytest.fixture(name="address")
def address_fixture(service) -> Iterator[str]:
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        server = uvicorn.Server(uvicorn.Config(Application(service), log_level="error"))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
        thread.start()
        while not server.started and thread.is_alive():
            time.sleep(0.01)
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"
        server.should_exit = True
        thread.join()


@pytest.fixture(name="page")
def page_fixture() -> Iterator[Page]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield browser.new_page(locale="en-GB")
        browser.close()


def enter(page: Page, address: str) -> None:
    page.goto(f"{address}/register")
    page.get_by_label("Your name here").fill("李某")
    page.get_by_role("button").click()
    page.get_by_role("button", name="accept").click()


def ask(page: Page, text: str) -> None:
    page.locator("#text").fill(text)
    page.locator("#text").press("Enter")


@pytest.mark.browser
@pytest.mark.skipif(not CHROMIUM.exists(), reason="there is no Chromium on this machine")
def test_register_accept_ask_and_be_refused(page: Page, address: str):
    faults = []
    page.on("pageerror", lambda error: faults.append(str(error)))
    enter(page, address)
    ask(page, "Hello")
    turns = page.locator("#log .turn")
    expect(turns.last).to_have_attribute("data-state", "finished", timeout=20_000)
    expect(turns.last.locator(".answer")).to_contain_text("AI-generated content")
    ask(page, "Tell me about zorblefax")
    expect(turns.last).to_have_attribute("data-state", "refused")
    expect(turns.last.locator(".rule")).to_contain_text("A.1.d")
    expect(turns).to_have_count(2)
    page.reload()
    expect(turns).to_have_count(2)
    turns.last.locator(".appeal").click()
    page.get_by_label("withheld without good reason").check()
    page.get_by_role("button", name="Send the report").click()
    expect(page.locator(".receipt")).to_have_text(page.url.rpartition("/")[2])
    page.get_by_role("button", name="Sign out").click()
    expect(page.get_by_role("link", name="Register or sign in")).to_be_visible()
    assert not faults


@pytest.mark.browser
@pytest.mark.skipif(not CHROMIUM.exists(), reason="there is no Chromium on this machine")
def test_stopping_an_answer_puts_it_on_record_as_interrupted(page: Page, address: str):
    enter(page, address)
    ask(page, "demo: slow")
    expect(page.locator("#stop")).to_be_visible()
    expect(page.locator("#log .turn .mark .id")).not_to_be_empty()
    page.locator("#stop").click()
    expect(page.locator("#log .turn")).to_have_attribute("data-state", "interrupted")
    time.sleep(0.5)  # what is recorded is recorded at once, not when the model would have ended
    page.reload()
    expect(page.locator("#log .turn")).to_have_attribute("data-state", "interrupted")
