"""A hub whose log is kept elsewhere: it runs in one event loop, and memory is not the whole log."""

from __future__ import annotations

import logging
from typing import Any

import anyio
import pytest
from anyio.lowlevel import checkpoint

from sse_asgi import Refusal
from sse_asgi.broadcast import Backend, Hub, Page, Position
from sse_asgi.testing import settle

from .engine import Engine, EngineBackend
from .reading import WAIT, Reader, data, gaps

pytestmark = pytest.mark.anyio


def hub_on(engine: Engine, **options: Any) -> Hub:
    return Hub(EngineBackend(engine, **options))


async def publish(hub: Hub, count: int) -> list[str]:
    return [await hub.publish("t", str(number)) for number in range(count)]


async def read(reader: Reader, last: str) -> list[Any]:
    """Read until ``last`` has arrived."""
    return await reader.until(lambda event: event.data == last)


async def test_test_backend_is_one() -> None:
    assert isinstance(EngineBackend(Engine()), Backend)


async def test_published_in_one_hub_and_received_from_another() -> None:
    engine = Engine()
    async with hub_on(engine) as here, hub_on(engine) as there:
        reader = Reader(there.subscribe("t"))
        first = await reader.next()
        published = await here.publish("t", "x")
        (event,) = await reader.next()
        assert (event.data, event.id) == ("x", published)
        assert first[0].event == "position"
        assert there.health() < WAIT


async def test_hub_starts_by_itself_where_nobody_starts_it() -> None:
    engine = Engine()
    hub = hub_on(engine)
    reader = Reader(hub.subscribe("t"))
    assert (await reader.next())[0].event == "position"
    await hub.publish("t", "x")
    assert data(await read(reader, "x")) == ["x"]
    assert hub.backend.runs == 1  # type: ignore[attr-defined]


async def test_publishing_starts_it_too() -> None:
    engine = Engine()
    assert await hub_on(engine).publish("t", "x") == "one-1"


async def test_hub_that_was_entered_stops_with_the_block() -> None:
    hub = hub_on(Engine())
    async with hub:
        await hub.publish("t", "x")
        assert hub._service.is_here
    assert not hub._service.is_here


async def test_what_memory_does_not_reach_back_to_comes_from_the_engine() -> None:
    engine = Engine()
    async with hub_on(engine) as hub:
        ids = await publish(hub, 1200)
        reader = Reader(hub.subscribe("t", last_event_id=ids[0]))
        events = await read(reader, "1199")
        assert events[0].json() == {"resumed": True, "missed": None}
        assert data(events) == [str(number) for number in range(1, 1200)] or gaps(events)
        assert data(events)[-900:] == [str(number) for number in range(300, 1200)]


async def test_every_place_in_the_log_resumes_without_a_hole() -> None:
    engine = Engine()
    async with hub_on(engine) as hub:
        ids = await publish(hub, 20)
        for index, last_event_id in enumerate(ids[:-1]):
            events = await read(Reader(hub.subscribe("t", last_event_id=last_event_id)), "19")
            assert gaps(events) == []
            assert data(events) == [str(number) for number in range(index + 1, 20)]


async def test_filter_and_keep_latest_hold_for_what_comes_from_the_engine() -> None:
    engine = Engine()
    async with hub_on(engine) as hub:
        ids = [await hub.publish("tu"[number % 2], str(number)) for number in range(40)]
        even = hub.subscribe("t", last_event_id=ids[0], filter=lambda e: e.sequence % 4 == 1)
        assert data(await read(Reader(even), "36")) == [str(n) for n in range(4, 40, 4)]
        newest = hub.subscribe(
            "t", "u", last_event_id=ids[0], keep_latest=lambda entry: entry.topic
        )
        events = await read(Reader(newest), "39")
        assert data(events)[-2:] == ["38", "39"]
        assert len(data(events)) <= 6


async def test_engine_that_let_go_of_the_events_is_a_gap() -> None:
    engine = Engine(capacity=10)
    async with hub_on(engine) as hub:
        ids = await publish(hub, 30)
        events = await read(Reader(hub.subscribe("t", last_event_id=ids[3])), "29")
        assert gaps(events) == [{"reason": "expired", "lost": None}]
        assert data(events) == [str(number) for number in range(20, 30)]


@pytest.mark.parametrize(
    ("last_event_id", "reason"),
    [("other-3", "reset"), ("one-99", "unknown"), ("nonsense", "unknown")],
)
async def test_foreign_id_is_one_gap_and_then_all_that_the_engine_has(
    last_event_id: str, reason: str
) -> None:
    engine = Engine(capacity=10)
    async with hub_on(engine) as hub:
        await publish(hub, 30)
        events = await read(Reader(hub.subscribe("t", last_event_id=last_event_id)), "29")
        assert gaps(events) == [{"reason": reason, "lost": None}]
        assert data(events) == [str(number) for number in range(20, 30)]


async def test_slow_subscriber_is_served_from_the_engine_without_a_gap() -> None:
    engine = Engine()
    async with hub_on(engine) as hub:
        reader = Reader(hub.subscribe("t"))
        await reader.next()
        await publish(hub, 50)
        events = await read(reader, "49")
        assert (gaps(events), data(events)) == ([], [str(number) for number in range(50)])


async def test_thousand_that_come_back_to_one_place_cost_one_read() -> None:
    engine = Engine()
    async with hub_on(engine) as hub:
        ids = await publish(hub, 20)
        await settle()
        readers = [Reader(hub.subscribe("t", last_event_id=ids[0])) for _ in range(1000)]
        before = engine.reads
        for reader in readers:
            reader.ready()
        for reader in readers:
            assert data(await read(reader, "19"))[-1] == "19"
        assert engine.reads - before <= 3


async def test_log_that_was_lost_is_a_reset_for_everybody() -> None:
    engine = Engine()
    async with hub_on(engine) as hub:
        reader = Reader(hub.subscribe("t"))
        await reader.next()
        ids = await publish(hub, 5)
        await read(reader, "4")
        engine.flush()
        engine.append("t", b"data: new\n\n", None)
        events = await read(reader, "new")
        assert gaps(events) == [{"reason": "reset", "lost": None}]
        again = await read(Reader(hub.subscribe("t", last_event_id=ids[-1])), "new")
        assert gaps(again) == [{"reason": "reset", "lost": None}]
        assert data(again) == ["new"]


async def test_subscribers_stay_while_the_engine_is_away_and_catch_up() -> None:
    engine = Engine()
    async with hub_on(engine) as hub:
        reader = Reader(hub.subscribe("t"))
        await reader.next()
        ids = await publish(hub, 10)
        await read(reader, "9")
        engine.stop()
        returned = Reader(hub.subscribe("t", last_event_id=ids[0]))
        assert [event.event for event in returned.ready()] == ["position"]
        await settle()
        assert reader.ready() == returned.ready() == []
        engine.start()
        await hub.publish("t", "again")
        assert data(await read(reader, "again")) == ["again"]
        expected = [*(str(number) for number in range(1, 10)), "again"]
        assert data(await read(returned, "again")) == expected


async def test_subscriber_that_comes_before_the_engine_waits_for_it() -> None:
    engine = Engine()
    engine.stop()
    async with hub_on(engine) as hub:
        reader = Reader(hub.subscribe("t"))
        assert reader.ready() == []
        assert hub.position() is None
        assert hub.snapshot().position is None
        engine.start()
        assert (await reader.next())[0].json() == {"resumed": False, "missed": 0}


async def test_backend_that_fails_for_good_fails_the_streams_not_silently(
    caplog: pytest.LogCaptureFixture,
) -> None:
    engine = Engine()
    hub = hub_on(engine)
    reader = Reader(hub.subscribe("t"))
    await reader.next()
    engine.fail(OSError("too old"))
    with (
        caplog.at_level(logging.ERROR, "sse_asgi"),
        pytest.raises(RuntimeError, match="backend of the hub failed") as caught,
    ):
        await reader.next()
    assert isinstance(caught.value.__cause__, OSError)
    assert [record.message for record in caplog.records] == ["the backend of a hub failed"]


async def test_backend_that_fails_for_good_ends_the_block_that_runs_it() -> None:
    engine = Engine()
    with pytest.raises(ExceptionGroup) as caught:
        async with hub_on(engine):
            await settle()
            engine.fail(OSError("too old"))
            await anyio.sleep(WAIT)
    assert caught.group_contains(OSError, match="too old")


async def test_one_hub_entered_twice_runs_once() -> None:
    engine = Engine()
    hub = hub_on(engine)
    async with hub:
        async with hub:
            await hub.publish("t", "x")
        await settle()
        assert hub.backend.runs == 1  # type: ignore[attr-defined]


async def test_position_is_that_of_the_log() -> None:
    engine = Engine()
    async with hub_on(engine) as hub:
        published = await hub.publish("t", "x")
        await read(Reader(hub.subscribe("t", last_event_id="one-0")), "x")
        assert hub.position() == published == str(Position("one", 1))


class LaggingBackend(EngineBackend):
    """A backend that hears of what is in the log when the test says so, or when it is asked."""

    async def run(self) -> None:
        engine = self.engine
        self.history.begin(engine.epoch, 0, engine.tip, self._entries(engine.after(0)))
        await anyio.sleep_forever()

    def hear(self, most: int = 1000) -> None:
        """Append so many entries."""
        self.history.append(*self._entries(self.engine.after(self.history.tip)[:most]))

    async def read(self, after: Position, limit: int) -> Page:
        self.hear(1)
        return await super().read(after, limit)


async def test_topic_in_a_busy_log_is_not_absent_for_a_process_that_lags() -> None:
    engine = Engine()
    engine.append("other", b"data: 1\n\n", None)
    backend = LaggingBackend(engine)
    hub = Hub(backend)
    async with hub, anyio.create_task_group() as tasks:
        engine.append("other", b"data: 2\n\n", None)
        engine.append("topic", b"data: here\n\n", None, first=True)
        content = hub.subscribe("topic", start="oldest", absent=Refusal(404))
        tasks.start_soon(Reader(content).until, lambda event: event.data == "here")
        while not engine.reads:
            await checkpoint()
        for _ in range(20):  # it would be refused by then
            await checkpoint()
        backend.hear()
