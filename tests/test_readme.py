"""Each block of the README and of the guides runs alone, and no link of these pages is dead."""

from __future__ import annotations

import inspect
import re
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from types import ModuleType
from typing import Any

import anyio
import pytest
from fastapi import FastAPI, HTTPException
from fastapi.sse import ServerSentEvent

from sse_asgi import DONE_ID
from sse_asgi.adapters.fastapi import EventSourceResponse
from sse_asgi.testing import NotAnEventStream, connect

ROOT = Path(__file__).parent.parent
PAGES = {
    path.relative_to(ROOT).as_posix(): path.read_text("utf-8")
    for path in (
        ROOT / "README.md",
        ROOT / "examples" / "README.md",
        ROOT / "examples" / "deployment" / "README.md",
        *sorted((ROOT / "examples" / "guide").glob("*.md")),
    )
}
BLOCKS = {
    f"{page}:{text[: found.start()].count(chr(10)) + 2}": found[1]
    for page, text in PAGES.items()
    for found in re.finditer(r"^```python\n(.*?)^```", text, re.DOTALL | re.MULTILINE)
}
LINKS = [
    (page, target)
    for page, text in PAGES.items()
    for target in re.findall(r"\]\(([^)\s]+)\)", text)
    if not target.startswith(("http:", "https:"))
]


def apps_of(block: str) -> list[str]:
    return re.findall(r"^app = (.*)$", block, re.MULTILINE)


def checks_of(block: str) -> list[str]:
    return re.findall(r"^(?:async )?def (test_\w+)", block, re.MULTILINE)


def is_bound(where: str) -> bool:
    """Tell whether the tests of a block run on asyncio alone."""
    return '@pytest.mark.parametrize("anyio_backend", ["asyncio"])' in BLOCKS[where]


APPS = [(where, app) for where, block in BLOCKS.items() for app in apps_of(block)]
TESTS = [(where, name) for where, block in BLOCKS.items() for name in checks_of(block)]

MODULE = "block_of_a_page"
PAGE = ModuleType("page_of_the_documentation")
POSITION = '{"resumed":false,"missed":0}'

# The request for each app of a page, and the data of the first event that answers it.
FIRST_EVENTS = {
    "EventSourceApp(count)": ("/", '{"n":1}'),
    "EventSourceApp(news)": ("/", POSITION),
    "FastAPI()": ("/events", '{"hello":"FastAPI"}'),
    'Starlette(routes=[Route("/events", events)])': ("/events", '{"hello":"Starlette"}'),
    'Starlette(routes=[Route("/native", events)])': ("/native", '{"hello":"native"}'),
    "EventStream(lines, ping=20, retry=3000)": ("/", "one event"),
    "EventStream(trades)": ("/", '{"at":"2026-11-28T00:00:00+00:00","price":"1.10"}'),
    "EventStream(laps, serializer=json.JSONEncoder(default=default, allow_nan=False).encode)": (
        "/",
        '{"lap": 83.5}',
    ),
    "EventStream(rows, window=0.05)": ("/", '{"row":0}'),
    "EventSourceApp(progress)": ("/?job=42", '{"job":42}'),
    "EventSourceApp(report)": ("/?job=42", '{"percent":50}'),
    "EventSourceApp(ticks, max_connections=10_000, max_connections_per_client=6)": ("/", '{"n":0}'),
    "EventSourceApp(ticks, max_connections_per_client=6, client_key=user)": ("/", '{"n":0}'),
    "EventSourceApp(prices_in)": ("/", '{"resumed":false,"missed":0}'),
    "EventSourceApp(everything)": ("/", POSITION),
    "EventSourceApp(job_events)": ("/?job=42", POSITION),
    "EventSourceApp(prices, max_lifetime=3600)": ("/", '{"eur":1.08}'),
    "EventSourceApp(quiet, ping_message=ping)": ("/", "hello"),
    'EventSourceApp(ticks, compression="auto")  # EventStream and the adapters take it, too': (
        "/",
        '{"n":0}',
    ),
    'EventSourceApp(session, compression="auto")': ("/", '{"csrf":"f3a1"}'),
    "EventSourceApp(account, key=key, expires_at=end, revalidate=is_allowed)": (
        "/",
        '{"user":"ann"}',
    ),
    'EventSourceApp(ticks, cors=CORS("https://app.example", credentials=True))': ("/", '{"n":0}'),
    "EventSourceApp(prices, on_open=telemetry.on_open, on_close=telemetry.on_close)": (
        "/",
        POSITION,
    ),
    'FastAPI(telemetry={"exclude": lambda scope: scope["path"] == "/events"})': (
        "/events",
        "hello",
    ),
    'OpenTelemetryMiddleware(streams, exclude_spans=["send", "receive"])': ("/", "hello"),
    "EventSourceApp(headlines, on_open=opened, on_close=closed)": ("/", '{"text":"hello"}'),
    "api": ("/tokens", '{"kind":"token","text":"hello"}'),
    "Litestar([events])": ("/events", '{"hello":"Litestar"}'),
    'Quart("events")': ("/events", '{"hello":"Quart"}'),
}


def run_block(where: str) -> dict[str, Any]:
    """Execute one block as a module by itself, and return its names."""
    # Frameworks look for the module of a function, as they find it for a file.
    module = sys.modules[MODULE] = ModuleType(MODULE)
    # A traceback through a module that has a spec without a loader is a warning from 3.15 on.
    del module.__spec__
    exec(compile(BLOCKS[where], where, "exec", dont_inherit=True), vars(module))
    return vars(module)


@pytest.fixture(autouse=True)
def modules(monkeypatch: pytest.MonkeyPatch) -> None:
    """Forget the module of a block after the test."""
    monkeypatch.delitem(sys.modules, MODULE, raising=False)
    monkeypatch.setitem(sys.modules, MODULE, ModuleType(MODULE))


def anchors(text: str) -> set[str]:
    """Return the names that the headings of a page have in links."""
    headings = re.findall(r"^#+ (.*)$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.anyio
@pytest.mark.parametrize("where", BLOCKS)
async def test_block_runs_alone(where: str) -> None:
    run_block(where)


def test_every_app_of_the_pages_is_listed_here() -> None:
    assert {app for _, app in APPS} == set(FIRST_EVENTS)


async def check_app(where: str, definition: str) -> None:
    target, data = FIRST_EVENTS[definition]
    app = run_block(where)["app"]
    async with connect(app, target, headers={"cookie": "session=7f3a"}) as events:
        assert (await events.receive()).data == data


@pytest.mark.anyio
@pytest.mark.parametrize(("where", "definition"), [pair for pair in APPS if "Quart" not in pair[1]])
async def test_app_streams_the_events_of_its_page(where: str, definition: str) -> None:
    await check_app(where, definition)


@pytest.mark.anyio
@pytest.mark.parametrize("anyio_backend", ["asyncio"])  # Quart needs it
@pytest.mark.parametrize(("where", "definition"), [pair for pair in APPS if "Quart" in pair[1]])
async def test_app_of_quart_streams_the_events_of_its_page(where: str, definition: str) -> None:
    await check_app(where, definition)


@pytest.mark.anyio
@pytest.mark.parametrize(("where", "name"), [pair for pair in TESTS if not is_bound(pair[0])])
async def test_test_of_a_page_passes(where: str, name: str) -> None:
    await check_test(where, name)


@pytest.mark.anyio
@pytest.mark.parametrize("anyio_backend", ["asyncio"])
@pytest.mark.parametrize(("where", "name"), [pair for pair in TESTS if is_bound(pair[0])])
async def test_test_of_a_page_that_asks_for_asyncio_passes(where: str, name: str) -> None:
    await check_test(where, name)


async def check_test(where: str, name: str) -> None:
    names = run_block(where)
    if not inspect.iscoroutinefunction(names[name]):
        await anyio.to_thread.run_sync(names[name])
        return
    with anyio.fail_after(10):
        await names[name]()


@pytest.mark.anyio
async def test_published_events_reach_the_subscribers_of_the_readme() -> None:
    where = next(where for where in BLOCKS if "async def announce" in BLOCKS[where])
    names = run_block(where)
    async with connect(names["app"]) as events:
        assert (await events.receive()).event == "position"
        await names["announce"]("hello")
        event = await events.receive()
        assert (event.event, event.json()) == ("headline", {"text": "hello"})


@pytest.mark.anyio
async def test_first_stream_goes_on_and_then_stays_away() -> None:
    app = run_block(next(iter(BLOCKS)))["app"]
    async with connect(app, last_event_id="10") as events:
        assert (await events.receive()).event == "done"
    client = connect(app, last_event_id=DONE_ID)
    with pytest.raises(NotAnEventStream, match="204"):
        async with client:
            await client.receive()


@pytest.mark.anyio
async def test_fastapi_needs_one_other_import_for_a_real_refusal() -> None:
    app = FastAPI()

    @app.get("/events", response_class=EventSourceResponse)
    async def events(taken: bool = False) -> AsyncIterator[ServerSentEvent]:
        if taken:
            raise HTTPException(409, "taken")
        yield ServerSentEvent(data={"n": 1}, event="tick", id="1")

    async with connect(app, "/events") as client:
        assert (await client.receive()).json() == {"n": 1}
    with pytest.raises(NotAnEventStream, match="409"):
        async with connect(app, "/events?taken=true") as client:
            await client.receive()


@pytest.mark.parametrize(("page", "target"), LINKS)
def test_link_leads_somewhere(page: str, target: str) -> None:
    path, _, anchor = target.partition("#")
    file = (ROOT / page).parent / path if path else ROOT / page
    assert file.resolve().exists()
    if anchor:
        assert anchor in anchors(file.read_text("utf-8"))


def test_readme_is_short() -> None:
    lines = PAGES["README.md"].splitlines()
    assert len(lines) <= 210
    assert max(map(len, lines)) <= 100
