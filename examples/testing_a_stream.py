# /// script
# requires-python = ">=3.11"
# dependencies = ["sse-asgi", "pytest", "pytest-timeout", "trio"]
# [tool.uv.sources]
# sse-asgi = { path = ".." }
# ///
"""How to test an endless event stream: python examples/testing_a_stream.py, or pytest with it."""

from collections.abc import AsyncIterator

import anyio
import pytest

from sse_asgi import Connection, EventSourceApp
from sse_asgi.testing import EventClient, VirtualClock, connect, connect_sync


async def news(connection: Connection) -> AsyncIterator[dict[str, str]]:
    first = int(connection.last_event_id or 0) + 1
    for number in range(first, first + 3):
        yield {"id": str(number), "event": "headline", "data": f"news {number}"}
    await anyio.sleep_forever()


app = EventSourceApp(news, ping=15, send_timeout=30)


@pytest.fixture
async def events() -> AsyncIterator[EventClient]:
    async with connect(app, "/news", last_event_id="7") as events:
        yield events


@pytest.mark.anyio
async def test_a_client_goes_on_from_its_last_event(events: EventClient) -> None:
    event = await events.receive()
    assert (event.id, event.event, event.data) == ("8", "headline", "news 8")
    await events.reconnect()
    assert (await events.receive()).id == "9"


@pytest.mark.anyio
async def test_a_silent_stream_is_kept_alive() -> None:
    with VirtualClock() as clock:
        async with connect(app) as events:
            await clock.advance(45)
            assert len(events.comments) == 3


@pytest.mark.anyio
async def test_a_client_that_does_not_read_is_given_up() -> None:
    with VirtualClock() as clock:
        async with connect(app) as events:
            events.pause()
            await clock.advance(15 + 30)
            await events.returned()


def test_no_async_is_needed() -> None:
    with connect_sync(app, "/news") as events:
        assert [events.receive().id, events.receive().id] == ["1", "2"]


if __name__ == "__main__":
    raise SystemExit(pytest.main([__file__, "-Wdefault"]))
