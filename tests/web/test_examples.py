"""The examples of authentication and of a POST: in process, and in a real browser."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from sse_asgi.testing import connect
from tests.examples.running import running

from .browser import opened, wait

if TYPE_CHECKING:
    from playwright.sync_api import Browser

pytestmark = [pytest.mark.parts, pytest.mark.needs("starlette", "itsdangerous")]

in_process = pytest.mark.anyio
in_chromium = pytest.mark.needs("chromium", "playwright", "uvicorn")

BEARER = {"authorization": "Bearer example"}


async def sign_in() -> tuple[str, str]:
    """Return a ticket, and the cookie of a session."""
    from examples.tickets import app

    async with connect(app, "/ticket", method="POST", headers=BEARER) as answer:
        cookie = answer.headers["set-cookie"].partition(";")[0]
        return (await answer.body()).decode(), cookie


async def status_of(path: str, **headers: str) -> int:
    from examples.tickets import app

    async with connect(app, path, headers=headers) as answer:
        if answer.status == 200:
            assert (await answer.receive()).data == "ann 0"
        return answer.status


@in_process
async def test_ticket_and_cookie_open_the_stream_and_nothing_else_does() -> None:
    ticket, cookie = await sign_in()
    assert await status_of(f"/events?ticket={ticket}") == 200
    assert await status_of("/events", cookie=cookie) == 200
    assert await status_of("/events") == 401
    assert await status_of(f"/events?ticket={ticket}x", cookie=cookie) == 401
    assert await status_of("/events", cookie=f"session={ticket}") == 401


@in_process
async def test_ticket_is_good_for_seconds_only(monkeypatch: pytest.MonkeyPatch) -> None:
    from examples.tickets import tickets

    ticket, _ = await sign_in()
    now = tickets.get_timestamp()
    monkeypatch.setattr(tickets, "get_timestamp", lambda: now + 21)
    assert await status_of(f"/events?ticket={ticket}") == 401


@in_process
@pytest.mark.parametrize("body", [b"", b"[]", b'{"prompt": 5}', b"{}", b"\xff"])
async def test_post_without_a_prompt_is_refused(body: bytes) -> None:
    from examples.post_stream import app

    async with connect(app, "/answer", method="POST", body=body) as answer:
        assert answer.status == 422


@contextmanager
def serving(name: str, directory: Path) -> Iterator[str]:
    """Run the example as its first lines say, and yield its address."""
    with running(name, directory) as process:
        yield f"http://127.0.0.1:{process.port}/"


@in_chromium
def test_page_with_tickets_shows_the_stream(browser: Browser, tmp_path: Path) -> None:
    with serving("tickets", tmp_path) as url, opened(browser, url) as page:
        wait(page, "() => document.querySelector('pre').textContent.startsWith('ann 0\\nann 1\\n')")


@in_chromium
def test_page_that_posts_shows_the_answer_word_by_word(browser: Browser, tmp_path: Path) -> None:
    with serving("post_stream", tmp_path) as url, opened(browser, url) as page:
        page.evaluate(
            """() => new MutationObserver(() =>
                seen.push(document.querySelector("p").textContent)
            ).observe(document.querySelector("p"), { childList: true })"""
        )
        page.fill("input", "one two three")
        page.click("button")
        wait(page, "() => seen.at(-1)?.endsWith(')')")
        shown: Any = page.evaluate("seen")
    assert shown[-1] == "one two three (3 words)"
    assert len(shown) > 1
    assert all(shown[-1].startswith(text) for text in shown)
