"""A run in a real browser: reloads, cuts, the end, and the page of the example."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.examples.running import running
from tests.servers.process import ROOT, ServerProcess

from . import npm
from .browser import opened, wait
from .cutting import CuttingProxy

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page, Response, Route

pytestmark = [
    pytest.mark.parts,
    pytest.mark.needs("chromium", "playwright", "fastapi", "uvicorn"),
    pytest.mark.xdist_group("browser"),
]

PROMPT = " ".join(f"w{number}" for number in range(10))
ANSWER = f"You ask: {PROMPT}? Let me think about it. "
COMPLETED = '{"state":"completed","reason":null}'
GUIDE = (ROOT / "examples" / "guide" / "browser.md").read_text("utf-8")

SHOWN = "() => document.querySelector('pre').textContent"
SHOWS_SOME = "() => document.querySelector('pre').textContent.includes('w3')"
IS_OVER = "() => streams.at(-1).readyState === EventSource.CLOSED"


@pytest.fixture
def server(tmp_path: Path) -> Iterator[ServerProcess]:
    with running("llm_tokens", tmp_path) as process:
        yield process


def ask(page: Page) -> None:
    page.fill("input", PROMPT)
    page.press("input", "Enter")
    wait(page, SHOWS_SOME)


def test_page_reloaded_in_mid_answer_shows_all_of_it(
    browser: Browser, server: ServerProcess
) -> None:
    with opened(browser, f"http://127.0.0.1:{server.port}/") as page:
        ask(page)
        page.reload()
        wait(page, SHOWS_SOME)
        with opened(browser, page.url) as other:
            for tab in (page, other):
                wait(tab, IS_OVER)
                assert tab.evaluate(SHOWN) == ANSWER


def test_stop_ends_the_answer_in_every_tab(browser: Browser, server: ServerProcess) -> None:
    with opened(browser, f"http://127.0.0.1:{server.port}/") as page:
        ask(page)
        with opened(browser, page.url) as other:
            wait(other, SHOWS_SOME)
            other.click("#halt")
            texts = []
            for tab in (page, other):
                wait(tab, IS_OVER)
                texts.append(tab.evaluate(SHOWN))
    assert texts[0] == texts[1]
    assert ANSWER.startswith(texts[0])
    assert texts[0] != ANSWER


def started(page: Page) -> list[int]:
    """Start the run "x", and return the list of statuses with which its streams are answered."""
    page.evaluate("(prompt) => fetch(`/answers/x?prompt=${prompt}`, { method: 'POST' })", PROMPT)
    statuses: list[int] = []

    def take(response: Response) -> None:
        if "/answers/x" in response.url:
            statuses.append(response.status)

    page.on("response", take)
    return statuses


def test_eventsource_loses_nothing_in_a_cut_and_stays_away(
    browser: Browser, server: ServerProcess
) -> None:
    with (
        CuttingProxy(server.port, b"data: w7") as proxy,
        opened(browser, f"{proxy.url}/") as page,
    ):
        statuses = started(page)
        page.evaluate("() => void follow(new EventSource('/answers/x'), 'token', 'ended')")
        wait(page, "() => streams[0].readyState === EventSource.CLOSED")
        *words, end = page.evaluate("seen")
        assert proxy.cuts == 1
    assert ("".join(words), end) == (ANSWER, COMPLETED)
    assert statuses == [200, 200, 204]


def serve_package(route: Route) -> None:
    """Answer a page's import of @microsoft/fetch-event-source."""
    name = route.request.url.rpartition("/")[2].removesuffix(".js")
    path = npm.installed() / "@microsoft/fetch-event-source/lib/esm" / f"{name}.js"
    route.fulfill(body=path.read_bytes(), content_type="text/javascript")


def fetch_event_source(page: Page, url: str) -> Any:
    """Run the guide's code for the package until its stream is over; return the shown events."""
    (code,) = re.findall(r"^```js\n(.*?fetchEventSource.*?)^```", GUIDE, re.DOTALL | re.MULTILINE)
    page.route("**/npm/**", serve_package)
    return page.evaluate(
        f"""async (url) => {{
            const {{ fetchEventSource }} = await import("/npm/index.js");
            const shown = [], show = (event, data) => shown.push([event, data]);
            {code}
            return shown;
        }}""",
        url,
    )


@pytest.mark.needs("npm")
@pytest.mark.timeout(240)  # the packages may have to be installed
def test_fetch_event_source_loses_nothing_in_a_cut_and_ends(
    browser: Browser, server: ServerProcess
) -> None:
    with (
        CuttingProxy(server.port, b"data: w7") as proxy,
        opened(browser, f"{proxy.url}/") as page,
    ):
        statuses = started(page)
        shown = fetch_event_source(page, "/answers/x")
        assert proxy.cuts == 1
        words = [data for event, data in shown if event == "token"]
        assert "".join(words) == ANSWER
        assert {event for event, data in shown} == {"position", "started", "token"}
        assert statuses == [200, 200]


@pytest.mark.needs("npm")
@pytest.mark.timeout(240)
def test_fetch_event_source_with_the_last_event_stays_away(
    browser: Browser, server: ServerProcess
) -> None:
    with opened(browser, f"http://127.0.0.1:{server.port}/") as page:
        statuses = started(page)
        last = page.evaluate(
            """() => new Promise((resolve) => {
                const source = new EventSource("/answers/x");
                source.addEventListener("ended", ({ lastEventId }) => {
                    source.close();
                    resolve(lastEventId);
                });
            })"""
        )
        assert fetch_event_source(page, f"/answers/x?last_event_id={last}") == []
        assert statuses == [200, 204]
