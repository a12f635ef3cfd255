"""One connection for all tabs, in Chromium, Firefox and WebKit."""

from __future__ import annotations

import time

import pytest

from tests.servers.process import ServerProcess

from .engines import KILLABLE, Page, Pages
from .test_browser import ask, is_consecutive, requests
from .test_shared import FOLLOW, GAP, WAYS

pytestmark = [
    pytest.mark.parts,
    pytest.mark.needs("uvicorn"),
    pytest.mark.timeout(180),  # the first test of an engine waits for its start
]


def follow(pages: Pages, server: ServerProcess, url: str, *names: str, tabs: int) -> list[Page]:
    """Open tabs that follow a URL, and show the events of these names and gaps."""
    opened = []
    for _ in range(tabs):
        page = pages.open(f"http://127.0.0.1:{server.port}/")
        page.evaluate(FOLLOW, [url, {}, [*names, "gap"]])
        opened.append(page)
    return opened


def follow_on(page: Page, more: int = 10) -> list[str]:
    """Wait for more events, and return all that the page has seen."""
    count = page.evaluate("seen.length") + more
    seen: list[str] = page.wait("(count) => seen.length >= count && seen", count)
    return seen


def test_twenty_tabs_hold_one_connection(pages: Pages, server: ServerProcess) -> None:
    key = f"twenty-{pages.engine.name}"
    for page in follow(pages, server, f"/clock?key={key}", "tick", tabs=20):
        assert is_consecutive(follow_on(page))
        assert page.evaluate("[...states, source.readyState]") == ["open", 1]
    assert len(requests(server, key)) == 1


def check_ends(pages: Pages, server: ServerProcess, end: str) -> None:
    """Let two leaders of four tabs end, and see that the others go on."""
    key = f"{end}-{pages.engine.name}"
    opened = follow(pages, server, f"/clock?key={key}", "tick", tabs=4)
    follow_on(opened[-1])
    for number in (1, 2):
        leader = opened.pop(0)
        at = time.monotonic()
        getattr(leader, end)()
        for page in opened:
            assert is_consecutive(follow_on(page))
        made = requests(server, key)
        assert len(made) == number + 1
        assert made[-1]["at"] - at < 1
    assert opened[-1].evaluate("states") == ["open", *["error", "open"] * 2]


def test_next_tab_leads_when_the_leader_is_closed(pages: Pages, server: ServerProcess) -> None:
    check_ends(pages, server, "close")


@pytest.mark.parametrize("engine", KILLABLE, indirect=True)
def test_next_tab_leads_when_the_leader_is_killed(pages: Pages, server: ServerProcess) -> None:
    check_ends(pages, server, "kill")


@pytest.mark.parametrize("way", WAYS)
def test_leader_that_is_frozen_has_a_gap_later(
    pages: Pages, server: ServerProcess, way: str
) -> None:
    key = f"{way}-{pages.engine.name}"
    leader, other = follow(pages, server, f"/clock?key={key}", "tick", tabs=2)
    follow_on(other)
    leave, come_back = WAYS[way]
    leader.evaluate(f"() => void {leave}")
    assert is_consecutive(follow_on(other))
    leader.evaluate(f"() => void {come_back}")
    seen = follow_on(leader)
    assert is_consecutive(seen[: seen.index(GAP)])
    assert is_consecutive(seen[seen.index(GAP) + 1 :])
    assert len(requests(server, key)) == 2


def test_next_tab_leads_when_the_leader_leaves_its_page(
    pages: Pages, server: ServerProcess
) -> None:
    key = f"left-{pages.engine.name}"
    leader, other = follow(pages, server, f"/clock?key={key}", "tick", tabs=2)
    follow_on(other)
    leader.evaluate("() => { setTimeout(() => { location = '/?key=elsewhere'; }); }")
    assert is_consecutive(follow_on(other, 30))
    assert len(requests(server, key)) == 2
    assert other.evaluate("states") == ["open", "error", "open"]


def test_new_leader_of_a_stream_without_ids_reports_a_gap(
    pages: Pages, server: ServerProcess
) -> None:
    key = f"no-ids-{pages.engine.name}"
    opened = follow(pages, server, f"/stream?key={key}", "message", tabs=3)
    for page in opened:
        page.wait("() => states.includes('open')")
    ask(server, f"/control/tell?key={key}&text=last")
    for page in opened:
        page.wait("() => seen.length")
        assert page.evaluate("seen") == ["last"]
    opened[0].evaluate("source.close()")
    for page in opened[1:]:
        page.wait("() => states.length === 3")
        assert page.evaluate("states") == ["open", "error", "open"]
        assert page.evaluate("seen") == ["last", GAP]
