"""A service runs in one event loop after the other, and is called from all of them."""

from __future__ import annotations

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor

import anyio
import pytest

from sse_asgi.runtime.eventloop import EventLoop
from sse_asgi.runtime.service import LoopService


class Served:
    """What a service keeps in the event loop in which it runs, as a connection is kept."""

    def __init__(self) -> None:
        self.loop: EventLoop | None = None
        self.service = LoopService(self._run, lambda loop: None, lambda: None)

    async def _run(self) -> None:
        self.loop = EventLoop()
        await anyio.sleep_forever()

    async def use(self) -> None:
        """Fail unless the service has begun in this event loop."""
        assert self.loop is not None
        assert self.loop.is_running_here

    async def call(self) -> None:
        """Use it, from whatever event loop."""
        await self.service.call(self.use, 5)


@pytest.mark.parametrize(
    "backend", ["asyncio", pytest.param("trio", marks=pytest.mark.needs("trio"))]
)
def test_call_waits_until_the_service_has_begun_in_a_new_event_loop(backend: str) -> None:
    served = Served()
    for _ in range(3):
        anyio.run(served.call, backend=backend)


def test_call_does_not_use_what_an_event_loop_has_left_that_was_closed_without_a_word() -> None:
    served = Served()
    loop = asyncio.new_event_loop()
    loop.run_until_complete(served.call())
    loop.close()
    anyio.run(served.call)


def test_short_event_loops_in_many_threads_call_one_service() -> None:
    served = Served()
    barrier = threading.Barrier(8)

    def call(_: int) -> None:
        barrier.wait()
        for _ in range(10):
            anyio.run(served.call)

    with ThreadPoolExecutor(8) as threads:
        list(threads.map(call, range(8)))
