"""Another thread comes in between any two steps of what an event loop does with a hub."""

from __future__ import annotations

import json
from collections.abc import Callable, Coroutine
from contextlib import suppress
from functools import partial
from typing import Any

import pytest
from anyio.lowlevel import checkpoint

from sse_asgi.broadcast import Hub, MemoryBackend
from tests.interleaved import Interleaving

from .programs import run_program
from .reading import Reader, data

pytestmark = pytest.mark.anyio


@pytest.fixture(scope="module")
def anyio_backend() -> str:
    """Use one event loop: what races here is the same in each."""
    return "asyncio"


def step(function: Callable[[], Coroutine[Any, Any, None]]) -> None:
    """Run a coroutine that waits for nothing, in a thread without an event loop."""
    with suppress(StopIteration):
        function().send(None)


def publish_twice(hub: Hub) -> None:
    """Publish as much as the log holds."""
    for _ in range(2):
        hub.publish_sync("b", "2")


async def events_of(reader: Reader) -> list[str]:
    """Return the data of what has come, once the event loop had its turn."""
    found = reader.ready()
    for _ in range(3):
        await checkpoint()
        found += reader.ready()
    return data(found)


async def test_entry_trimmed_while_it_is_taken_harms_nobody() -> None:
    places = Interleaving()
    for place in places:
        hub = Hub(MemoryBackend(max_events=2))
        first, second = Reader(hub.subscribe("a")), Reader(hub.subscribe("a"))
        first.ready(), second.ready()
        hub.publish_sync("a", "1")
        assert data(first.ready()) == ["1"]  # the second one gets the same bytes
        batch = place.run(second.subscription.take, partial(publish_twice, hub))
        assert batch is not None
    assert places.places > 30


async def test_event_that_comes_while_a_client_joins_reaches_it() -> None:
    places = Interleaving("line")
    for place in places:
        hub = Hub()
        other = Reader(hub.subscribe("b"))
        other.ready()
        joining = Reader(hub.subscribe("a"))
        position = place.run(joining.subscription.take, partial(hub.publish_sync, "a", "1"))
        assert position is not None
        assert await events_of(joining) == ["1"]
    assert places.places > 30


async def test_subscription_closed_elsewhere_keeps_no_event_from_others() -> None:
    places = Interleaving("line")
    for place in places:
        hub = Hub()
        readers = [Reader(hub.subscribe("a")) for _ in range(3)]
        for reader in readers:
            reader.ready()
        hub.publish_sync("a", "1", last=True)
        gone = readers[1].subscription
        batch = place.run(readers[0].subscription.take, partial(step, gone.aclose))
        assert batch is not None
        assert await events_of(readers[2]) == ["1"]
    assert places.places > 30


# The main thread waits for the log, which another thread has, when a signal comes.
HANDLER = """
import signal, sys, threading, time
from sse_asgi.broadcast import Hub

hub = Hub()
history, backend = hub.history, hub.backend
main, has_lock, is_done = threading.get_ident(), threading.Event(), threading.Event()


def handle(number, frame):
    hub.publish_sync("t", "handler")
    is_done.set()


def other():
    with history.lock:
        has_lock.set()
        while "HandlerSafeLock.__enter__" != sys._current_frames()[main].f_code.co_qualname:
            time.sleep(0.001)
        signal.pthread_kill(main, signal.SIGUSR1)
        is_done.wait(0.3)
        history.append_locked(backend._entry("t", b"data: other\\n\\n", None, False, False))


signal.signal(signal.SIGUSR1, handle)
thread = threading.Thread(target=other)
thread.start()
has_lock.wait()
hub.publish_sync("t", "main")
thread.join()
assert is_done.wait(5)
print([entry.sequence for entry in history])
"""


def test_signal_handler_waits_its_turn_while_its_thread_waits() -> None:
    assert json.loads(run_program(HANDLER)) == [1, 2, 3]


def test_threads_that_hammer_on_a_hub_lose_nothing() -> None:
    found = json.loads(run_program("from tests.broadcast.hammer import main; main('1500')"))
    assert found["subscribers"] == 0
    assert found["signals"] > 0
    assert min(found["events"]) > 500
