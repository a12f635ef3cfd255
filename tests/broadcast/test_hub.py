"""What is published reaches those who subscribed, in order, with its place as its ID."""

from __future__ import annotations

import gc
from typing import Any

import anyio
import pytest

from sse_asgi import EventSourceApp, JSONServerSentEvent, ServerSentEvent
from sse_asgi.broadcast import Hub, MemoryBackend, Position, Subscription
from sse_asgi.testing import connect
from sse_asgi.wire import EncodedBatch

from .reading import WAIT, Reader, data

pytestmark = pytest.mark.anyio


async def test_published_event_reaches_every_subscriber_of_its_topic() -> None:
    hub = Hub()
    readers = [Reader(hub.subscribe("a")) for _ in range(3)]
    other = Reader(hub.subscribe("b"))
    published = await hub.publish("a", {"event": "news", "data": {"n": 1}})
    for reader in readers:
        first, event = reader.ready()
        assert first.event == "position"
        assert (event.event, event.json(), event.id) == ("news", {"n": 1}, published)
    assert data(other.ready()) == []


async def test_event_id_is_the_place_in_the_log() -> None:
    hub = Hub()
    ids = [await hub.publish(topic, "x") for topic in ("a", "b", "a")]
    positions = [Position.parse(found) for found in ids]
    assert [position and position.sequence for position in positions] == [1, 2, 3]
    assert len({position and position.epoch for position in positions}) == 1
    assert hub.position() == ids[-1]


@pytest.mark.parametrize(
    ("event", "received"),
    [
        ("text", "text"),
        ("two\nlines", "two\nlines"),
        ({"data": [1]}, "[1]"),
        (ServerSentEvent("x", comment="c"), "x"),
        (JSONServerSentEvent(None), "null"),
        (["any", "value"], '["any","value"]'),
        (7, "7"),
    ],
)
async def test_every_kind_of_event_is_published(event: object, received: str) -> None:
    hub = Hub()
    reader = Reader(hub.subscribe("t"))
    await hub.publish("t", event)
    assert data(reader.ready()) == [received]


async def test_serializer_makes_the_json() -> None:
    hub = Hub(serializer=lambda value: f"<{value}>")
    reader = Reader(hub.subscribe("t"))
    await hub.publish("t", [1])
    assert data(reader.ready()) == ["<[1]>"]


async def test_first_event_says_where_the_client_stands() -> None:
    hub = Hub()
    here = await hub.publish("t", "before")
    reader = Reader(hub.subscribe("t"))
    (first,) = reader.ready()
    assert (first.event, first.id) == ("position", here)
    assert first.json() == {"resumed": False, "missed": 0}


async def test_client_that_leaves_before_its_first_event_loses_nothing() -> None:
    hub = Hub()
    reader = Reader(hub.subscribe("t"))
    reader.ready()
    await reader.subscription.aclose()
    await hub.publish("t", "missed")
    again = Reader(hub.subscribe("t", last_event_id=reader.last_event_id))
    first, missed = again.ready()
    assert first.json() == {"resumed": True, "missed": 1}
    assert missed.data == "missed"


async def test_subscription_begins_where_it_is_made_not_where_it_is_first_read() -> None:
    hub = Hub()
    reader = Reader(hub.subscribe("t"))
    await hub.publish("t", "between")
    assert data(reader.ready()) == ["between"]


async def test_page_that_was_rendered_at_a_position_misses_nothing() -> None:
    hub = Hub()
    await hub.publish("t", "in the page")
    rendered = hub.position()
    await hub.publish("t", "since then")
    assert data(Reader(hub.subscribe("t", last_event_id=rendered)).ready()) == ["since then"]


async def test_one_id_resumes_many_topics() -> None:
    hub = Hub()
    reader = Reader(hub.subscribe("a", "b"))
    for number in range(10):
        await hub.publish("abc"[number % 3], str(number))
    events = reader.ready()
    assert data(events) == ["0", "1", "3", "4", "6", "7", "9"]
    for index, event in enumerate(events):
        again = Reader(hub.subscribe("b", "a", last_event_id=event.id)).ready()
        assert data(again) == data(events[index + 1 :])


async def test_what_was_published_together_arrives_joined() -> None:
    hub = Hub()
    subscriptions = [hub.subscribe("t") for _ in range(2)]
    for subscription in subscriptions:
        subscription.take()
    for number in range(10):
        await hub.publish("t", str(number))
    first, second = (subscription.take() for subscription in subscriptions)
    assert first is not None
    assert first.events == 10
    assert first is second, "joined once for all that stand at the same place"


async def test_backlog_is_joined_in_bounded_pieces() -> None:
    hub = Hub()
    subscription = hub.subscribe("t")
    subscription.take()
    for number in range(30):
        await hub.publish("t", f"{number} {'x' * 10_000}")
    bodies = []
    while (batch := subscription.take()) is not None:
        bodies.append(batch)
    assert max(len(batch.body) for batch in bodies) < 80_000
    assert sum(batch.events for batch in bodies) == 30


async def test_filter_leaves_out_what_it_does_not_want() -> None:
    hub = Hub()
    seen = []

    def even(entry: Any) -> bool:
        seen.append((entry.topic, entry.event.data, str(entry.position)))
        return int(entry.event.data) % 2 == 0

    reader = Reader(hub.subscribe("t", filter=even))
    ids = [await hub.publish("t", str(number)) for number in range(5)]
    assert data(reader.ready()) == ["0", "2", "4"]
    assert seen == [("t", str(number), ids[number]) for number in range(5)]
    await hub.publish("t", "5")
    assert reader.ready() == []
    assert reader.subscription.backlog == 0


async def test_filter_that_fails_fails_the_stream() -> None:
    hub = Hub()
    subscription = hub.subscribe("t", filter=lambda entry: 1 / 0)
    await hub.publish("t", "x")
    subscription.take()
    with pytest.raises(ZeroDivisionError):
        subscription.take()


async def test_filter_may_publish() -> None:
    hub = Hub()
    reader = Reader(hub.subscribe("t", filter=lambda entry: hub.publish_threadsafe("u", "x")))
    await hub.publish("t", "x")
    assert data(reader.ready()) == ["x"]


async def test_of_a_backlog_only_the_newest_of_each_key_is_sent() -> None:
    hub = Hub()
    reader = Reader(hub.subscribe("t", keep_latest=lambda entry: entry.event.event))
    for price, name in enumerate("aabacab"):
        await hub.publish("t", {"event": name, "data": price})
    assert data(reader.ready()) == ["4", "5", "6"]
    await hub.publish("t", {"event": "a", "data": 7})
    assert data(reader.ready()) == ["7"]


async def test_newest_of_each_key_is_sent_however_large_the_backlog() -> None:
    hub = Hub()
    reader = Reader(hub.subscribe("t", keep_latest=lambda entry: entry.event.event))
    reader.ready()
    for number in range(60):
        await hub.publish("t", {"event": f"key {number % 20}", "data": f"{number} {'x' * 9_000}"})
    first = reader.subscription.take()
    assert first is not None
    assert first.events < 20
    await hub.publish("t", {"event": "key 19", "data": "newer"})
    rest = data(reader.ready())
    assert first.events + len(rest) == 20
    assert rest[-1] == "newer"
    assert len({text.split()[0] for text in rest}) == len(rest)


async def test_subscription_is_content_of_a_stream() -> None:
    hub = Hub()
    app = EventSourceApp(lambda c: hub.subscribe("t", last_event_id=c.last_event_id))
    async with connect(app) as events:
        assert (await events.receive()).event == "position"
        await hub.publish("t", "one")
        assert (await events.receive()).data == "one"
    await hub.publish("t", "two")
    async with connect(app, last_event_id=events.last_event_id) as events:
        assert (await events.receive()).json() == {"resumed": True, "missed": 1}
        assert (await events.receive()).data == "two"


async def test_subscription_is_an_asynchronous_iterator_of_batches() -> None:
    hub = Hub()
    subscription = hub.subscribe("t")
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(hub.publish, "t", "later")
        with anyio.fail_after(WAIT):
            batches = [await anext(subscription)]
            while sum(batch.events for batch in batches) < 2:
                batches.append(await anext(subscription))
    assert all(isinstance(batch, EncodedBatch) for batch in batches)
    await subscription.aclose()
    with pytest.raises(StopAsyncIteration):
        await anext(subscription)


async def test_subscription_that_is_closed_ends_for_the_task_that_waits() -> None:
    subscription = Hub().subscribe("t")
    await anext(subscription)
    ended: list[list[EncodedBatch]] = []

    async def wait() -> None:
        ended.append([batch async for batch in subscription])

    with anyio.fail_after(WAIT):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(wait)
            await anyio.wait_all_tasks_blocked()
            await subscription.aclose()
    assert ended == [[]]


async def test_subscriber_is_woken_once_for_all_that_is_published_meanwhile() -> None:
    hub = Hub()
    subscription = hub.subscribe("t")
    subscription.take()
    woken = []
    called = anyio.Event()

    def wake() -> None:
        woken.append(subscription.take())
        called.set()

    subscription.when_ready(wake)
    for number in range(10):
        await hub.publish("t", str(number))
    assert not woken, "never from within publish"
    with anyio.fail_after(WAIT):
        await called.wait()
    await anyio.wait_all_tasks_blocked()
    assert [batch and batch.events for batch in woken] == [10]


async def test_subscriber_that_withdraws_is_not_woken() -> None:
    hub = Hub()
    subscription = hub.subscribe("t")
    subscription.take()
    woken: list[str] = []
    subscription.when_ready(lambda: woken.append("woken"))
    subscription.when_ready(None)
    await hub.publish("t", "x")
    await anyio.wait_all_tasks_blocked()
    assert woken == []


async def test_event_published_twice_with_one_token_is_in_the_log_once() -> None:
    now = [0.0]
    hub = Hub(MemoryBackend(now=lambda: now[0]))
    reader = Reader(hub.subscribe("t"))
    first = await hub.publish("t", "x", token="attempt")
    assert await hub.publish("t", "x", token="attempt") == first
    assert hub.publish_threadsafe("t", "x", token="attempt") == first
    assert data(reader.ready()) == ["x"]
    now[0] += 121
    assert await hub.publish("t", "x", token="attempt") != first


async def test_hub_leaves_nothing_of_those_who_have_left() -> None:
    hub = Hub()
    for number in range(50):
        subscription = hub.subscribe(f"user {number}", "all")
        subscription.take()
        await subscription.aclose()
    assert hub.snapshot().subscribers == 0
    assert list(hub.history.topics) == []


async def test_subscription_that_was_dropped_without_being_closed_is_forgotten() -> None:
    hub = Hub()
    hub.subscribe("t").take()
    gc.collect()
    await hub.publish("t", "x")
    assert hub.snapshot().subscribers == 0
    reader = Reader(hub.subscribe("t"))
    await hub.publish("t", "y")
    assert data(reader.ready()) == ["y"]


async def test_topics_of_subscriptions_that_were_dropped_do_not_pile_up() -> None:
    hub = Hub()
    kept = Reader(hub.subscribe("kept"))
    kept.ready()
    for number in range(1000):
        hub.subscribe(f"job {number}").take()  # as a generator does that loops over it and returns
    gc.collect()
    hub.subscribe("one more").take()
    assert len(hub.history.topics) < 200
    assert hub.snapshot().subscribers <= 2
    await hub.publish("kept", "x")
    assert data(kept.ready()) == ["x"]


async def test_snapshot_tells_what_there_is() -> None:
    hub = Hub(MemoryBackend(max_events=3))
    first = Reader(hub.subscribe("a"))
    first.ready()
    second = hub.subscribe("a", "b")
    second.take()
    for topic in "abaab":
        await hub.publish(topic, "x")
    first.ready()
    found = hub.snapshot()
    assert found.position == hub.position()
    assert found.oldest == hub.position().replace("-5", "-2")  # type: ignore[union-attr]
    assert found.topics == {"a": 2, "b": 1}
    assert (found.events, found.subscribers, found.backlog) == (3, 2, 5)
    assert found.bytes == sum(len(entry.block) for entry in hub.history)
    assert (found.gaps, found.lost) == (1, 1)
    assert found.silence == hub.health() == 0


async def test_hub_in_memory_needs_no_care_but_takes_it() -> None:
    async with Hub() as hub:
        async with hub:
            await hub.publish("t", "x")
        await hub.publish("t", "x")


@pytest.mark.parametrize(
    ("arguments", "error", "rule"),
    [
        (("", "x"), ValueError, "topic must not be empty"),
        ((7, "x"), TypeError, "topic must be a str"),
        (("t", None), TypeError, "an item is"),
        (("t", b"data: x\n\n"), TypeError, "event must not be encoded already"),
        (("t", EncodedBatch(b"data: x\n\n", 1)), TypeError, "event must not be encoded already"),
        (("t", ServerSentEvent("x", id="7")), ValueError, "id must not be given"),
        (("t", {"data": "x", "id": "7"}), ValueError, "id must not be given"),
        (("t", ServerSentEvent(retry=7)), ValueError, "data must be given"),
        (("t", {"comment": "c"}), ValueError, "data must be given"),
        (("t", {"dta": "x"}), TypeError, "unknown field 'dta'"),
        (("t", float("nan")), ValueError, "cannot be sent as JSON"),
        (
            ("t", {"data": {1}, "event": "e"}),
            TypeError,
            r"data of .'data': .1., 'event': 'e'. cannot",
        ),
        (("t", {"data": "x", "retry": "5"}), TypeError, "retry must be an int"),
    ],
)
async def test_event_that_cannot_be_published_is_refused(
    arguments: tuple[Any, ...], error: type[Exception], rule: str
) -> None:
    hub = Hub()
    with pytest.raises(error, match=rule):
        await hub.publish(*arguments)
    with pytest.raises(error, match=rule):
        hub.publish_threadsafe(*arguments)
    assert len(hub.history) == 0


@pytest.mark.parametrize("token", [7, b"x"])
async def test_token_that_is_no_text_is_refused(token: Any) -> None:
    with pytest.raises(TypeError, match="token must be a str"):
        await Hub().publish("t", "x", token=token)
    with pytest.raises(ValueError, match="token must not be empty"):
        await Hub().publish("t", "x", token="")


@pytest.mark.parametrize(
    ("topics", "options", "error", "rule"),
    [
        ((), {}, ValueError, "topics must name at least one"),
        (("a", ""), {}, ValueError, "topic must not be empty"),
        ((["a"],), {}, TypeError, "topic must be a str"),
        (("a",), {"last_event_id": 7}, TypeError, "last_event_id must be a str"),
        (("a",), {"filter": "x"}, TypeError, "filter must be callable"),
        (("a",), {"keep_latest": "x"}, TypeError, "keep_latest must be callable"),
        (("a",), {"on_gap": "ignore"}, ValueError, "on_gap must be"),
    ],
)
async def test_subscription_to_nonsense_is_refused(
    topics: Any, options: Any, error: type[Exception], rule: str
) -> None:
    with pytest.raises(error, match=rule):
        Hub().subscribe(*topics, **options)


async def test_hub_without_a_log_is_refused() -> None:
    with pytest.raises(TypeError, match="backend must keep a log"):
        Hub("redis://localhost")  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="serializer must be callable"):
        Hub(serializer="json")  # type: ignore[arg-type]


async def test_subscription_is_made_by_the_hub() -> None:
    assert isinstance(Hub().subscribe("t"), Subscription)
