"""Runs in one process: they go on without readers, and always come to an end."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from contextvars import ContextVar
from typing import Any

import anyio
import pytest
from anyio.lowlevel import checkpoint

import sse_asgi
from sse_asgi import (
    EventSourceApp,
    MessageEvent,
    Refusal,
    RunRefused,
    TopicEnded,
    TopicExists,
    UnknownRun,
)
from sse_asgi.broadcast import Hub, MemoryBackend, Runs, RunState, Subscription
from sse_asgi.broadcast.runs.message import Message
from sse_asgi.broadcast.runs.name import topic_of
from sse_asgi.broadcast.runs.state import ended_event
from sse_asgi.testing import NotAnEventStream, connect
from tests.broadcast.engine import Engine, EngineBackend
from tests.broadcast.reading import WAIT, Reader

pytestmark = pytest.mark.anyio

LEASE = 0.5


class Work:
    """A producer that a test leads."""

    def __init__(self) -> None:
        self.go = anyio.Event()
        self.begun = anyio.Event()
        self.closed = anyio.Event()
        self.begins = 0

    async def produce(self, *texts: str) -> AsyncIterator[object]:
        self.begins += 1
        self.begun.set()
        try:
            for text in texts:
                yield text
            await self.go.wait()
            yield "last"
        finally:
            self.closed.set()


def running(hub: Hub | None = None, **options: Any) -> Runs:
    return Runs(hub or Hub(), **{"lease": LEASE, "grace": 0.2, **options})


@pytest.fixture
async def runs() -> AsyncIterator[Runs]:
    async with running() as found:
        yield found


async def numbers(count: int) -> AsyncIterator[object]:
    for number in range(count):
        yield str(number)


async def fail(error: Exception) -> AsyncIterator[object]:
    yield "one"
    raise error


async def rest(content: Subscription) -> list[MessageEvent]:
    """Read a run's events until its end."""
    reader, found = Reader(content), list[MessageEvent]()
    with anyio.fail_after(WAIT):
        while True:
            try:
                found += await reader.next()
            except StopAsyncIteration:
                return found


def told(events: list[MessageEvent]) -> list[Any]:
    """Return the data of the producer's events, and the state at the end."""
    kinds = [event.event for event in events if event.event != "position"]
    assert kinds[0] == "started"
    assert kinds[-1] == "ended"
    assert kinds.count("started") == kinds.count("ended") == 1
    data = [event.data for event in events if event.event == "message"]
    end = events[-1].json()
    assert end.keys() == {"state", "reason"}
    return [*data, end["state"]]


async def test_run_is_whole_for_all_who_follow_it_whenever_they_come(runs: Runs) -> None:
    work = Work()
    assert await runs.start("1", work.produce("a", "b")) == "1"
    early = Reader(runs.follow("1"))
    await early.until(lambda event: event.data == "b")
    assert await runs.state("1") == RunState("running")
    work.go.set()
    for _ in range(2):
        assert told(await rest(runs.follow("1"))) == ["a", "b", "last", "completed"]
    assert await runs.state("1") == RunState("completed")


async def test_run_goes_on_when_its_readers_leave(runs: Runs) -> None:
    work = Work()
    await runs.start("1", work.produce("a"))
    reader = Reader(runs.follow("1"))
    await reader.until(lambda event: event.data == "a")
    await reader.subscription.aclose()
    work.go.set()
    events = await rest(runs.follow("1", last_event_id=reader.last_event_id))
    assert [event.data for event in events if event.event == "message"] == ["last"]
    with pytest.raises(Refusal) as caught:
        await Reader(runs.follow("1", last_event_id=events[-1].id)).next()
    assert caught.value.status == 204


async def test_same_id_is_the_same_run(runs: Runs) -> None:
    work, other = Work(), Work()
    async with anyio.create_task_group() as tasks:
        for _ in range(10):
            tasks.start_soon(runs.start, "1", work.produce("a"))
    await runs.start("1", other.produce("b"))
    work.go.set()
    assert told(await rest(runs.follow("1"))) == ["a", "last", "completed"]
    await runs.start("1", other.produce("b"))  # it has ended
    assert told(await rest(runs.follow("1"))) == ["a", "last", "completed"]
    assert (work.begins, other.begins) == (1, 0)


async def test_run_is_stopped_and_cleans_up(runs: Runs) -> None:
    work = Work()
    await runs.start("1", work.produce("a"))
    await work.begun.wait()
    with anyio.fail_after(WAIT):
        assert await runs.stop("1") == RunState("stopped")
    assert work.closed.is_set()
    assert told(await rest(runs.follow("1"))) == ["a", "stopped"]
    assert await runs.stop("1") == RunState("stopped")


async def test_run_that_was_completed_stays_so_when_it_is_stopped(runs: Runs) -> None:
    await runs.start("1", numbers(3))
    assert told(await rest(runs.follow("1"))) == ["0", "1", "2", "completed"]
    assert await runs.stop("1") == RunState("completed")


async def test_producer_that_never_waits_is_stopped(runs: Runs) -> None:
    async def endless() -> AsyncIterator[object]:
        while True:
            yield "x"

    await runs.start("1", endless())
    with anyio.fail_after(WAIT):
        assert await runs.stop("1") == RunState("stopped")


async def test_producer_that_swallows_its_cancellation_is_stopped(runs: Runs) -> None:
    async def stubborn() -> AsyncIterator[object]:
        while True:
            try:
                await anyio.sleep(0.01)
            except anyio.get_cancelled_exc_class():
                pass
            yield "x"

    await runs.start("1", stubborn())
    with anyio.fail_after(WAIT):
        assert await runs.stop("1") == RunState("stopped")
    assert told(await rest(runs.follow("1")))[-1] == "stopped"


async def test_events_end_although_the_producer_does_not(runs: Runs) -> None:
    freed = anyio.Event()

    async def shielded() -> AsyncIterator[object]:
        try:
            yield "a"
            await anyio.sleep_forever()
        finally:
            with anyio.CancelScope(shield=True):
                await freed.wait()

    await runs.start("1", shielded())
    with anyio.fail_after(WAIT):
        assert await runs.stop("1") == RunState("stopped")
    assert told(await rest(runs.follow("1"))) == ["a", "stopped"]
    freed.set()


async def test_producer_that_fails_tells_clients_no_secrets(
    runs: Runs, caplog: pytest.LogCaptureFixture
) -> None:
    await runs.start("1", fail(ValueError("secret")))
    assert told(await rest(runs.follow("1"))) == ["one", "failed"]
    assert await runs.state("1") == RunState("failed", "error")
    (record,) = [record for record in caplog.records if record.levelno == logging.ERROR]
    assert record.exc_info is not None
    assert str(record.exc_info[1]) == "secret"


async def test_program_says_what_is_told_of_a_failure() -> None:
    async with running(explain=lambda exc: f"sorry: {exc}") as runs:
        await runs.start("1", fail(ValueError("no tokens")))
        await rest(runs.follow("1"))
        assert await runs.state("1") == RunState("failed", "sorry: no tokens")


async def test_explanation_that_fails_is_a_failure_nevertheless() -> None:
    async with running(explain=lambda exc: 1 / 0) as runs:
        await runs.start("1", fail(ValueError("x")))
        await rest(runs.follow("1"))
        assert await runs.state("1") == RunState("failed", "error")


@pytest.mark.parametrize("event", [None, b"data: x\n\n", {"data": "x", "id": "1"}, {"dta": 1}])
async def test_event_that_cannot_be_published_is_the_producers_failure(
    runs: Runs, event: object
) -> None:
    closed = anyio.Event()

    async def wrong() -> AsyncIterator[object]:
        try:
            yield event
        finally:
            closed.set()

    await runs.start("1", wrong())
    assert told(await rest(runs.follow("1"))) == ["failed"]
    assert closed.is_set()


async def test_ended_topic_of_another_kind_is_the_producers_own_failure(runs: Runs) -> None:
    await runs.hub.publish("other", "x", last=True)

    async def wrong() -> AsyncIterator[object]:
        yield "a"
        await runs.hub.publish("other", "more")

    await runs.start("1", wrong())
    assert told(await rest(runs.follow("1"))) == ["a", "failed"]


async def test_producer_whose_run_was_ended_elsewhere_is_fenced_off(runs: Runs) -> None:
    async def late() -> AsyncIterator[object]:
        try:
            yield "a"
            await work.go.wait()
            yield "too late"
        finally:
            work.closed.set()

    work = Work()
    await runs.start("1", late())
    await Reader(runs.follow("1")).until(lambda event: event.data == "a")
    lost = RunState("failed", "producer lost")
    await runs.hub.publish(topic_of("1"), ended_event(lost), last=True)
    work.go.set()
    with anyio.fail_after(WAIT):
        await work.closed.wait()
    assert told(await rest(runs.follow("1"))) == ["a", "failed"]
    assert await runs.state("1") == lost


async def test_quiet_producer_whose_run_was_ended_elsewhere_is_cancelled(runs: Runs) -> None:
    work = Work()
    await runs.start("1", work.produce("a"))
    await work.begun.wait()
    await runs.hub.publish(
        topic_of("1"), ended_event(RunState("failed", "producer lost")), last=True
    )
    with anyio.fail_after(WAIT):
        await work.closed.wait()


@pytest.mark.parametrize(
    "run", ["never", "", "x" * 201, "a\nb", "\x00", "\u202e", "\ud800", "../..", "sse-asgi:runs"]
)
async def test_unknown_run_is_answered_with_404(runs: Runs, run: str) -> None:
    for ask in (runs.state, runs.stop):
        with pytest.raises(UnknownRun) as caught:
            await ask(run)
        assert (caught.value.status, caught.value.run) == (404, run)
    client = connect(EventSourceApp(lambda connection: runs.follow(run)))
    with pytest.raises(NotAnEventStream, match="404"):
        async with client:
            await client.receive()


@pytest.mark.parametrize(
    ("run", "error"),
    [("", ValueError), ("x" * 201, ValueError), ("a\nb", ValueError), (7, TypeError)],
)
async def test_run_of_a_hostile_name_is_refused(
    runs: Runs, run: Any, error: type[Exception]
) -> None:
    producer = numbers(1)
    with pytest.raises(error, match="id must"):
        await runs.start(run, producer)
    assert producer.ag_frame is None  # type: ignore[attr-defined]
    assert await runs.start("é x/1?" + "x" * 190, numbers(1))


async def coroutine() -> None:
    pass


@pytest.mark.parametrize(
    ("producer", "rule"),
    [
        (lambda: numbers, "call the function"),
        (coroutine, "not a coroutine: write 'yield' in the function"),
        (lambda: ["a"], r"not \['a'\]"),
        (lambda: iter("a"), "must be an asynchronous generator"),
        (lambda: None, "not None"),
    ],
)
async def test_producer_that_is_no_asynchronous_generator_is_refused(
    runs: Runs, producer: Callable[[], Any], rule: str
) -> None:
    with pytest.raises(TypeError, match=rule):
        await runs.start("1", producer())
    with pytest.raises(UnknownRun):
        await runs.state("1")


async def test_process_takes_its_most_and_no_more() -> None:
    async with running(most=2) as runs:
        works = [Work() for _ in range(3)]
        for number, work in enumerate(works[:2]):
            await runs.start(str(number), work.produce("a"))
        await runs.start("1", numbers(1))  # it follows
        producer = numbers(1)
        with pytest.raises(RunRefused, match="503") as caught:
            await runs.start("2", producer)
        assert (caught.value.status, caught.value.body) == (
            503,
            b"this process has 2 runs already: start it later",
        )
        assert producer.ag_frame is None  # type: ignore[attr-defined]
        await runs.stop("0")
        await runs.start("2", works[2].produce("a"))


async def test_producers_have_a_grace_when_the_process_stops() -> None:
    hub, quick, slow = Hub(), Work(), Work()
    async with running(hub) as runs:
        await runs.start("quick", quick.produce("a"))
        await runs.start("slow", slow.produce("a"))
        await slow.begun.wait()
        quick.go.set()
        process = runs._here()
    assert slow.closed.is_set()
    async with running(hub) as runs:
        assert await runs.state("quick") == RunState("completed")
        assert await runs.state("slow") == RunState("failed", "restarting")
        with pytest.raises(RunRefused, match="503"):
            await process.owned.start("more", numbers(1))  # type: ignore[arg-type]


async def test_block_that_is_cancelled_or_fails_ends_its_runs() -> None:
    hub = Hub()
    with anyio.move_on_after(0.05):
        async with running(hub) as runs:
            await runs.start("1", Work().produce("a"))
            await anyio.sleep_forever()
    with pytest.raises(ExceptionGroup) as caught:
        async with running(hub) as runs:
            await runs.start("2", Work().produce("a"))
            raise ValueError("x")
    assert caught.group_contains(ValueError, match="x")
    async with running(hub) as runs:
        for run in "12":
            assert await runs.state(run) == RunState("failed", "restarting")


async def test_runs_need_their_block() -> None:
    runs = running()
    for ask in (runs.state, runs.stop):
        with pytest.raises(RuntimeError, match="enter 'async with runs:'"):
            await ask("1")
    with pytest.raises(RuntimeError, match="enter 'async with runs:'"):
        runs.follow("1")
    with pytest.raises(RuntimeError, match="enter 'async with runs:'"):
        await runs.start("1", numbers(1))
    async with runs:
        with pytest.raises(RuntimeError, match="entered already"):
            await runs.__aenter__()
    async with runs:
        await runs.start("1", numbers(1))


@pytest.mark.parametrize(
    ("options", "error", "rule"),
    [
        ({"lease": 0.1}, ValueError, "lease must be 0.2 or above"),
        ({"lease": "1"}, TypeError, "lease must be a number"),
        ({"grace": -1}, ValueError, "grace must be 0 or above"),
        ({"most": 0}, ValueError, "most must be 1 or above"),
        ({"explain": "x"}, TypeError, "explain must be callable"),
    ],
)
async def test_option_that_is_none_is_refused(
    options: Any, error: type[Exception], rule: str
) -> None:
    with pytest.raises(error, match=rule):
        Runs(Hub(), **options)


async def test_runs_need_a_hub() -> None:
    with pytest.raises(TypeError, match="hub must be a Hub"):
        Runs(MemoryBackend())  # type: ignore[arg-type]
    assert sse_asgi.Runs is Runs
    with pytest.raises(AttributeError, match="no attribute 'Run'"):
        _ = sse_asgi.Run


async def test_producer_runs_in_the_context_of_the_request_that_started_it(runs: Runs) -> None:
    trace: ContextVar[str] = ContextVar("trace", default="")

    async def traced() -> AsyncIterator[object]:
        yield trace.get()

    trace.set("request 7")
    await runs.start("1", traced())
    assert told(await rest(runs.follow("1")))[0] == "request 7"


async def test_other_event_loops_and_threads_may_only_follow(runs: Runs) -> None:
    await runs.start("1", numbers(2))

    def elsewhere() -> Subscription:
        with pytest.raises(RuntimeError, match="in another event loop"):
            anyio.run(runs.state, "1")
        return runs.follow("1")

    assert told(await rest(await anyio.to_thread.run_sync(elsewhere))) == ["0", "1", "completed"]


async def test_reader_may_ask_for_the_newest_of_each_key(runs: Runs) -> None:
    await runs.start("1", numbers(50))
    with anyio.fail_after(WAIT):
        while not (await runs.state("1")).has_ended:
            await checkpoint()
    events = await rest(runs.follow("1", keep_latest=lambda entry: entry.event.event))
    assert [(event.event, event.data) for event in events[1:3]] == [
        ("started", events[1].data),
        ("message", "49"),
    ]


async def test_run_whose_end_is_forgotten_has_ended() -> None:
    async with running(Hub(MemoryBackend(max_events=3))) as runs:
        await runs.start("1", numbers(1))
        await rest(runs.follow("1"))
        for _ in range(5):
            await runs.hub.publish("other", "x")
        assert await runs.state("1") == RunState("forgotten")


@pytest.mark.parametrize("data", ["x", '{"state": "lost", "reason": null}', "[1]", "null", "{}"])
async def test_topic_that_was_ended_by_another_program_is_a_run_that_has_ended(
    runs: Runs, data: str
) -> None:
    await runs.hub.publish(topic_of("1"), {"event": "ended", "data": data}, first=True, last=True)
    assert await runs.state("1") == RunState("forgotten")


async def test_messages_of_other_programs_are_passed_over(runs: Runs) -> None:
    work = Work()
    await runs.start("1", work.produce("a"))
    for event in ("stop", "call", "alive", "other"):
        for data in (
            "x",
            "null",
            "[]",
            "{}",
            '{"sender": 1, "run": "1"}',
            '{"sender": "a", "run": 7}',
        ):
            await runs.hub.publish("sse-asgi:runs", {"event": event, "data": data})
    await anyio.wait_all_tasks_blocked()
    assert await runs.state("1") == RunState("running")
    await runs.hub.publish("sse-asgi:runs", Message("stop", "somebody", "1").event)
    assert told(await rest(runs.follow("1"))) == ["a", "stopped"]


# -- two processes on one log ---------------------------------------------------------------------


@asynccontextmanager
async def two(**options: Any) -> AsyncIterator[tuple[Runs, Runs]]:
    """Two processes' runs, on one log."""
    engine = Engine()
    async with (
        Hub(EngineBackend(engine, memory=50)) as one,
        Hub(EngineBackend(engine, memory=50)) as other,
        running(one, **options) as here,
        running(other, **options) as there,
    ):
        yield here, there


async def test_run_is_followed_and_stopped_from_another_process() -> None:
    async with two() as (here, there):
        work = Work()
        await here.start("1", work.produce("a"))
        reader = Reader(there.follow("1"))
        await reader.until(lambda event: event.data == "a")
        assert await there.state("1") == RunState("running")
        await there.start("1", numbers(1))
        with anyio.fail_after(WAIT):
            assert await there.stop("1") == RunState("stopped")
        assert work.closed.is_set()
        for runs in (here, there):
            assert told(await rest(runs.follow("1"))) == ["a", "stopped"]


async def test_one_of_two_processes_starts_a_run() -> None:
    async with two() as both:
        works = [Work(), Work()]
        async with anyio.create_task_group() as tasks:
            for runs, work in zip(both, works, strict=True):
                tasks.start_soon(runs.start, "1", work.produce("a"))
        for work in works:
            work.go.set()
        for runs in both:
            assert told(await rest(runs.follow("1"))) == ["a", "last", "completed"]
        assert sum(work.begins for work in works) == 1


async def test_owner_that_lives_is_never_lost_however_quiet_its_run() -> None:
    async with two() as (here, there):
        work = Work()
        await here.start("1", work.produce("a"))
        reader = Reader(there.follow("1"))
        await reader.until(lambda event: event.data == "a")
        await anyio.sleep(4 * LEASE)
        assert await there.state("1") == RunState("running")
        work.go.set()
        assert told(await rest(there.follow("1"))) == ["a", "last", "completed"]


async def test_run_whose_owner_is_lost_is_ended_once_by_those_who_follow_it() -> None:
    engine = Engine()
    async with (
        Hub(EngineBackend(engine, memory=50)) as one,
        Hub(EngineBackend(engine, memory=50)) as other,
        running(one) as here,
        running(other) as there,
    ):
        await one.publish(topic_of("1"), {"event": "started", "data": {}}, first=True)
        before = anyio.current_time()
        ends = [await rest(runs.follow("1")) for runs in (here, there)]
        assert anyio.current_time() - before < 2 * LEASE
        assert told(ends[0]) == told(ends[1]) == ["failed"]
        assert ends[0][-1].id == ends[1][-1].id
        for runs in (here, there):
            assert await runs.state("1") == RunState("failed", "producer lost")


async def test_outage_longer_than_the_lease_loses_no_owner() -> None:
    engine = Engine()
    async with (
        Hub(EngineBackend(engine, memory=50)) as one,
        Hub(EngineBackend(engine, memory=50)) as other,
        running(one) as here,
        running(other) as there,
    ):
        work = Work()
        await here.start("1", work.produce("a"))
        await Reader(there.follow("1")).until(lambda event: event.data == "a")
        engine.stop()
        await anyio.sleep(3 * LEASE)
        engine.start()
        await anyio.sleep(2 * LEASE)
        work.go.set()
        assert told(await rest(there.follow("1"))) == ["a", "last", "completed"]


async def test_follower_that_is_faster_than_its_log_waits_and_gets_no_404() -> None:
    async with two() as (here, there):
        for number in range(20):
            run = str(number)
            await here.start(run, numbers(1))
            assert told(await rest(there.follow(run))) == ["0", "completed"]


async def test_topic_of_a_run_is_closed_to_others(runs: Runs) -> None:
    await runs.start("1", numbers(1))
    await rest(runs.follow("1"))
    with pytest.raises(TopicEnded):
        await runs.hub.publish(topic_of("1"), "more")
    with pytest.raises(TopicExists):
        await runs.hub.publish(topic_of("1"), "more", first=True)
