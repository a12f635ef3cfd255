"""Content of a hub, read event by event."""

from __future__ import annotations

import pytest

from sse_asgi import Refusal
from sse_asgi.broadcast import Hub, Runs, decoded

pytestmark = pytest.mark.anyio


async def test_events_of_a_topic_are_decoded_until_its_end() -> None:
    async with Hub() as hub:
        await hub.publish("job", {"event": "step", "data": "1"})
        await hub.publish("job", {"event": "done", "data": "é"}, last=True)
        async with decoded(hub.subscribe("job", start="oldest")) as events:
            found = [(event.event, event.data) async for event in events]
    assert found[1:] == [("step", "1"), ("done", "é")]
    assert found[0][0] == "position"


async def test_content_is_closed_when_the_block_is_left() -> None:
    async with Hub() as hub:
        async with decoded(hub.subscribe("news")) as events:
            assert (await anext(events)).event == "position"
            assert hub.snapshot().subscribers == 1
        assert hub.snapshot().subscribers == 0


async def test_event_of_any_size_is_read() -> None:
    async with Hub() as hub:
        text = "x" * 2_000_000
        await hub.publish("news", text, last=True)
        async with decoded(hub.subscribe("news", start="oldest")) as events:
            assert [event.data async for event in events][-1] == text


async def test_refusal_of_the_content_reaches_the_reader() -> None:
    runs = Runs(Hub())
    async with runs.hub, runs:
        with pytest.raises(Refusal):
            async with decoded(runs.follow("unknown")) as events:
                await anext(events)
