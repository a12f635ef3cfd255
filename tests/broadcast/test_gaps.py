"""What cannot be replayed is told, never passed over in silence."""

from __future__ import annotations

from typing import Any

import pytest

from sse_asgi.broadcast import Hub, MemoryBackend

from .reading import Reader, data, gaps

pytestmark = pytest.mark.anyio


async def publish(hub: Hub, count: int, topic: str = "t") -> list[str]:
    return [await hub.publish(topic, str(number)) for number in range(count)]


def small(max_events: int = 5) -> Hub:
    return Hub(MemoryBackend(max_events=max_events))


async def test_client_that_history_does_not_reach_back_to_is_told_and_gets_the_rest() -> None:
    hub = small()
    ids = await publish(hub, 10)
    reader = Reader(hub.subscribe("t", last_event_id=ids[0]))
    events = reader.ready()
    assert gaps(events) == [{"reason": "expired", "lost": None}]
    assert events[0].id == ids[4], "the place from which it goes on"
    assert data(events) == ["5", "6", "7", "8", "9"]


async def test_client_at_the_very_edge_of_history_has_no_gap() -> None:
    hub = small()
    ids = await publish(hub, 10)
    assert gaps(Reader(hub.subscribe("t", last_event_id=ids[4])).ready()) == []
    assert gaps(Reader(hub.subscribe("t", last_event_id=ids[3])).ready()) != []


async def test_client_of_a_quiet_topic_has_no_gap_because_others_were_busy() -> None:
    hub = small()
    quiet = Reader(hub.subscribe("quiet"))
    last = await hub.publish("quiet", "last")
    assert data(quiet.ready()) == ["last"]
    await publish(hub, 3)
    await hub.publish("quiet", "next")
    await publish(hub, 3)
    assert gaps(quiet.ready()) == []
    again = Reader(hub.subscribe("quiet", last_event_id=last)).ready()
    assert (gaps(again), data(again)) == ([], ["next"])


@pytest.mark.parametrize(
    "last_event_id",
    [
        "7",
        "abc",
        "x-",
        "-1",
        "a-01",
        "a-1 ",
        "Ä-1",
        "a-" + "9" * 30,
        "0" * 100_000,
        "\0",
        "a-1\r\nx",
    ],
)
async def test_id_that_is_none_of_ours_is_unknown(last_event_id: str) -> None:
    hub = small()
    await publish(hub, 2)
    events = Reader(hub.subscribe("t", last_event_id=last_event_id)).ready()
    assert gaps(events) == [{"reason": "unknown", "lost": None}]
    assert data(events) == ["0", "1"]


async def test_id_of_another_life_of_the_log_is_recognised() -> None:
    before, now = small(), small()
    ids = await publish(before, 2)
    await publish(now, 3)
    events = Reader(now.subscribe("t", last_event_id=ids[1])).ready()
    assert gaps(events) == [{"reason": "reset", "lost": None}]
    assert data(events) == ["0", "1", "2"]


async def test_id_of_the_future_is_unknown_and_filters_nothing_out() -> None:
    hub = small()
    (here,) = await publish(hub, 1)
    events = Reader(hub.subscribe("t", last_event_id=here[:-1] + "99")).ready()
    assert gaps(events) == [{"reason": "unknown", "lost": None}]
    assert data(events) == ["0"]


async def test_subscriber_that_history_overtakes_is_told_how_much_it_lost() -> None:
    hub = small()
    reader = Reader(hub.subscribe("t"))
    reader.ready()
    for number in range(10):
        await hub.publish("t", str(number))
        await hub.publish("other", "x")
    events = reader.ready()
    assert gaps(events) == [{"reason": "too-slow", "lost": 8}]
    assert data(events) == ["8", "9"]
    await hub.publish("t", "live")
    assert data(reader.ready()) == ["live"]


async def test_event_larger_than_the_bound_reaches_those_who_are_there_and_is_kept_alone() -> None:
    hub = Hub(MemoryBackend(max_bytes=1000))
    before = hub.position()
    live = Reader(hub.subscribe("t"))
    await publish(hub, 3)
    events = live.ready()
    large = await hub.publish("t", "x" * 2000)
    events += live.ready()
    assert gaps(events) == []
    assert data(events) == ["0", "1", "2", "x" * 2000]
    assert (len(hub.history), hub.position()) == (1, large)
    late = Reader(hub.subscribe("t", last_event_id=before)).ready()
    assert gaps(late) == [{"reason": "expired", "lost": None}]
    assert data(late) == ["x" * 2000]
    await hub.publish("t", "next")
    assert data(live.ready()) == ["next"]
    assert data(Reader(hub.subscribe("t", last_event_id=large)).ready()) == ["next"]


async def test_subscriber_that_is_overtaken_in_the_midst_of_its_backlog_is_told_the_count() -> None:
    hub = Hub(MemoryBackend(max_events=20))
    reader = Reader(hub.subscribe("t"))
    reader.ready()
    for number in range(20):
        await hub.publish("t", f"{number} {'x' * 10_000}")
    first = reader.subscription.take()
    assert first is not None
    await publish(hub, 15)
    events = reader.ready()
    (gap,) = gaps(events)
    assert gap["reason"] == "too-slow"
    assert first.events + gap["lost"] + len(data(events)) == 35


async def test_subscriber_that_goes_on_from_now_gets_only_what_comes() -> None:
    hub = small()
    ids = await publish(hub, 10)
    reader = Reader(hub.subscribe("t", last_event_id=ids[0], on_gap="now"))
    (gap,) = reader.ready()
    assert (gap.event, gap.id) == ("gap", ids[-1])
    await hub.publish("t", "live")
    assert data(reader.ready()) == ["live"]


async def test_subscriber_that_closes_on_a_gap_comes_back_after_it() -> None:
    hub = small()
    ids = await publish(hub, 10)
    reader = Reader(hub.subscribe("t", last_event_id=ids[0], on_gap="close"))
    (gap,) = reader.ready()
    assert gap.event == "gap"
    assert reader.ended
    await hub.publish("t", "since")
    again = Reader(hub.subscribe("t", last_event_id=gap.id, on_gap="close"))
    assert data(again.ready()) == ["since"]


@pytest.mark.parametrize("on_gap", ["oldest", "now", "close"])
async def test_policy_holds_for_a_live_subscriber_too(on_gap: Any) -> None:
    hub = small()
    reader = Reader(hub.subscribe("t", on_gap=on_gap))
    reader.ready()
    await publish(hub, 10)
    events = reader.ready()
    lost = 5 if on_gap == "oldest" else 10  # the others skip what is left, too
    assert gaps(events) == [{"reason": "too-slow", "lost": lost}]
    assert data(events) == (["5", "6", "7", "8", "9"] if on_gap == "oldest" else [])
    assert reader.ended is (on_gap == "close")


@pytest.mark.parametrize("options", [{"filter": bool}, {"keep_latest": lambda entry: entry}])
async def test_subscriber_that_selects_is_told_of_a_gap_without_a_number(options: Any) -> None:
    hub = small()
    reader = Reader(hub.subscribe("t", **options))
    await hub.publish("t", "first")
    reader.ready()
    await publish(hub, 10)
    events = reader.ready()
    # Nobody knows how many of the lost events it would have selected.
    assert gaps(events) == [{"reason": "too-slow", "lost": None}]
    assert data(events) == ["5", "6", "7", "8", "9"]


async def test_log_that_begins_anew_under_a_subscriber_is_a_reset() -> None:
    hub = small()
    reader = Reader(hub.subscribe("t"))
    await publish(hub, 2)
    reader.ready()
    hub.history.begin("other", 0, 0)
    events = reader.ready()
    assert gaps(events) == [{"reason": "reset", "lost": None}]
    assert events[0].id == "other-0"


async def test_history_that_grew_too_old_is_a_gap() -> None:
    now = [0.0]
    hub = Hub(MemoryBackend(max_age=60, now=lambda: now[0]))
    ids = await publish(hub, 3)
    now[0] += 30
    assert data(Reader(hub.subscribe("t", last_event_id=ids[0])).ready()) == ["1", "2"]
    now[0] += 31
    events = Reader(hub.subscribe("t", last_event_id=ids[0])).ready()
    assert gaps(events) == [{"reason": "expired", "lost": None}]
    assert gaps(Reader(hub.subscribe("t", last_event_id=ids[2])).ready()) == []
