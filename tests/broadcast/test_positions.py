"""A position stays good for a client that was there, and a page may be rendered without one."""

from __future__ import annotations

from typing import Any

import anyio
import pytest

from sse_asgi.broadcast import Hub, MemoryBackend
from sse_asgi.testing import settle

from .engine import Engine, EngineBackend
from .reading import WAIT, Reader, data, gaps

pytestmark = pytest.mark.anyio

KEPT = 20
"""Entries that the log keeps."""


def in_memory() -> Hub:
    return Hub(MemoryBackend(max_events=KEPT))


def on_an_engine() -> Hub:
    return Hub(EngineBackend(Engine(capacity=KEPT), memory=KEPT // 2))


@pytest.mark.parametrize("options", [{}, {"filter": lambda entry: entry.topic == "quiet"}])
@pytest.mark.parametrize("make", [in_memory, on_an_engine])
async def test_client_for_which_nothing_comes_has_a_position_that_the_log_still_knows(
    make: Any, options: dict[str, Any]
) -> None:
    topics = ("quiet", "busy") if options else ("quiet",)
    async with make() as hub:
        reader = Reader(hub.subscribe(*topics, **options))
        events = await reader.next()
        for number in range(10 * KEPT):
            await hub.publish("busy", str(number))
            await settle()
            events += reader.ready()
            # The client is cut off and comes back at once.
            back = Reader(hub.subscribe(*topics, last_event_id=reader.last_event_id, **options))
            first = await back.next()
            await settle()
            assert gaps(first + back.ready()) == []
            await back.subscription.aclose()
        assert {event.event for event in events} == {"position"}
        assert 5 < len(events) < 10 * KEPT / 2, "now and then, and not with each event"


@pytest.mark.parametrize("rendered", ["", "None", "null"])
async def test_page_that_was_rendered_without_a_position_begins_with_the_next_event(
    rendered: str,
) -> None:
    hub = in_memory()
    await hub.publish("t", "before")
    reader = Reader(hub.subscribe("t", last_event_id=rendered))
    (first,) = reader.ready()
    assert (first.event, first.id) == ("position", hub.position())
    assert first.json() == {"resumed": False, "missed": 0}
    await hub.publish("t", "next")
    assert data(reader.ready()) == ["next"]


async def test_page_without_a_position_may_begin_with_the_oldest_event() -> None:
    hub = in_memory()
    await hub.publish("t", "before")
    assert data(Reader(hub.subscribe("t", last_event_id="None", start="oldest")).ready()) == [
        "before"
    ]


async def test_first_page_of_an_application_has_a_position() -> None:
    async with on_an_engine() as hub:
        assert hub.position() == "one-0"


async def test_position_starts_a_hub_that_nobody_has_started() -> None:
    hub = on_an_engine()
    assert hub.position() is None
    await settle()
    assert hub.position() == "one-0"
    async with hub:  # leaving it stops the backend
        pass


async def test_application_starts_although_the_log_cannot_be_reached(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("sse_asgi.broadcast.arrival.REACH_TIMEOUT", 0.01)
    engine = Engine()
    engine.stop()
    with anyio.fail_after(WAIT):
        async with Hub(EngineBackend(engine)) as hub:
            assert hub.position() is None
            engine.start()
            assert await hub.publish("t", "x") == "one-1"
