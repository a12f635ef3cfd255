"""The README's code runs as printed, and what it claims to stream is streamed."""

from __future__ import annotations

import inspect
import re
from pathlib import Path
from typing import Any

import anyio
import pytest

from sse_asgi.testing import connect

README = (Path(__file__).parent.parent / "README.md").read_text("utf-8")
BLOCKS = re.findall(r"```python\n(.*?)```", README, re.DOTALL)

# What the first event of each app in the README is, in the order of the page.
FIRST_EVENTS = {
    "EventSourceApp(ticks)": '{"n":0}',
    "EventStream(lines, ping=20, retry=3000)": "one event",
    "EventSourceApp(progress)": '{"job":42}',
    "EventSourceApp(news)": '{"resumed":false,"missed":0}',
    "EventSourceApp(prices_in)": '{"resumed":false,"missed":0}',
    "EventSourceApp(everything)": '{"resumed":true,"missed":0}',
    "EventSourceApp(prices, max_lifetime=3600)": '{"eur":1.08}',
    "EventSourceApp(ticks, max_connections=10_000, max_connections_per_client=6)": '{"n":0}',
    "EventSourceApp(report)": '{"percent":50}',
    'EventSourceApp(ticks, cors=CORS("https://app.example", credentials=True))': '{"n":0}',
    'EventSourceApp(ticks, compression="auto")': '{"n":0}',
}


def run_blocks() -> tuple[dict[str, Any], dict[str, Any]]:
    """Execute the page from top to bottom; return its apps by their definition, and all names."""
    names: dict[str, Any] = {"__name__": "readme"}
    apps = {}
    for block in BLOCKS:
        exec(compile(block, "README.md", "exec"), names)
        for definition in re.findall(r"^app = (.*)$", block, re.MULTILINE):
            apps[definition] = names["app"]
    return apps, names


def test_every_app_of_the_page_is_listed_here() -> None:
    apps, _ = run_blocks()
    assert list(apps) == list(FIRST_EVENTS)


@pytest.mark.anyio
@pytest.mark.parametrize("definition", FIRST_EVENTS)
async def test_app_streams_what_the_page_says(definition: str) -> None:
    apps, _ = run_blocks()
    async with connect(apps[definition], "/?job=42") as events:
        assert (await events.receive()).data == FIRST_EVENTS[definition]


@pytest.mark.anyio
@pytest.mark.parametrize("name", ["test_progress", "test_keep_alive"])
async def test_test_of_the_page_passes(name: str) -> None:
    _, names = run_blocks()
    names["app"] = names["EventSourceApp"](names["progress"])
    assert inspect.iscoroutinefunction(names[name])
    with anyio.fail_after(5):
        await names[name]()


@pytest.mark.anyio
async def test_what_the_page_publishes_reaches_who_follows() -> None:
    _, names = run_blocks()
    async with connect(names["EventSourceApp"](names["news"])) as events:
        assert (await events.receive()).event == "position"
        await names["announce"]("hello")
        event = await events.receive()
        assert (event.event, event.json()) == ("headline", {"text": "hello"})
