"""Content codings, other origins, HTTP/2, the back/forward cache and the demo, engine by engine."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.demo.process import running
from tests.servers.process import ServerProcess

from .conftest import secured
from .engines import Page, Pages
from .test_browser import is_consecutive, requests, shared

pytestmark = [
    pytest.mark.parts,
    pytest.mark.needs("uvicorn", "hypercorn", "h2", "openssl"),
    pytest.mark.timeout(120),  # the first test of an engine waits for its start
]

FOLLOW = "([url, options]) => void follow(new EventSource(url, options), 'message')"
OPEN = "() => streams.filter((source) => source.readyState === 1).length"
# WebKit asks for no Zstandard; it gets its events as they are.
LACKING = {("webkit", "zstd")}


@pytest.fixture(scope="module")
def coded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    """Run the app of compressed streams on hypercorn, over TLS."""
    directory = tmp_path_factory.mktemp("coded")
    with secured(directory, "tests.web.compression_app:app") as process:
        yield process


@pytest.fixture
def page(pages: Pages, server: ServerProcess) -> Page:
    """Open an empty page of the app's."""
    return pages.open(f"http://127.0.0.1:{server.port}/")


# -- Content codings -------------------------------------------------------------------------------


@pytest.mark.parametrize("coding", ["gzip", "zstd", "br"])
def test_compressed_events_arrive_one_by_one(
    pages: Pages, coded: ServerProcess, coding: str
) -> None:
    page = pages.open(f"https://127.0.0.1:{coded.port}/")  # only over TLS all ask for Brotli
    url = f"/coded?key={page.engine.name}-{coding}&coding={coding}"
    page.evaluate(FOLLOW, [url, {}])
    page.wait("() => states[0] === 'open'")
    tell = "(text) => void fetch(`/control/tell?key=${text[0]}&text=${text[1]}`)"
    for number in range(3):
        page.evaluate(tell, [f"{page.engine.name}-{coding}", str(number)])
        page.wait("(count) => seen.length === count", number + 1)
    assert page.evaluate("seen") == ["0", "1", "2"]
    lengths = """async (url) => {
        const controller = new AbortController();
        const { headers } = await fetch(url, { signal: controller.signal });
        controller.abort();
        return headers.get("content-encoding");
    }"""
    expected = None if (page.engine.name, coding) in LACKING else coding
    assert page.evaluate(lengths, url) == expected


# -- Other origins ---------------------------------------------------------------------------------


def test_cookies_go_to_another_origin_where_the_policy_allows_it(
    page: Page, server: ServerProcess, other: ServerProcess
) -> None:
    page.evaluate("document.cookie = 'who=me'")
    keys = [f"{page.engine.name}-{name}" for name in ("allowed", "plain", "refused")]
    allowed = shared(other, keys[0], server, "&credentials=1")
    page.evaluate(FOLLOW, [allowed, {"withCredentials": True}])
    assert page.wait("() => seen.length >= 2 && seen.slice(0, 2)") == ["who=me", "who=me"]
    made = requests(other, keys[0])
    assert {request["method"] for request in made} == {"GET"}  # it needs no preflight
    assert made[1]["headers"]["last-event-id"] == "greeted"
    page.evaluate("() => { streams[0].close(); seen.length = 0; }")
    page.evaluate(FOLLOW, [shared(other, keys[1], server), {}])
    assert page.wait("() => seen[0]") == "none"
    page.evaluate(FOLLOW, [shared(other, keys[2], server), {"withCredentials": True}])
    page.wait("() => streams[2].readyState === 2")


# -- Connections -----------------------------------------------------------------------------------


def test_http1_has_six_connections(page: Page) -> None:
    script = "(key) => { for (let n = 0; n < 8; n++) new EventSource(`/pinged?key=${key}${n}`); }"
    page.evaluate(script, f"six-{page.engine.name}")
    page.wait(f"() => ({OPEN})() === 6")
    hangs = "() => fetch('/', {signal: AbortSignal.timeout(500)}).catch((error) => error.name)"
    assert page.evaluate(hangs) in ("TimeoutError", "AbortError")
    assert page.evaluate(OPEN) == 6


def test_http2_has_room_for_twenty_streams(pages: Pages, secure: ServerProcess) -> None:
    page = pages.open(f"https://127.0.0.1:{secure.port}/")
    page.evaluate("() => { for (let n = 0; n < 20; n++) new EventSource(`/pinged?key=${n}`); }")
    page.wait(f"() => ({OPEN})() === 20")
    protocol = "() => performance.getEntriesByType('navigation')[0].nextHopProtocol"
    assert page.evaluate(protocol) == "h2"
    assert page.evaluate("() => fetch('/').then((answer) => answer.status)") == 200


# -- The back/forward cache ------------------------------------------------------------------------

LEAVE = """async ([kind, url]) => {
    const { SteadyEventSource } = await import("/sse.js");
    window.marked = true;
    window.source = follow(new ({ EventSource, SteadyEventSource })[kind](url), "tick");
}"""


@pytest.mark.parametrize("kind", ["EventSource", "SteadyEventSource"])
def test_page_from_the_back_forward_cache_goes_on_without_a_hole(
    page: Page, server: ServerProcess, kind: str
) -> None:
    key = f"{kind}-{page.engine.name}"
    page.evaluate(LEAVE, [kind, f"/clock?key={key}"])
    page.wait("() => seen.length >= 3")
    page.go(f"http://127.0.0.1:{server.port}/?key={key}-next")
    page.back()
    page.wait("() => location.search === '' && document.readyState === 'complete'")
    if page.engine.name == "firefox":
        # It keeps no page that has a request under way: the page is loaded anew.
        assert page.evaluate("window.marked ?? false") is False
        return
    before = page.evaluate("seen.length")
    assert is_consecutive(page.wait("(before) => seen.length > before + 10 && seen", before))
    # Chromium keeps the connection of an EventSource; the script gives its own up.
    kept = page.engine.name == "chromium" and kind == "EventSource"
    assert len(requests(server, key)) == (1 if kept else 2)


# -- The demo --------------------------------------------------------------------------------------


def test_demo_is_cut_and_resumes_with_nothing_lost(pages: Pages, tmp_path: Path) -> None:
    with running(tmp_path) as demo:
        page = pages.open(f"http://127.0.0.1:{demo.port}/")
        text = "(selector) => document.querySelector(selector).textContent"
        page.wait(f"() => /^event [0-9,]+$/.test(({text})('#position'))")
        page.evaluate("document.querySelector('#cut').click()")
        pattern = "/^Resumed after event [0-9,]+: [0-9]+ missed events replayed, 0 lost[.]$/"
        page.wait(f"() => {pattern}.test(({text})('#message'))")
        assert page.evaluate(text, "#lost") == "0"
        page.wait(f"() => ({text})('#status') === 'Live'")
