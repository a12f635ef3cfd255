"""One connection for all tabs of a browser: who leads, who follows, and what each of them sees.

The tests of tabs that end are in ``test_shared_engines``, for each engine.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest

from sse_asgi.web import client_js
from tests.servers.process import ServerProcess

from .browser import PRELUDE, TIMEOUT, wait
from .conftest import Serve
from .test_browser import is_consecutive, requests

if TYPE_CHECKING:
    from playwright.sync_api import Browser, BrowserContext, Page

pytestmark = [
    pytest.mark.parts,
    pytest.mark.needs("chromium", "playwright", "uvicorn"),
    pytest.mark.xdist_group("browser"),
]

FOLLOW = """async ([url, options, names]) => {
    const { SharedEventSource } = await import("/tabs.js");
    window.source = follow(new SharedEventSource(url, { shortest: 50, ...options }), ...names);
    source.addEventListener("closed", ({ detail }) => detail && states.push(detail.reason));
}"""

# A tab that leads by hand: it says what a test wants the others to hear.
LEAD = """async (name) => {
    await new Promise((lead) => navigator.locks.request(name, () => new Promise(lead)));
    window.channel = new BroadcastChannel(name);
    window.asked = 0;
    channel.onmessage = ({ data }) => { asked += data.asks ? 1 : 0; };
    window.tell = (id, before, data) => channel.postMessage(
        { type: data === undefined ? "" : "tick", data, origin, id, before, state: 1 });
}"""

GAP = '{"reason":"unknown","lost":null}'


class Tabs:
    """Tabs of one browser, with pages of one server."""

    def __init__(self, context: BrowserContext, port: int) -> None:
        self._context = context
        self.address = f"http://127.0.0.1:{port}/"

    def empty(self) -> Page:
        """Open a tab that follows nothing."""
        page = self._context.new_page()
        page.goto(self.address)
        return page

    def open(self, url: str, *names: str, **options: Any) -> Page:
        """Open a tab that follows a URL, and shows the events of these names and gaps."""
        page = self.empty()
        page.evaluate(FOLLOW, [url, options, [*names, "gap"]])
        return page


@contextmanager
def tabs_of(browser: Browser, port: int) -> Iterator[Tabs]:
    context = browser.new_context()
    context.set_default_timeout(TIMEOUT)
    context.add_init_script(PRELUDE)
    try:
        yield Tabs(context, port)
    finally:
        context.close()


@pytest.fixture
def tabs(browser: Browser, server: ServerProcess) -> Iterator[Tabs]:
    """Yield tabs with nothing of another test's."""
    with tabs_of(browser, server.port) as tabs:
        yield tabs


def follow_on(page: Page, more: int = 10) -> list[str]:
    """Wait for more events, and return all that the page has seen."""
    before = page.evaluate("seen.length")
    seen: list[str] = wait(page, f"(before) => seen.length >= before + {more} && seen", before)
    return seen


WAYS = {
    "frozen": [f"document.dispatchEvent(new Event('{event}'))" for event in ("freeze", "resume")],
    "cached": [
        f"dispatchEvent(new PageTransitionEvent('{event}', {{ persisted: true }}))"
        for event in ("pagehide", "pageshow")
    ],
}


# -- One connection --------------------------------------------------------------------------------


def test_other_urls_and_names_have_other_leaders(tabs: Tabs, server: ServerProcess) -> None:
    urls = ["/clock?key=urls&a", "/clock?key=urls&b", "/clock?key=urls&a"]
    pages = [tabs.open(url, "tick") for url in urls]
    pages += [tabs.open(f"/clock?key=urls&{n}", "tick", name="same") for n in (1, 2)]
    for page in pages:
        assert is_consecutive(follow_on(page))
    assert [request["query"].removeprefix("key=urls") for request in requests(server, "urls")] == [
        "&a",
        "&b",
        "&1",
    ]


def test_tab_that_opens_late_sees_open_and_what_comes_then(tabs: Tabs) -> None:
    first = tabs.open("/stream?key=late-tab", "message")
    wait(first, "() => states[0] === 'open'")
    late = tabs.open("/stream?key=late-tab", "message")
    wait(late, "() => states[0] === 'open'")
    assert late.evaluate("seen") == []


def test_page_without_web_locks_has_its_own_connection(tabs: Tabs, server: ServerProcess) -> None:
    pages = [tabs.empty() for _ in range(2)]
    for page in pages:
        page.evaluate("() => { delete Navigator.prototype.locks; }")
        page.evaluate(FOLLOW, ["/clock?key=unlocked", {}, ["tick", "gap"]])
    for page in pages:
        assert is_consecutive(follow_on(page))
    assert len(requests(server, "unlocked")) == 2


# -- Another leads ---------------------------------------------------------------------------------


def test_tab_whose_source_is_closed_hands_the_connection_on(
    tabs: Tabs, server: ServerProcess
) -> None:
    leader, other = (tabs.open("/clock?key=handed", "tick") for _ in range(2))
    follow_on(other)
    count = leader.evaluate("(source.close(), seen.length)")
    assert is_consecutive(follow_on(other))
    assert leader.evaluate("[source.readyState, seen.length]") == [2, count]
    assert len(requests(server, "handed")) == 2


def test_source_that_is_closed_at_once_shares_nothing(tabs: Tabs, server: ServerProcess) -> None:
    page = tabs.empty()
    page.evaluate(
        """async () => {
            const { SharedEventSource } = await import("/tabs.js");
            new SharedEventSource("/clock?key=never").close();
        }"""
    )
    other = tabs.open("/clock?key=never", "tick")
    assert is_consecutive(follow_on(other))
    assert len(requests(server, "never")) == 1


def test_server_that_comes_back_is_resumed_once_for_all(browser: Browser, serve: Serve) -> None:
    server = serve()
    with tabs_of(browser, server.port) as tabs:
        pages = [tabs.open("/clock?key=back", "tick", longest=200) for _ in range(3)]
        follow_on(pages[-1])
        server.kill()
        for page in pages:
            wait(page, "() => states.includes('error') && source.readyState === 0")
        server = serve(server.port)
        for page in pages:
            assert is_consecutive(follow_on(page))
        assert len(requests(server, "back")) == 1


# -- Frozen ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("way", ["frozen", "cached"])
def test_only_tab_that_is_frozen_misses_no_event(
    tabs: Tabs, server: ServerProcess, way: str
) -> None:
    page = tabs.open(f"/clock?key={way}-alone", "tick")
    follow_on(page)
    leave, come_back = WAYS[way]
    page.evaluate(leave)
    assert page.evaluate("source.readyState") == 0
    page.evaluate(come_back)
    assert is_consecutive(follow_on(page))
    assert len(requests(server, f"{way}-alone")) == 2


# -- What the leader says --------------------------------------------------------------------------


def test_event_that_a_tab_has_is_not_repeated_and_a_hole_is_a_gap(tabs: Tabs) -> None:
    leader = tabs.empty()
    leader.evaluate(LEAD, f"sse-asgi false {tabs.address}told")
    follower = tabs.open("/told", "tick")
    wait(leader, "() => asked")
    told = [
        ("1", "", "one"),
        ("2", "1", "two"),
        ("2", "2", "two, without an ID"),
        ("3", "2", "three"),
        ("1", "1", None),  # a new leader, that has had only the first
        ("2", "1", "two"),
        ("3", "2", "three"),
        ("4", "3", "four"),
        ("6", "5", "six"),
        ("6", "6", None),
        ("9", "9", None),
    ]
    for news in told:
        leader.evaluate("(news) => tell(...news.map((item) => item ?? undefined))", list(news))
    expected = ["one", "two", "two, without an ID", "three", "four", GAP, "six", GAP]
    assert wait(follower, f"() => seen.length >= {len(expected)} && seen") == expected
    assert follower.evaluate("states") == ["open"]


def test_listener_may_close_the_source(tabs: Tabs) -> None:
    leader = tabs.empty()
    leader.evaluate(LEAD, f"sse-asgi false {tabs.address}ended")
    follower = tabs.empty()
    follower.evaluate(
        """async () => {
            const { SharedEventSource } = await import("/tabs.js");
            window.source = follow(new SharedEventSource("/ended"), "tick", "gap");
            source.onopen = () => source.close();
        }"""
    )
    wait(leader, "() => asked")
    leader.evaluate("() => { tell('1', '', 'one'); tell('2', '1', 'two'); }")
    wait(follower, "() => states.length")
    assert follower.evaluate("[source.readyState, ...seen]") == [2]


@pytest.mark.parametrize(
    ("path", "states"),
    [
        ("/refused", ["error", "closed", "no content"]),
        ("/nothing-here", ["error", "closed", "status"]),
        ("/finite", ["open", "closed", "done"]),
    ],
)
def test_end_of_the_stream_ends_it_for_all_tabs(
    tabs: Tabs, server: ServerProcess, path: str, states: list[str]
) -> None:
    gate = tabs.empty()
    key = f"end-{states[-1].replace(' ', '-')}"
    name = f"sse-asgi false {key}"
    gate.evaluate(LEAD, name)  # so that all tabs wait for the connection
    pages = [tabs.open(f"{path}?key={key}", "message", name=key) for _ in range(4)]
    wait(gate, "() => asked === 4")
    gate.close()
    for page in pages:
        wait(page, "() => states.includes('closed')")
        assert page.evaluate("states") == states
        assert page.evaluate("source.readyState") == 2
    assert len(requests(server, key)) == 1
    late = tabs.open(f"{path}?key={key}", "message", name=key)  # asks for itself
    wait(late, "() => states.includes('closed')")
    assert len(requests(server, key)) == 2


def test_events_of_all_kinds_arrive_as_they_are(tabs: Tabs) -> None:
    script = """async () => {
        const { SharedEventSource } = await import("/tabs.js");
        const source = new SharedEventSource("/orders");
        window.log = [];
        for (const type of ["message", "closed", "gap"])
            source.addEventListener(type, (event) => log.push(
                [event.constructor.name, event.type, event.data, event.lastEventId, event.origin]));
    }"""
    gate = tabs.empty()
    gate.evaluate(LEAD, f"sse-asgi false {tabs.address}orders")
    pages = [tabs.empty() for _ in range(2)]
    for page in pages:
        page.evaluate(script)
    wait(gate, "() => asked === 2")
    gate.close()
    leads, follows = (wait(page, "() => log.length >= 4 && log") for page in pages)
    assert leads == follows
    assert [event[2] for event in leads] == ["first", "order 7", "of an order", "last"]


def test_function_without_a_name_is_refused(tabs: Tabs) -> None:
    page = tabs.empty()
    script = """async (name) => {
        const { SharedEventSource } = await import("/tabs.js");
        try { return new SharedEventSource(() => "/clock?key=asked", { name }).url; }
        catch (error) { return `${error}`; }
    }"""
    assert "needs a name" in page.evaluate(script, None)
    assert page.evaluate(script, "clock") == ""


def test_script_is_at_most_sixty_lines() -> None:
    text = client_js(shared=True).partition("class SharedEventSource")[2]
    lines = [line.strip() for line in text.splitlines()]
    assert len([line for line in lines if line and not line.startswith("//")]) <= 60
