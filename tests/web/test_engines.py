"""What EventSource does in Chromium, Firefox and WebKit, against a real server."""

from __future__ import annotations

from itertools import pairwise

import pytest

from sse_asgi import DONE_ID
from tests.servers.process import ServerProcess

from .conftest import Serve
from .cutting import CuttingProxy
from .engines import KILLABLE, Page, Pages
from .test_browser import ask, is_consecutive, requests

pytestmark = [
    pytest.mark.parts,
    pytest.mark.needs("uvicorn"),
    pytest.mark.timeout(120),  # the first test of an engine waits for its start
]


@pytest.fixture
def page(pages: Pages, server: ServerProcess) -> Page:
    """Open an empty page of the app's."""
    return pages.open(f"http://127.0.0.1:{server.port}/")


def key_of(page: Page, name: str) -> str:
    """Return a key that no other engine has used with the server."""
    return f"{name}-{page.engine.name}"


# -- One stream ------------------------------------------------------------------------------------


def test_events_arrive_one_by_one(page: Page, server: ServerProcess) -> None:
    key = key_of(page, "live")
    page.evaluate("(key) => void follow(new EventSource(`/late?key=${key}`), 'message')", key)
    page.wait("() => states[0] === 'open'")
    assert page.evaluate("seen") == []
    for number in range(3):
        ask(server, f"/control/tell?key={key}&text={number}")
        page.wait("(count) => seen.length === count", number + 1)
    assert page.evaluate("seen") == ["0", "1", "2"]


def test_stream_that_ends_is_resumed_after_the_time_it_was_told(
    page: Page, server: ServerProcess
) -> None:
    key = key_of(page, "cut")
    page.evaluate("(key) => void follow(new EventSource(`/clock?key=${key}&most=5`), 'tick')", key)
    numbers = page.wait("() => seen.length >= 15 && seen")
    assert is_consecutive(numbers)
    made = requests(server, key)
    ids = [request["headers"].get("last-event-id") for request in made[:3]]
    assert ids == [None, numbers[4], numbers[9]]
    # It was told 200 ms, of which Firefox makes 500; their own would be 3 to 5 s.
    times = [after["at"] - before["at"] for before, after in pairwise(made)]
    assert min(times) >= (0.5 if page.engine.name == "firefox" else 0.2)
    assert min(times) < 2.5


def test_stream_is_resumed_after_the_server_was_killed(pages: Pages, serve: Serve) -> None:
    server = serve()
    page = pages.open(f"http://127.0.0.1:{server.port}/")
    page.evaluate("() => void follow(new EventSource('/clock'), 'tick')")
    page.wait("() => seen.length >= 5")
    server.kill()
    before = page.wait("() => states.includes('error') && seen.length")
    serve(server.port)
    assert is_consecutive(page.wait("(before) => seen.length > before + 20 && seen", before))


@pytest.mark.parametrize("path", ["/finite", "/refused"])
def test_204_ends_the_stream_for_good(page: Page, server: ServerProcess, path: str) -> None:
    key = key_of(page, path[1:])
    page.evaluate("(url) => void follow(new EventSource(url), 'message')", f"{path}?key={key}")
    page.wait("() => streams[0].readyState === 2")
    made = [request["headers"].get("last-event-id") for request in requests(server, key)]
    assert made == ([None, DONE_ID] if path == "/finite" else [None])


@pytest.mark.parametrize(
    "at", [rb"id: \d*5\n", rb"id: \d*5\n[^\n]*\n[^\n]*\n\n"], ids=["in", "after"]
)
def test_event_that_a_cut_interrupts_is_not_lost(
    pages: Pages, server: ServerProcess, at: bytes
) -> None:
    with CuttingProxy(server.port, at) as proxy:
        page = pages.open(f"{proxy.url}/")
        page.evaluate("() => void follow(new EventSource('/clock'), 'tick')")
        before = page.wait("() => states.includes('error') && seen.length")
        assert is_consecutive(page.wait("(before) => seen.length > before + 10 && seen", before))
        assert proxy.cuts == 1
        page.close()


def test_busy_server_is_asked_again(page: Page, server: ServerProcess) -> None:
    key = key_of(page, "busy")
    page.evaluate("(key) => void follow(new EventSource(`/busy?key=${key}`), 'message')", key)
    page.wait("() => seen[0] === 'room'")
    assert len(requests(server, key)) == 3


# -- Several tabs ----------------------------------------------------------------------------------


def check_others(pages: Pages, server: ServerProcess, end: str) -> None:
    """Let one of three tabs end, and see that the others go on."""
    address = f"http://127.0.0.1:{server.port}/"
    first, *others = opened = [pages.open(address) for _ in range(3)]
    for page in opened:
        page.evaluate("() => void follow(new EventSource('/clock'), 'tick')")
        page.wait("() => seen.length >= 3")
    getattr(first, end)()
    for page in others:
        count = page.evaluate("seen.length")
        assert is_consecutive(page.wait("(count) => seen.length > count + 10 && seen", count))
        assert page.evaluate("states") == ["open"]


def test_other_tabs_go_on_when_one_is_closed(pages: Pages, server: ServerProcess) -> None:
    check_others(pages, server, "close")


@pytest.mark.parametrize("engine", KILLABLE, indirect=True)
def test_other_tabs_go_on_when_one_is_killed(pages: Pages, server: ServerProcess) -> None:
    check_others(pages, server, "kill")
