"""The demo's log: positions, replay, gaps, bounds."""

from __future__ import annotations

import anyio
import pytest

from sse_asgi import ServerSentEvent
from sse_asgi.demo.feed import Feed, Reader

TIMEOUT = 5


def feed_of(count: int, *, capacity: int = 10) -> Feed:
    feed = Feed(capacity=capacity, epoch="abc")
    for number in range(1, count + 1):
        feed.publish(number, event="signal")
    return feed


async def take(reader: Reader, count: int) -> list[ServerSentEvent]:
    with anyio.fail_after(TIMEOUT):
        return [await anext(reader) for _ in range(count)]


def ids(events: list[ServerSentEvent]) -> list[str | None]:
    return [event.id for event in events]


def test_an_event_id_is_epoch_and_sequence() -> None:
    feed = feed_of(0)
    assert [feed.publish(n, event="signal").id for n in range(2)] == ["abc-1", "abc-2"]


def test_each_log_has_an_epoch_of_its_own() -> None:
    assert Feed().epoch != Feed().epoch


def test_the_log_keeps_no_more_than_its_capacity() -> None:
    feed = feed_of(25, capacity=10)
    assert (feed.oldest, feed.newest) == (16, 25)
    assert feed[16].data == 16
    for outside in (15, 26):
        with pytest.raises(IndexError, match="the log holds 16 to 25"):
            feed[outside]


def test_a_log_without_room_is_refused() -> None:
    with pytest.raises(ValueError, match="capacity must be at least 1, not 0"):
        Feed(capacity=0)


def test_an_empty_log_has_no_oldest_event() -> None:
    feed = feed_of(0)
    assert feed.oldest == feed.newest + 1


@pytest.mark.parametrize(
    ("last_event_id", "after", "reason", "lost"),
    [
        (None, 25, None, None),
        ("abc-25", 25, None, None),
        ("abc-20", 20, None, None),
        ("abc-15", 15, None, None),
        ("abc-14", 15, "expired", 1),
        ("abc-0", 15, "expired", 15),
        ("abc-26", 15, "unknown", None),
        ("def-20", 15, "restarted", None),
        ("", 15, "unknown", None),
        ("abc", 15, "unknown", None),
        ("abc-", 15, "unknown", None),
        ("abc--1", 15, "unknown", None),
        ("abc-1 ", 15, "unknown", None),
        ("abc-٣", 15, "unknown", None),
        ("abc-" + "9" * 5000, 15, "unknown", None),
    ],
)
def test_a_last_event_id_says_where_to_go_on(
    last_event_id: str | None, after: int, reason: str | None, lost: int | None
) -> None:
    position, gap = feed_of(25, capacity=10).locate(last_event_id)
    assert position == after
    assert (gap.reason, gap.lost) == (reason, lost) if gap else reason is None


@pytest.mark.anyio
async def test_a_new_reader_begins_with_the_next_event() -> None:
    feed = feed_of(3)
    with feed.follow(None) as reader:
        assert reader.welcome().data == {
            "epoch": "abc",
            "after": 3,
            "missed": 0,
            "resumed": False,
        }
        feed.publish(4, event="signal")
        assert ids(await take(reader, 1)) == ["abc-4"]


@pytest.mark.anyio
async def test_a_resumed_reader_gets_what_it_missed_and_then_what_comes() -> None:
    feed = feed_of(5)
    with feed.follow("abc-2") as reader:
        assert reader.welcome().data == {
            "epoch": "abc",
            "after": 2,
            "missed": 3,
            "resumed": True,
        }
        feed.publish(6, event="signal")
        assert ids(await take(reader, 4)) == ["abc-3", "abc-4", "abc-5", "abc-6"]


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("last_event_id", "reason", "lost"),
    [("def-7", "restarted", None), ("abc-3", "expired", 12), ("x", "unknown", None)],
)
async def test_a_gap_comes_before_the_oldest_event_that_is_kept(
    last_event_id: str, reason: str, lost: int | None
) -> None:
    with feed_of(25, capacity=10).follow(last_event_id) as reader:
        gap, event = await take(reader, 2)
    assert (gap.event, gap.data, gap.id) == ("gap", {"reason": reason, "lost": lost}, None)
    assert event.id == "abc-16"


@pytest.mark.anyio
async def test_a_reader_that_the_log_overtakes_is_told_what_it_lost() -> None:
    feed = feed_of(3, capacity=4)
    with feed.follow("abc-0") as reader:
        assert ids(await take(reader, 1)) == ["abc-1"]
        for number in range(4, 10):
            feed.publish(number, event="signal")
        gap, event = await take(reader, 2)
    assert (gap.event, gap.data) == ("gap", {"reason": "expired", "lost": 4})
    assert event.id == "abc-6"


@pytest.mark.anyio
async def test_every_waiting_reader_wakes_for_a_new_event() -> None:
    feed = feed_of(0)
    received: list[str | None] = []

    async def follow(reader: Reader) -> None:
        received.append((await anext(reader)).id)

    with anyio.fail_after(TIMEOUT):
        async with anyio.create_task_group() as tasks:
            for _ in range(3):
                tasks.start_soon(follow, feed.follow(None))
            await anyio.wait_all_tasks_blocked()
            assert received == []
            feed.publish("now", event="signal")
    assert received == ["abc-1"] * 3


@pytest.mark.anyio
async def test_a_cut_ends_the_waiting_readers_of_that_page_and_no_other() -> None:
    feed = feed_of(0)
    ended: list[str | None] = []

    async def follow(reader: Reader) -> None:
        with reader:
            async for _ in reader:
                break
            else:
                ended.append(reader.page)

    with anyio.fail_after(TIMEOUT):
        async with anyio.create_task_group() as tasks:
            for page in ("mine", "mine", "other", None):
                tasks.start_soon(follow, feed.follow(None, page))
            await anyio.wait_all_tasks_blocked()
            assert feed.cut("mine") == 2
            await anyio.wait_all_tasks_blocked()
            assert ended == ["mine", "mine"]
            assert feed.cut("mine") == 0
            feed.publish("last", event="signal")
    assert ended == ["mine", "mine"]


@pytest.mark.anyio
async def test_a_cut_does_not_wait_until_the_reader_has_caught_up() -> None:
    feed = feed_of(5)
    with feed.follow("abc-0", "mine") as reader:
        await take(reader, 1)
        feed.cut("mine")
        with pytest.raises(StopAsyncIteration):
            await take(reader, 1)


def test_a_reader_counts_while_its_block_lasts() -> None:
    feed = feed_of(0)
    reader = feed.follow(None)
    assert len(feed.readers) == 0
    with reader, feed.follow(None):
        assert len(feed.readers) == 2
    assert len(feed.readers) == 0
