"""A hub's stream in a real browser: nothing lost, nothing twice, and a gap never kept secret."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest

from tests.servers.process import ServerProcess

from .browser import opened, wait
from .conftest import Serve
from .test_browser import ask

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

pytestmark = [
    pytest.mark.parts,
    pytest.mark.needs("chromium", "playwright", "uvicorn"),
    pytest.mark.xdist_group("browser"),
]

# A browser's own, and the client script.
SOURCES = {
    "EventSource": "new EventSource('/hub')",
    "SteadyEventSource": "new (await import('/sse.js')).SteadyEventSource('/hub')",
}


@pytest.fixture(params=SOURCES)
def source(request: pytest.FixtureRequest) -> str:
    """Return what makes the client."""
    return SOURCES[request.param]


@contextmanager
def following(browser: Browser, server: ServerProcess, source: str) -> Iterator[Page]:
    """Open a page that follows the hub."""
    with opened(browser, f"http://127.0.0.1:{server.port}/") as page:
        page.evaluate(f"async () => void follow({source}, 'position', 'gap', 'message')")
        wait(page, "() => seen.length === 1")
        yield page


@pytest.fixture
def page(browser: Browser, server: ServerProcess, source: str) -> Iterator[Page]:
    """Open a page that follows the hub of the server of all tests."""
    with following(browser, server, source) as page:
        yield page


def publish(server: ServerProcess, *texts: str) -> None:
    for text in texts:
        ask(server, f"/control/publish?text={text}")


def seen(page: Page, count: int) -> tuple[list[str], list[Any]]:
    """Wait for the page to have seen so much; return its messages, and what the hub told."""
    found = wait(page, f"() => seen.length >= {count} && seen")
    told = [json.loads(data) for data in found if data.startswith("{")]
    return [data for data in found if not data.startswith("{")], told


def test_what_was_missed_is_replayed_once(page: Page, server: ServerProcess) -> None:
    publish(server, "a", "b")
    wait(page, "() => seen.length === 3")
    # The client comes back 100 ms later; what is published meanwhile is not lost.
    ask(server, "/control/drain")
    publish(server, "c", "d")
    messages, told = seen(page, 6)
    assert messages == ["a", "b", "c", "d"]
    assert [item["resumed"] for item in told] == [False, True]


def test_client_that_has_seen_no_event_yet_misses_none_either(
    page: Page, server: ServerProcess
) -> None:
    # The hub's first event says where the client stands.
    ask(server, "/control/drain")
    publish(server, "a")
    messages, told = seen(page, 3)
    assert messages == ["a"]
    assert [item["resumed"] for item in told] == [False, True]


def test_page_is_told_that_the_log_was_lost_with_the_server(
    browser: Browser, serve: Serve, source: str
) -> None:
    server = serve()
    with following(browser, server, source) as page:
        publish(server, "a")
        wait(page, "() => seen.length === 2")
        server.kill()
        wait(page, "() => states.includes('error')")
        serve(server.port)
        found = wait(page, "() => seen.find((data) => data.includes('reason'))")
    assert json.loads(found) == {"reason": "reset", "lost": None}
