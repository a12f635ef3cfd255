"""Chromium, steered by Playwright over its own protocol."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from shutil import which
from typing import TYPE_CHECKING

from tests.web.browser import ARGUMENTS, TIMEOUT

if TYPE_CHECKING:
    from playwright.sync_api import BrowserContext, Page

__all__ = ["chromium"]


class _Tab:
    def __init__(self, page: Page) -> None:
        self._page = page

    def call(self, function: str, argument: str) -> str:
        text: str = self._page.evaluate(function, argument)
        return text

    def go(self, address: str) -> None:
        self._page.goto(address)

    def back(self) -> None:
        # Playwright's own way waits for a load, and the back/forward cache loads nothing.
        before = self._address()
        self._page.evaluate("() => void setTimeout(() => history.back())")
        deadline = time.monotonic() + TIMEOUT / 1000
        while self._address() in (before, ""):
            if time.monotonic() > deadline:
                raise TimeoutError(f"the page is still {before}")
            self._page.wait_for_timeout(20)

    def _address(self) -> str:
        """Return the address of the page, or nothing while there is none."""
        from playwright.sync_api import Error

        try:
            address: str = self._page.evaluate("location.href")
        except Error:
            return ""
        return address

    def close(self) -> None:
        self._page.close()


class _Chromium:
    name = "chromium"
    pid = os.getpid()  # Playwright does not tell that of the browser, which descends from the tests

    def __init__(self, context: BrowserContext) -> None:
        self._context = context

    def open(self) -> _Tab:
        return _Tab(self._context.new_page())


@contextmanager
def chromium(directory: Path) -> Iterator[_Chromium]:
    """Run a headless Chromium."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=which("chromium"),
            args=ARGUMENTS,
            ignore_default_args=["--disable-back-forward-cache"],
        )
        context = browser.new_context(ignore_https_errors=True)
        context.set_default_timeout(TIMEOUT)
        yield _Chromium(context)
        browser.close()
