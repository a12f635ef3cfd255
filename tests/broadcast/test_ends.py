"""The end of a topic: its streams end, those who have it stay away, and nothing follows it."""

from __future__ import annotations

import signal
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import anyio
import pytest
from anyio.lowlevel import checkpoint

from sse_asgi import CloseReason, EventSourceApp, Refusal, StreamSummary, TopicEnded, TopicExists
from sse_asgi.broadcast import Hub, MemoryBackend
from sse_asgi.broadcast.log.lifetimes import MOST_MARKS
from sse_asgi.testing import NotAnEventStream, StreamEnded, connect

from .engine import Engine, EngineBackend
from .reading import WAIT, Reader, data, gaps

pytestmark = pytest.mark.anyio

Make = Callable[[], Hub]


@pytest.fixture(params=["memory", "engine"])
def make(request: pytest.FixtureRequest) -> Make:
    """Return what makes hubs on one log: one in memory, or any number on an engine."""
    if request.param == "memory":
        hub = Hub()
        return lambda: hub
    engine = Engine()
    return lambda: Hub(EngineBackend(engine))


@pytest.fixture
def hub(make: Make) -> Hub:
    return make()


async def rest(reader: Reader) -> list[Any]:
    """Read until the subscription ends."""
    found: list[Any] = []
    with anyio.fail_after(WAIT):
        while True:
            try:
                found += await reader.next()
            except StopAsyncIteration:
                return found


async def refused(hub: Hub, *topics: str, last_event_id: str) -> bool:
    """Tell whether a client that comes back is told to stay away."""
    try:
        await Reader(hub.subscribe(*topics, last_event_id=last_event_id)).next()
    except Refusal as exc:
        assert exc.status == 204
        return True
    return False


async def publish(hub: Hub, count: int, topic: str = "t") -> list[str]:
    return [await hub.publish(topic, str(number)) for number in range(count)]


async def test_followers_get_the_rest_and_then_the_end(hub: Hub) -> None:
    readers = [Reader(hub.subscribe("t")) for _ in range(3)]
    for reader in readers:
        await reader.next()
    await publish(hub, 3)
    await hub.publish("t", "last", last=True)
    for reader in readers:
        assert data(await rest(reader)) == ["0", "1", "2", "last"]


async def test_follower_that_waits_is_woken_for_the_end(hub: Hub) -> None:
    reader = Reader(hub.subscribe("t"))
    await reader.next()
    found: list[Any] = []

    async def read() -> None:
        found.extend(await rest(reader))

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(read)
        await anyio.wait_all_tasks_blocked()
        await hub.publish("t", "last", last=True)
    assert data(found) == ["last"]


async def test_client_that_has_the_last_event_is_told_to_stay_away(hub: Hub) -> None:
    ids = await publish(hub, 3)
    last = await hub.publish("t", "last", last=True)
    later = await hub.publish("other", "x")
    assert await refused(hub, "t", last_event_id=last)
    assert await refused(hub, "t", last_event_id=later)
    assert not await refused(hub, "t", last_event_id=ids[-1])


async def test_client_that_comes_later_gets_the_rest_and_then_the_end(hub: Hub) -> None:
    ids = await publish(hub, 3)
    await hub.publish("t", "last", last=True)
    await hub.publish("other", "x")
    reader = Reader(hub.subscribe("t", last_event_id=ids[0]))
    assert data(await rest(reader)) == ["1", "2", "last"]
    assert await refused(hub, "t", last_event_id=reader.last_event_id)


async def test_newcomer_at_an_ended_topic_gets_the_end_and_stays_away(hub: Hub) -> None:
    await publish(hub, 3)
    last = await hub.publish("t", "last", last=True)
    with anyio.fail_after(WAIT):
        while hub.position() != last:
            await checkpoint()
    for start, expected in (("now", []), ("oldest", ["0", "1", "2", "last"])):
        reader = Reader(hub.subscribe("t", start=start))  # type: ignore[arg-type]
        assert data(await rest(reader)) == expected
        assert await refused(hub, "t", last_event_id=reader.last_event_id)


@pytest.mark.parametrize("last_event_id", ["nonsense", "other-3"])
async def test_client_with_a_foreign_id_gets_a_gap_and_the_end(
    hub: Hub, last_event_id: str
) -> None:
    await hub.publish("t", "last", last=True)
    reader = Reader(hub.subscribe("t", last_event_id=last_event_id))
    events = await rest(reader)
    assert (len(gaps(events)), data(events)) == (1, ["last"])
    assert await refused(hub, "t", last_event_id=reader.last_event_id)


async def test_several_topics_end_when_the_last_of_them_does(hub: Hub) -> None:
    reader = Reader(hub.subscribe("a", "b"))
    await reader.next()
    end_of_a = await hub.publish("a", "1", last=True)
    assert data(await reader.until(lambda event: event.data == "1")) == ["1"]
    assert not await refused(hub, "a", "b", last_event_id=end_of_a)
    await hub.publish("b", "2")
    end_of_b = await hub.publish("b", "3", last=True)
    assert data(await rest(reader)) == ["2", "3"]
    assert await refused(hub, "a", "b", last_event_id=end_of_b)
    late = Reader(hub.subscribe("b", "a", last_event_id=end_of_a))
    assert data(await rest(late)) == ["2", "3"]


async def test_filtered_client_ends_with_an_id_that_keeps_it_away(hub: Hub) -> None:
    reader = Reader(hub.subscribe("t", filter=lambda entry: entry.event.data == "0"))
    await reader.next()
    await publish(hub, 3)
    await hub.publish("t", "last", last=True)
    assert data(await rest(reader)) == ["0"]
    assert await refused(hub, "t", last_event_id=reader.last_event_id)


async def test_client_that_wants_the_newest_of_each_key_gets_it_and_the_end(hub: Hub) -> None:
    reader = Reader(hub.subscribe("t", keep_latest=lambda entry: entry.topic))
    await reader.next()
    await hub.publish("t", "old")
    await hub.publish("t", "last", last=True)
    assert data(await rest(reader))[-1] == "last"


async def test_ended_topic_takes_nothing_more(make: Make) -> None:
    one, other = make(), make()
    await one.publish("t", "last", last=True)
    for hub in (one, other):
        for options in ({}, {"last": True}, {"token": "new"}):
            with pytest.raises(TopicEnded, match="topic 't' has ended") as caught:
                await hub.publish("t", "more", **options)
            assert caught.value.topic == "t"
    reader = Reader(one.subscribe("t", start="oldest"))
    assert data(await rest(reader)) == ["last"]


async def test_last_event_that_is_repeated_with_its_token_is_no_error(hub: Hub) -> None:
    published = await hub.publish("t", "last", last=True, token="attempt")
    assert await hub.publish("t", "last", last=True, token="attempt") == published


async def test_topic_is_begun_once(make: Make) -> None:
    one, other = make(), make()
    begun = await one.publish("t", "begun", first=True, token="attempt")
    assert await other.publish("t", "begun", first=True, token="attempt") == begun
    for hub in (one, other):
        with pytest.raises(TopicExists, match="topic 't' was begun already") as caught:
            await hub.publish("t", "begun", first=True)
        assert caught.value.topic == "t"
    await other.publish("t", "more")
    await other.publish("t", "last", last=True)
    with pytest.raises(TopicExists):
        await one.publish("t", "begun", first=True)


async def test_one_of_many_that_begin_a_topic_at_once_succeeds(make: Make) -> None:
    begun: list[str] = []

    async def begin(hub: Hub) -> None:
        with suppress(TopicExists):
            begun.append(await hub.publish("t", "begun", first=True))

    async with anyio.create_task_group() as tasks:
        for _ in range(20):
            tasks.start_soon(begin, make())
    assert len(begun) == 1


async def test_event_may_be_the_first_and_the_last(hub: Hub) -> None:
    published = await hub.publish("t", "all", first=True, last=True)
    assert data(await rest(Reader(hub.subscribe("t", start="oldest")))) == ["all"]
    assert await refused(hub, "t", last_event_id=published)


async def test_oldest_begins_where_the_topic_was_begun(hub: Hub) -> None:
    await publish(hub, 2, "before")
    await hub.publish("t", "begun", first=True)
    await publish(hub, 3)
    reader = Reader(hub.subscribe("t", start="oldest"))
    events = await reader.until(lambda event: event.data == "2")
    assert (data(events), gaps(events)) == (["begun", "0", "1", "2"], [])
    assert events[0].json()["resumed"] is False


async def test_oldest_of_other_topics_is_all_that_there_is_without_a_gap(hub: Hub) -> None:
    await publish(hub, 8)
    reader = Reader(hub.subscribe("t", "u", start="oldest"))
    events = await reader.until(lambda event: event.data == "7")
    assert (data(events), gaps(events)) == ([str(number) for number in range(8)], [])


async def test_start_says_nothing_to_a_client_that_comes_back(hub: Hub) -> None:
    ids = await publish(hub, 3)
    reader = Reader(hub.subscribe("t", last_event_id=ids[1], start="oldest"))
    assert data(await reader.until(lambda event: event.data == "2")) == ["2"]


async def test_beginning_that_history_has_forgotten_is_a_gap() -> None:
    hub = Hub(MemoryBackend(max_events=3))
    await hub.publish("t", "begun", first=True)
    await publish(hub, 5)
    events = Reader(hub.subscribe("t", start="oldest")).ready()
    assert gaps(events) == [{"reason": "expired", "lost": None}]
    assert data(events) == ["2", "3", "4"]


async def test_end_is_known_when_history_has_forgotten_it() -> None:
    hub = Hub(MemoryBackend(max_events=3))
    first = await hub.publish("t", "one")
    last = await hub.publish("t", "last", last=True)
    await publish(hub, 5, "other")
    assert await refused(hub, "t", last_event_id=last)
    reader = Reader(hub.subscribe("t", last_event_id=first))
    events = reader.ready()
    assert (gaps(events), data(events)) == ([{"reason": "expired", "lost": None}], [])
    assert reader.ended
    assert await refused(hub, "t", last_event_id=reader.last_event_id)
    with pytest.raises(TopicEnded):
        await hub.publish("t", "more")
    unknown = Reader(hub.subscribe("never", start="oldest"))
    unknown.ready()
    assert not unknown.ended


async def test_slow_client_that_history_overtakes_is_told_and_ends() -> None:
    hub = Hub(MemoryBackend(max_events=3))
    reader = Reader(hub.subscribe("t"))
    reader.ready()
    await publish(hub, 5)
    await hub.publish("t", "last", last=True)
    events = reader.ready()
    assert (data(events), gaps(events)) == (["3", "4", "last"], [{"reason": "too-slow", "lost": 3}])
    assert reader.ended


async def test_ends_are_remembered_up_to_a_bound() -> None:
    hub = Hub(MemoryBackend(max_events=10))
    for number in range(MOST_MARKS + 1):
        await hub.publish(f"run {number}", "all", first=True, last=True)
    with pytest.raises(TopicEnded):
        await hub.publish("run 1", "more")
    await hub.publish("run 0", "as if it were new", first=True)


async def test_stream_of_an_ended_topic_is_completed() -> None:
    hub = Hub()
    summaries: list[StreamSummary] = []
    app = EventSourceApp(
        lambda c: hub.subscribe("t", last_event_id=c.last_event_id), on_close=summaries.append
    )
    async with connect(app) as client:
        await client.receive()
        await hub.publish("t", "last", last=True)
        assert (await client.receive()).data == "last"
        with pytest.raises(StreamEnded):
            await client.receive()
    assert [summary.reason for summary in summaries] == [CloseReason.COMPLETED]
    again = connect(app, last_event_id=client.last_event_id)
    with pytest.raises(NotAnEventStream, match="204"):
        async with again:
            await again.receive()
    assert summaries[-1].reason is CloseReason.REFUSED


async def test_generator_around_a_subscription_passes_the_refusal_on() -> None:
    hub = Hub()

    async def wrapped(connection: Any) -> Any:
        async for batch in hub.subscribe("t", last_event_id=connection.last_event_id):
            yield batch

    last = await hub.publish("t", "last", last=True)
    client = connect(EventSourceApp(wrapped), last_event_id=last)
    with pytest.raises(NotAnEventStream, match="204"):
        async with client:
            await client.receive()


async def test_head_waits_for_a_log_that_is_reached_late() -> None:
    engine = Engine()
    publisher = Hub(EngineBackend(engine))
    last = await publisher.publish("t", "last", last=True)
    engine.stop()
    hub = Hub(EngineBackend(engine))
    app = EventSourceApp(lambda c: hub.subscribe("t", last_event_id=c.last_event_id))
    statuses: list[str] = []

    async def come_back() -> None:
        client = connect(app, last_event_id=last)
        with pytest.raises(NotAnEventStream) as caught:
            async with client:
                await client.receive()
        statuses.append(str(caught.value))

    with anyio.fail_after(WAIT):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(come_back)
            await anyio.wait_all_tasks_blocked()
            assert not statuses
            engine.start()
    assert "204" in statuses[0]


async def test_client_whose_head_is_out_before_the_log_is_reached_ends_without_an_error() -> None:
    engine = Engine()
    last = await Hub(EngineBackend(engine)).publish("t", "last", last=True)
    engine.stop()
    hub = Hub(EngineBackend(engine))
    summaries: list[StreamSummary] = []
    app = EventSourceApp(
        lambda c: hub.subscribe("t", last_event_id=c.last_event_id),
        on_close=summaries.append,
        ping=0.02,
    )
    with anyio.fail_after(WAIT):
        async with connect(app, last_event_id=last) as client:
            await client.receive_comment()
            engine.start()
            with pytest.raises(StreamEnded):
                await client.receive()
    assert [summary.reason for summary in summaries] == [CloseReason.COMPLETED]


async def test_thread_ends_a_topic(hub: Hub) -> None:
    reader = Reader(hub.subscribe("t"))
    await reader.next()
    errors: list[Exception] = []

    def end() -> None:
        hub.publish_sync("t", "begun", first=True)
        hub.publish_sync("t", "last", last=True)
        for options in ({}, {"first": True}):
            try:
                hub.publish_sync("t", "more", **options)  # type: ignore[arg-type]
            except (TopicEnded, TopicExists) as exc:
                errors.append(exc)

    await anyio.to_thread.run_sync(end)
    assert data(await rest(reader)) == ["begun", "last"]
    assert [type(error) for error in errors] == [TopicEnded, TopicExists]


async def test_signal_handler_ends_a_topic_once() -> None:
    hub = Hub()
    outcomes: list[object] = []

    def end(*args: object) -> None:
        try:
            outcomes.append(hub.publish_sync("t", "last", last=True))
        except TopicEnded as exc:
            outcomes.append(exc)

    before = signal.signal(signal.SIGUSR1, end)
    try:
        with hub.history.lock:
            for _ in range(2):
                signal.raise_signal(signal.SIGUSR1)
    finally:
        signal.signal(signal.SIGUSR1, before)
    assert isinstance(outcomes[0], str)
    assert isinstance(outcomes[1], TopicEnded)
    assert [entry.is_last for entry in hub.history] == [True]


@pytest.mark.parametrize(
    ("options", "error", "rule"),
    [
        ({"first": 1}, TypeError, "first must be a bool"),
        ({"last": "yes"}, TypeError, "last must be a bool"),
    ],
)
async def test_mark_that_is_none_is_refused(
    options: Any, error: type[Exception], rule: str
) -> None:
    with pytest.raises(error, match=rule):
        await Hub().publish("t", "x", **options)
    with pytest.raises(error, match=rule):
        Hub().publish_sync("t", "x", **options)


async def test_start_that_is_none_is_refused() -> None:
    with pytest.raises(ValueError, match="start must be 'now' or 'oldest', not 'begin'"):
        Hub().subscribe("t", start="begin")  # type: ignore[arg-type]
