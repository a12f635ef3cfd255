"""One hub for all threads and all event loops of a process."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack

import anyio
import pytest

from sse_asgi import PublishError
from sse_asgi.broadcast import Hub, Position

from .engine import Engine, EngineBackend
from .reading import WAIT, Reader, data

THREADS = 8
EACH = 250
LOOPS = (("asyncio", "asyncio"), ("trio", "trio"), ("asyncio", "trio"))


def in_memory() -> Hub:
    return Hub()


def on_an_engine() -> Hub:
    return Hub(EngineBackend(Engine(capacity=10_000), memory=64))


async def collect(hub: Hub, count: int, ready: Callable[[], object]) -> list[str]:
    """Read until ``count`` events have come."""
    reader = Reader(hub.subscribe("a", "b"))
    events = await reader.next()
    ready()
    with anyio.fail_after(3 * WAIT):
        while len(data(events)) < count:
            events += await reader.next()
    await reader.subscription.aclose()
    return data(events)


async def follow(hub: Hub, last: str, ready: Callable[[], object]) -> list[str]:
    """Read until ``last`` has come."""
    reader = Reader(hub.subscribe("a"))
    await reader.next()
    ready()
    return data(await reader.until(lambda event: event.data == last))


@pytest.mark.needs("trio")
@pytest.mark.parametrize("backends", LOOPS, ids="-".join)
@pytest.mark.parametrize("make", [in_memory, on_an_engine])
def test_order_of_each_thread_is_kept_in_every_event_loop(
    make: Callable[[], Hub], backends: tuple[str, str]
) -> None:
    hub = make()
    count = THREADS * EACH

    def publish(thread: int) -> None:
        for number in range(EACH):
            hub.publish_threadsafe("ab"[number % 2], f"{thread} {number}", timeout=WAIT)

    with ExitStack() as stack, ThreadPoolExecutor(THREADS) as threads:
        portals = [
            stack.enter_context(anyio.from_thread.start_blocking_portal(b)) for b in backends
        ]
        ready = [threading.Event() for _ in portals]
        readers = [
            portal.start_task_soon(collect, hub, count, event.set)
            for portal, event in zip(portals, ready, strict=True)
        ]
        assert all(event.wait(WAIT) for event in ready)
        for done in [threads.submit(publish, thread) for thread in range(THREADS)]:
            done.result(3 * WAIT)
        received = [reader.result(3 * WAIT) for reader in readers]
    assert received[0] == received[1], "one order for everybody"
    for thread in range(THREADS):
        mine = [text for text in received[0] if text.startswith(f"{thread} ")]
        assert mine == [f"{thread} {number}" for number in range(EACH)]


@pytest.mark.needs("trio")
@pytest.mark.parametrize("make", [in_memory, on_an_engine])
def test_publish_awaits_in_any_event_loop(make: Callable[[], Hub]) -> None:
    hub = make()
    with (
        anyio.from_thread.start_blocking_portal("asyncio") as one,
        anyio.from_thread.start_blocking_portal("trio") as two,
    ):
        ids = [portal.call(hub.publish, "t", "x") for portal in (one, two, one, two)]
    positions = [Position.parse(found) for found in ids]
    assert [position and position.sequence for position in positions] == [1, 2, 3, 4]


def test_event_loop_that_ended_does_not_disturb_the_others() -> None:
    hub = in_memory()
    with anyio.from_thread.start_blocking_portal() as gone:
        left_behind = gone.call(_open, hub)
    with anyio.from_thread.start_blocking_portal() as portal:
        ready = threading.Event()
        reader = portal.start_task_soon(collect, hub, 2, ready.set)
        assert ready.wait(WAIT)
        hub.publish_threadsafe("a", "1")
        hub.publish_threadsafe("a", "2")
        assert reader.result(WAIT) == ["1", "2"]
    assert left_behind.subscription.topics == {"a"}
    assert hub.snapshot().subscribers == 0, "those of an event loop that is gone are forgotten"


async def _open(hub: Hub) -> Reader:
    reader = Reader(hub.subscribe("a"))
    reader.ready()
    return reader


def test_backend_moves_to_an_event_loop_that_still_needs_it() -> None:
    hub = on_an_engine()
    with anyio.from_thread.start_blocking_portal() as stays:
        ready = threading.Event()
        with anyio.from_thread.start_blocking_portal() as ends:
            ends.call(hub.publish, "a", "1")
            reader = stays.start_task_soon(follow, hub, "2", ready.set)
            assert ready.wait(WAIT)
        assert stays.call(hub.publish, "a", "2")
        assert reader.result(WAIT)[-1] == "2"
    assert hub.backend.runs == 2  # type: ignore[attr-defined]


def test_block_entered_while_the_last_one_is_left_keeps_the_backend(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    hub = on_an_engine()
    engine: Engine = hub.backend.engine  # type: ignore[attr-defined]
    stop = hub._service.stop
    with (
        anyio.from_thread.start_blocking_portal() as leaves,
        anyio.from_thread.start_blocking_portal() as enters,
    ):
        ready = threading.Event()

        async def enter() -> list[str]:
            async with hub:
                return await follow(hub, "x", ready.set)

        async def enter_and_stop() -> None:
            readers.append(enters.start_task_soon(enter))
            assert ready.wait(WAIT)
            await stop()

        async def enter_and_leave() -> None:
            async with hub:
                monkeypatch.setattr(hub._service, "stop", enter_and_stop)
            monkeypatch.undo()

        readers: list[Future[list[str]]] = []
        leaves.call(enter_and_leave)
        engine.append("a", b"data: x\n\n", None)
        assert readers[0].result(WAIT)[-1] == "x"


def test_program_without_an_event_loop_publishes_from_its_first_call_on() -> None:
    hub = on_an_engine()
    assert [hub.publish_sync("t", "x") for _ in range(3)] == ["one-1", "one-2", "one-3"]
    anyio.run(hub.__aenter__)
    anyio.run(hub._service.stop)


def test_event_loop_of_the_hub_is_not_blocked_by_a_publish_that_waits_for_it() -> None:
    hub = on_an_engine()

    async def main() -> None:
        await hub.publish("t", "x")
        with pytest.raises(RuntimeError, match=r"await publish\(\) instead"):
            hub.publish_threadsafe("t", "x")

    anyio.run(main)


def test_publish_from_a_thread_is_bounded_and_its_outcome_told_as_unknown() -> None:
    engine = Engine()
    hub = Hub(EngineBackend(engine))
    with anyio.from_thread.start_blocking_portal() as portal:
        portal.call(hub.publish, "t", "x")
        engine.stop()
        with pytest.raises(PublishError, match="may be published or not") as caught:
            hub.publish_threadsafe("t", "y", timeout=0.05)
        portal.call(engine.start)
        published = hub.publish_threadsafe("t", "y", token=caught.value.token, timeout=WAIT)
        assert published == "one-2"
        assert hub.publish_threadsafe("t", "z", timeout=WAIT) == "one-3"


def test_subscriber_of_another_event_loop_gets_what_the_engine_holds() -> None:
    hub = on_an_engine()
    with (
        anyio.from_thread.start_blocking_portal() as home,
        anyio.from_thread.start_blocking_portal() as other,
    ):
        ids = [home.call(hub.publish, "t", str(number)) for number in range(100)]
        results: queue.Queue[list[str]] = queue.Queue()

        async def read() -> None:
            reader = Reader(hub.subscribe("t", last_event_id=ids[0]))
            results.put(data(await reader.until(lambda event: event.data == "99")))

        other.call(read)
        assert results.get(timeout=WAIT) == [str(number) for number in range(1, 100)]
