"""The client script in Chromium, Firefox and WebKit: it comes back, and knows when to stop."""

from __future__ import annotations

import json

import pytest

from tests.servers.process import ServerProcess

from .conftest import Serve
from .engines import Page, Pages
from .test_browser import ask, is_consecutive, requests
from .test_client import FOLLOW
from .test_client_api import KINDS, MAKE

pytestmark = [
    pytest.mark.parts,
    pytest.mark.needs("uvicorn"),
    pytest.mark.timeout(120),  # the first test of an engine waits for its start
]


@pytest.fixture
def page(pages: Pages, server: ServerProcess) -> Page:
    """Open an empty page of the app's."""
    return pages.open(f"http://127.0.0.1:{server.port}/")


def follow(page: Page, url: str, *names: str, **options: float) -> str:
    """Follow a URL with the script, and return the key that is added to it."""
    key = f"{url.strip('/')}-{page.engine.name}"
    page.evaluate(FOLLOW, [f"{url}?key={key}", {"shortest": 100, **options}, names])
    return key


def test_killed_server_is_resumed_without_a_hole(pages: Pages, serve: Serve) -> None:
    server = serve()
    page = pages.open(f"http://127.0.0.1:{server.port}/")
    follow(page, "/clock", "tick", longest=200)
    page.wait("() => seen.length >= 5")
    server.kill()
    before = page.wait("() => states.includes('error') && seen.length")
    serve(server.port)
    assert is_consecutive(page.wait("(before) => seen.length > before + 20 && seen", before))


def test_refusals_are_followed_by_another_try(page: Page, server: ServerProcess) -> None:
    key = f"fickle-{page.engine.name}"
    ask(server, f"/control/answer?key={key}&status=503")
    assert follow(page, "/fickle", "tick") == key
    page.wait("() => states.length >= 2")
    ask(server, f"/control/answer?key={key}&status=200")
    assert is_consecutive(page.wait("() => seen.length >= 5 && seen"))
    *errors, last = page.evaluate("states")
    assert (set(errors), last) == ({"error"}, "open")


@pytest.mark.parametrize(
    ("path", "states"),
    [
        ("/refused", ["error", "closed", 204]),
        ("/nothing-here", ["error", "closed", 404]),
        ("/finite", ["open", "closed", 0]),
    ],
)
def test_script_stops_where_there_is_no_more(
    page: Page, server: ServerProcess, path: str, states: list[str]
) -> None:
    key = follow(page, path, "message")
    page.wait("() => states.includes('closed')")
    assert page.evaluate("[...states, source.readyState]") == [*states, 2]
    assert len(requests(server, key)) == 1


def test_comments_keep_a_silent_stream(page: Page, server: ServerProcess) -> None:
    key = follow(page, "/pinged", silence=1500)
    page.wait("() => states.includes('open') && (window.begin ??= performance.now())")
    page.wait("() => performance.now() - begin > 3000")  # six comments
    assert page.evaluate("states") == ["open"]
    assert len(requests(server, key)) == 1


def test_stream_without_ids_has_a_gap_after_a_reconnection(page: Page) -> None:
    follow(page, "/brief", "message", "gap")
    first, gap, second = page.wait("() => seen.length >= 3 && seen.slice(0, 3)")
    assert first == second == "no id"
    assert json.loads(gap) == {"reason": "unknown", "lost": None}


def test_closed_source_has_no_connection(page: Page, server: ServerProcess) -> None:
    key = follow(page, "/pinged")
    page.wait("() => states.includes('open')")
    page.evaluate("source.close()")
    ask(server, f"/control/closed?key={key}")


@pytest.mark.parametrize("kind", KINDS)
def test_id_that_is_not_of_ascii_comes_back_as_it_was(page: Page, kind: str) -> None:
    page.evaluate(MAKE, [kind, "/wide", {}])
    log = page.wait("() => log.filter(([type]) => type === 'message').length >= 3 && log")
    data = [event[2] for event in log if event[0] == "message"][:3]
    assert data == ["none", "é€😀", "é€😀"]


# Where the engines leave the standard: Firefox loses an event whose ID holds U+0000, and an ID that
# comes without data; WebKit the first event, when the byte order mark before it comes in pieces.
QUIRKS: dict[str, dict[str, dict[str, str] | None]] = {
    "chromium": {},
    "firefox": {"nul": None, "seven": {"7": "é€😀"}},
    "webkit": {"byte order mark": None},
}


def test_script_reads_the_format_as_the_standard_has_it(page: Page) -> None:
    logs = []
    for kind in KINDS:
        page.evaluate(MAKE, [kind, f"/torn?key=torn-{kind}", {}])
        log = page.wait("() => log.some(([type]) => type === 'error') && log")
        page.evaluate("source.close()")
        logs.append([(data, id) for type, _, data, id, _ in log if type == "message"])
    native, ours = logs
    assert len(ours) > 10
    expected = []
    for data, id in ours:
        quirk = QUIRKS[page.engine.name].get(data, {})
        if quirk is not None:
            expected.append((data, quirk.get(id, id)))
    assert native == expected
