"""The scripts for pages and the demo, in each engine."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.demo.process import running
from tests.servers.process import ServerProcess
from tests.web.conftest import Serve
from tests.web.test_browser import is_consecutive, requests

from .engine import Engine, Page

pytestmark = [
    pytest.mark.parts,
    pytest.mark.needs("uvicorn"),
    pytest.mark.timeout(120),
    pytest.mark.xdist_group("engines"),
]

STEADY = """async (url, options) => {
    const { SteadyEventSource } = await import("/sse.js");
    window.source = follow(new SteadyEventSource(url, { shortest: 50, ...options }), "tick", "gap");
}"""
SHARED = """async (url) => {
    const { SharedEventSource } = await import("/tabs.js");
    window.source = follow(new SharedEventSource(url, { shortest: 50 }), "tick", "gap");
}"""


def opened(engine: Engine, port: int, script: str, *given: Any) -> Page:
    page = Page(engine.open())
    page.goto(f"http://127.0.0.1:{port}/")
    page.evaluate(script, *given)
    return page


def follow_on(page: Page, more: int = 10) -> list[str]:
    """Wait for more events, and return all that the page has seen."""
    before = page.evaluate("() => seen.length")
    seen: list[str] = page.wait(f"(before) => seen.length >= before + {more} && seen", before)
    return seen


def test_script_resumes_after_the_server_was_killed(engine: Engine, serve: Serve) -> None:
    server = serve()
    page = opened(engine, server.port, STEADY, "/clock", {})
    page.wait("() => seen.length >= 5")
    server.kill()
    page.wait("() => states.includes('error')")
    serve(server.port)
    page.wait("() => states.at(-1) === 'open'")
    assert is_consecutive(follow_on(page))
    page.close()


def test_script_stays_away_after_a_204(
    engine: Engine, server: ServerProcess, keys: Iterator[str]
) -> None:
    page = opened(engine, server.port, STEADY, f"/finite?key={next(keys)}", {})
    page.wait("() => states.includes('closed')")
    assert page.evaluate("() => source.readyState") == 2
    page.close()


def test_script_goes_on_when_the_user_comes_back(
    engine: Engine, server: ServerProcess, keys: Iterator[str]
) -> None:
    key = next(keys)
    page = opened(engine, server.port, STEADY, f"/clock?key={key}", {})
    page.wait("() => seen.length >= 5")
    page.goto(f"http://127.0.0.1:{server.port}/?key=elsewhere")
    page.back()
    assert page.evaluate("() => Boolean(window.source)") is engine.keeps_pages
    if engine.keeps_pages:  # otherwise the page is loaded anew
        assert is_consecutive(follow_on(page))
        assert "last-event-id" in requests(server, key)[-1]["headers"]
    page.close()


def test_tabs_share_one_connection_and_the_next_one_leads(
    engine: Engine, server: ServerProcess, keys: Iterator[str]
) -> None:
    key = next(keys)
    pages = [opened(engine, server.port, SHARED, f"/clock?key={key}") for _ in range(20)]
    for page in pages:
        assert is_consecutive(follow_on(page, 3))
    assert len(requests(server, key)) == 1
    begun = time.monotonic()
    pages[0].close()
    for page in pages[1:4]:
        assert is_consecutive(follow_on(page, 3))
    made = requests(server, key)
    assert len(made) == 2
    assert made[1]["at"] - begun < 1
    for page in pages[:0:-1]:
        page.close()


@pytest.mark.needs("hypercorn")
def test_demo_is_live(engine: Engine, tmp_path: Path) -> None:
    with running(tmp_path) as demo:
        page = Page(engine.open())
        page.goto(f"http://127.0.0.1:{demo.port}/")
        count = """() => {
            const found = /event ([\\d,]+)/.exec(document.querySelector("#position").textContent);
            return found && Number(found[1].replaceAll(",", ""));
        }"""
        first = page.wait(count)
        page.wait(f"(first) => ({count})() > first + 10", first)
        page.close()
