"""One real deployment, one Chromium, and for each test a page that tolerates no complaint."""

import os
import subprocess
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect, sync_playwright

from tests.browser.stack import Stack, running_stack
from tests.browser.watching import Watcher
from tests.servers import SCRIPTS

EXPECT_TIMEOUT_MS = 15_000
WIDE, NARROW = {"width": 1280, "height": 900}, {"width": 380, "height": 800}

expect.set_options(timeout=EXPECT_TIMEOUT_MS)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    here = Path(__file__).parent
    for item in items:
        if here in item.path.parents:
            item.add_marker(pytest.mark.browser)


@pytest.fixture(scope="package")
def chromium() -> str:
    """The path of a Chromium that is here."""
    found = subprocess.run(
        [SCRIPTS / "chromium", "--find"], capture_output=True, text=True, check=False
    )
    if found.returncode == 0:
        return found.stdout.strip()
    if os.environ.get("STEPWELL_TEST_REQUIRE") == "all":
        pytest.fail(found.stderr, pytrace=False)
    pytest.skip(found.stderr)


@pytest.fixture(scope="package")
def stack(chromium: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    with running_stack(tmp_path_factory.mktemp("stack")) as stack:
        yield stack


@pytest.fixture(scope="package")
def browser(chromium: str, stack: Stack) -> Iterator[Browser]:
    """After the stack: Playwright keeps an event loop in this thread until the package is done."""
    sandboxed = os.geteuid() != 0  # Chromium has no sandbox for root
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=chromium,
            chromium_sandbox=sandboxed,
            args=["--disable-dev-shm-usage", "--disable-gpu"],
        )
        yield browser
        browser.close()


@dataclass
class Visitor:
    """Opens browser contexts that are watched; `watcher` hears what all of them complain of."""

    browser: Browser
    base_url: str
    watcher: Watcher
    closing: ExitStack = field(default_factory=ExitStack)

    def context(self, **options: Any) -> BrowserContext:
        made = {"viewport": WIDE, "base_url": self.base_url, "reduced_motion": "reduce"}
        context = self.browser.new_context(**(made | options))
        self.closing.callback(context.close)
        self.watcher.watch(context)
        return context

    def page(self, **options: Any) -> Page:
        return self.context(**options).new_page()


@pytest.fixture
def visitor_of(browser: Browser) -> Iterator[Callable[[str], Visitor]]:
    """Makes visitors of an address; what they complain of fails the test at its end."""
    with ExitStack() as opened:

        def make(url: str) -> Visitor:
            visitor = Visitor(browser, url, Watcher(url))
            opened.push(lambda *_: check(visitor))
            opened.push(visitor.closing)
            return visitor

        yield make


def check(visitor: Visitor) -> None:
    assert visitor.watcher.unexpected() == []


@pytest.fixture
def visitor(visitor_of: Callable[[str], Visitor], stack: Stack) -> Visitor:
    return visitor_of(stack.url)


@pytest.fixture
def watcher(visitor: Visitor) -> Watcher:
    return visitor.watcher


@pytest.fixture
def page(visitor: Visitor) -> Page:
    """A fresh page on the dashboard."""
    return visitor.page()
