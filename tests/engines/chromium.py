"""Chromium (Blink), by Playwright."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from tests.web.browser import chromium as run

from .engine import Engine, Tab

if TYPE_CHECKING:
    from playwright.sync_api import BrowserContext, Page

__all__ = ["chromium"]


class _Chromium:
    keeps_pages = True
    codings = frozenset({"gzip", "br", "zstd"})

    def __init__(self, context: BrowserContext) -> None:
        self._context = context

    def open(self) -> Tab:
        return _Tab(self._context.new_page())


class _Tab:
    def __init__(self, page: Page) -> None:
        self._page = page

    def goto(self, address: str) -> None:
        self._page.goto(address)

    def call(self, function: str, given: str) -> str:
        return str(self._page.evaluate(function, given))

    def back(self) -> None:
        self._page.go_back(wait_until="commit")  # a page from the cache is not loaded

    def close(self) -> None:
        self._page.close()


@contextmanager
def chromium() -> Iterator[Engine]:
    """Run Chromium, with the back/forward cache that its users have."""
    with run(ignore_default_args=["--disable-back-forward-cache"]) as browser:
        context = browser.new_context(ignore_https_errors=True)
        yield _Chromium(context)
        context.close()
