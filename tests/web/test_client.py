"""The client script in a real browser: it comes back, loses nothing, and knows when to stop."""

from __future__ import annotations

import json
import re
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from sse_asgi.web import client_js
from tests.servers.process import ServerProcess

from .browser import opened, wait
from .conftest import Serve
from .proxies import nginx
from .test_browser import ask, is_consecutive, requests

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

pytestmark = [
    pytest.mark.parts,
    pytest.mark.needs("chromium", "playwright", "uvicorn"),
    pytest.mark.xdist_group("browser"),
]

FOLLOW = """async ([url, options, names]) => {
    const { SteadyEventSource } = await import("/sse.js");
    window.source = follow(new SteadyEventSource(url, options), ...names);
    window.end = null;
    source.addEventListener("closed", (event) => states.push(event.detail.status));
}"""


@contextmanager
def following(
    browser: Browser, port: int, url: str, *names: str, **options: float
) -> Iterator[Page]:
    """Open a page that follows ``url`` with the script that the app serves."""
    with opened(browser, f"http://127.0.0.1:{port}/") as page:
        page.evaluate(FOLLOW, [url, {"shortest": 100, **options}, names])
        yield page


@pytest.mark.needs("nginx")
def test_three_seconds_of_502_lose_nothing_and_repeat_nothing(
    browser: Browser, serve: Serve, tmp_path: Path
) -> None:
    server = serve()
    with (
        nginx(server.port, tmp_path) as proxy,
        following(browser, proxy.port, "/clock", "tick", longest=1000) as page,
    ):
        # The browser's own, to see that it is needed.
        page.evaluate("() => void (window.native = follow(new EventSource('/clock')))")
        wait(page, "() => seen.length >= 5")
        server.kill()
        wait(page, "() => native.readyState === 2 && (window.downAt ??= performance.now())")
        before = wait(page, "() => performance.now() - downAt > 3000 && seen.length")
        serve(server.port)
        numbers = wait(page, "(before) => seen.length > before + 80 && seen", before)
        assert is_consecutive(numbers)
        assert page.evaluate("native.readyState") == 2
        assert "closed" not in page.evaluate("states")


def test_frozen_server_is_left_and_found_again(browser: Browser, serve: Serve) -> None:
    server = serve()
    with following(browser, server.port, "/clock?key=frozen", "tick", silence=1500) as page:
        wait(page, "() => seen.length >= 5")
        server.signal(signal.SIGSTOP)
        wait(page, "() => states.includes('error') && source.readyState === 0")
        before = page.evaluate("seen.length")
        server.signal(signal.SIGCONT)
        numbers = wait(page, "(before) => seen.length > before + 30 && seen", before)
        assert is_consecutive(numbers)
    assert "last_event_id" in str(requests(server, "frozen")[-1]["query"])


def test_last_event_id_outlives_streams_that_give_none(
    browser: Browser, server: ServerProcess
) -> None:
    with following(browser, server.port, "/forgetful?key=forgetful", "message") as page:
        wait(page, "() => seen.length >= 3")
        assert page.evaluate("seen.slice(0, 3)") == ["a", "b", "b"]
    queries = [request["query"] for request in requests(server, "forgetful")]
    assert "last_event_id=7" in queries[-1]


def test_named_pings_keep_a_silent_stream(browser: Browser, server: ServerProcess) -> None:
    with following(browser, server.port, "/silent?key=pings", "ping", silence=2000) as page:
        wait(page, "() => seen.length >= 6")  # three seconds
        assert page.evaluate("states") == ["open"]
    assert len(requests(server, "pings")) == 1


def test_comments_keep_a_silent_stream(browser: Browser, server: ServerProcess) -> None:
    with following(browser, server.port, "/pinged?key=comments", silence=2000) as page:
        wait(page, "() => performance.now() > 5000")  # ten comments
        assert page.evaluate("states") == ["open"]
    assert len(requests(server, "comments")) == 1


def test_script_stops_where_the_stream_is_done(browser: Browser, server: ServerProcess) -> None:
    with following(browser, server.port, "/finite?key=done", "message", "done") as page:
        wait(page, "() => states.includes('closed')")
        assert page.evaluate("seen") == ["a", '{"events":1}']
        assert page.evaluate("states") == ["open", "closed", 0]
        assert page.evaluate("source.readyState") == 2
    assert len(requests(server, "done")) == 1


@pytest.mark.parametrize(("path", "status"), [("/refused", 204), ("/nothing-here", 404)])
def test_script_stops_at_a_final_status(
    browser: Browser, server: ServerProcess, path: str, status: int
) -> None:
    with following(browser, server.port, f"{path}?key=final{status}") as page:
        wait(page, "() => states.includes('closed')")
        assert page.evaluate("states") == ["error", "closed", status]
        assert page.evaluate("source.readyState") == 2
        page.evaluate(f"() => fetch('/?key=final{status}')")  # the last one
    assert [request["path"] for request in requests(server, f"final{status}")] == [path, "/"]


def test_stream_without_ids_has_a_gap_after_a_reconnection(
    browser: Browser, server: ServerProcess
) -> None:
    with following(browser, server.port, "/brief", "message", "gap") as page:
        seen = wait(page, "() => seen.length >= 3 && seen.slice(0, 3)")
    assert seen[0] == seen[2] == "no id"
    assert json.loads(seen[1]) == {"reason": "unknown", "lost": None}


def test_gap_and_position_of_the_server_are_passed_on(
    browser: Browser, server: ServerProcess
) -> None:
    with following(browser, server.port, "/gapped", "position", "gap") as page:
        wait(page, "() => seen.length >= 2")
        assert page.evaluate("seen.slice(0, 2)") == ["at", "lost"]


def test_url_may_be_a_function_that_is_asked_at_each_opening(
    browser: Browser, server: ServerProcess
) -> None:
    with opened(browser, f"http://127.0.0.1:{server.port}/") as page:
        page.evaluate(
            """async () => {
                const { SteadyEventSource } = await import("/sse.js");
                let tickets = 0;
                const url = async () => {
                    if (++tickets === 1) throw new Error("no ticket yet");
                    return `/ticket?key=ticket&ticket=${tickets}&last_event_id=0`;
                };
                follow(new SteadyEventSource(url, { shortest: 100 }), "message");
            }"""
        )
        seen = wait(page, "() => seen.length >= 2 && seen.slice(0, 2)")
    # Each ticket opens one stream: the second stream comes with another one, and the last ID.
    first, second = (text.split() for text in seen)
    assert first[1] == "0"
    assert second[1] == f"after-{first[0]}"
    assert int(second[0]) > int(first[0])


def test_close_ends_everything(browser: Browser, server: ServerProcess) -> None:
    with following(browser, server.port, "/pinged?key=close") as page:
        wait(page, "() => states.includes('open')")
        page.evaluate("source.close()")
        ask(server, "/control/closed?key=close")
        assert page.evaluate("source.readyState") == 2


def test_close_at_an_error_asks_for_nothing_more(browser: Browser, server: ServerProcess) -> None:
    with opened(browser, f"http://127.0.0.1:{server.port}/") as page:
        page.evaluate(
            """async () => {
                const { SteadyEventSource } = await import("/sse.js");
                const source = follow(new SteadyEventSource("/nothing-here?key=error"));
                source.addEventListener("error", () => source.close());
            }"""
        )
        wait(page, "() => states.includes('error')")
        page.evaluate("() => fetch('/?key=error')")  # the last one, whatever else was asked for
    assert [request["path"] for request in requests(server, "error")] == ["/nothing-here", "/"]


def test_pasted_script_works_in_a_page_without_modules(
    browser: Browser, server: ServerProcess
) -> None:
    with opened(browser, f"http://127.0.0.1:{server.port}/") as page:
        page.add_script_tag(content=client_js())
        page.evaluate("() => void follow(new SteadyEventSource('/clock'), 'tick')")
        wait(page, "() => seen.length >= 2")


# -- For good --------------------------------------------------------------------------------------


def test_redirect_to_a_login_page_is_final(
    browser: Browser, server: ServerProcess, other: ServerProcess
) -> None:
    # The page may read that of its own origin, but not that of another one.
    for key, location, end in (
        ("own", "/?key=login", {"status": 200, "reason": "content type"}),
        ("away", f"http://127.0.0.1:{other.port}/", {"status": 0, "reason": "redirect"}),
    ):
        url = f"/fickle?key={key}&location={location}"
        with following(browser, server.port, url, "tick") as page:
            page.evaluate(
                "source.addEventListener('closed', ({ detail }) => { window.end = detail })"
            )
            wait(page, "() => seen.length")
            ask(server, f"/control/answer?key={key}&status=302")
            ask(server, "/control/drain")
            assert wait(page, "() => end") == end
            assert page.evaluate("source.readyState") == 2
        assert len(requests(server, key)) <= 5


def test_page_in_place_of_the_stream_is_final(browser: Browser, server: ServerProcess) -> None:
    with following(browser, server.port, "/?key=page-200") as page:
        wait(page, "() => states.includes('closed')")
        assert page.evaluate("states") == ["error", "closed", 200]
    assert len(requests(server, "page-200")) == 1


# -- Back at once ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "event",
    [
        "window.dispatchEvent(new Event('online'))",
        "document.dispatchEvent(new Event('visibilitychange'))",
        "window.dispatchEvent(new PageTransitionEvent('pageshow', { persisted: true }))",
    ],
)
def test_page_that_wakes_comes_back_at_once(
    browser: Browser, server: ServerProcess, event: str
) -> None:
    key = f"wake{len(event)}"
    ask(server, f"/control/answer?key={key}&status=503")
    options = {"shortest": 3_600_000, "longest": 3_600_000}  # an hour
    with following(browser, server.port, f"/fickle?key={key}", "tick", **options) as page:
        wait(page, "() => states.includes('error')")
        ask(server, f"/control/answer?key={key}&status=200")
        page.evaluate(event)
        wait(page, "() => seen.length")
        assert page.evaluate("states") == ["error", "open"]


def test_page_in_the_back_forward_cache_has_no_stream_and_comes_back(
    browser: Browser, server: ServerProcess
) -> None:
    with following(browser, server.port, "/clock?key=cached", "tick") as page:
        wait(page, "() => seen.length")
        hidden = "new PageTransitionEvent('pagehide', { persisted: true })"
        assert page.evaluate(f"(dispatchEvent({hidden}), source.readyState)") == 0
        before = page.evaluate("seen.length")
        page.evaluate("dispatchEvent(new PageTransitionEvent('pageshow', { persisted: true }))")
        numbers = wait(page, "(before) => seen.length > before + 5 && seen", before)
        assert is_consecutive(numbers)
    assert len(requests(server, "cached")) == 2


def test_refusal_spends_no_second_ticket(browser: Browser, server: ServerProcess) -> None:
    ask(server, "/control/answer?key=spent&status=503")
    with opened(browser, f"http://127.0.0.1:{server.port}/") as page:
        page.evaluate(
            """async () => {
                const { SteadyEventSource } = await import("/sse.js");
                window.tickets = 0;
                const url = () => `/fickle?key=spent&ticket=${++tickets}`;
                follow(new SteadyEventSource(url, { shortest: 50 }), "tick");
            }"""
        )
        wait(page, "() => tickets >= 3")
        ask(server, "/control/answer?key=spent&status=200")
        wait(page, "() => seen.length")
        tickets = page.evaluate("tickets")
        assert page.evaluate("states") == [*["error"] * (tickets - 1), "open"]
    queries = [request["query"] for request in requests(server, "spent")]
    assert [query.partition("ticket=")[2] for query in queries] == [
        str(number + 1) for number in range(tickets)
    ]


def test_retry_after_of_a_refusal_is_obeyed(browser: Browser, server: ServerProcess) -> None:
    ask(server, "/control/answer?key=later&status=429")
    with following(browser, server.port, "/fickle?key=later&after=1", "tick", shortest=1) as page:
        wait(page, "() => states.filter((state) => state === 'error').length >= 2")
    first, second = (request["at"] for request in requests(server, "later")[:2])
    assert 1 <= second - first < 5


def test_script_is_small() -> None:
    code = re.sub(r"/\*\*.*?\*/\n", "", client_js(), flags=re.DOTALL)
    assert len(code.splitlines()) <= 260
