"""Chromium, and a page in it that collects what its streams bring."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

__all__ = ["TIMEOUT", "chromium", "opened", "wait"]

TIMEOUT = 15_000
"""Milliseconds for each condition."""

ARGUMENTS = [
    "--no-sandbox",  # which needs a user namespace that a container may not give
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]

# What every page of the tests has: open streams, and what has come of them.
PRELUDE = """
window.streams = [];
window.seen = [];
window.states = [];
const Native = EventSource;
window.EventSource = class extends Native {
    constructor(...given) { super(...given); window.streams.push(this); }
};
window.follow = (source, ...names) => {
    const take = (event) => window.seen.push(event.data);
    for (const name of names) source.addEventListener(name, take);
    for (const state of ["open", "error", "closed"])
        source.addEventListener(state, () => window.states.push(state));
    return source;
};
"""


@contextmanager
def chromium(**options: Any) -> Iterator[Browser]:
    """Run a headless Chromium."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=shutil.which("chromium"), args=ARGUMENTS, **options
        )
        yield browser
        browser.close()


@contextmanager
def opened(browser: Browser, address: str, **options: Any) -> Iterator[Page]:
    """Open a page, with nothing of another test's in its cache or cookies."""
    context = browser.new_context(**options)
    context.set_default_timeout(TIMEOUT)
    context.add_init_script(PRELUDE)
    page = context.new_page()
    page.goto(address)
    try:
        yield page
    finally:
        context.close()


def wait(page: Page, condition: str, argument: Any = None) -> Any:
    """Wait until a condition of the page holds, and return its value."""
    return page.wait_for_function(condition, arg=argument, polling=20).json_value()
