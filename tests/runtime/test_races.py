"""Another thread comes in between any two steps of a call into an event loop."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from contextlib import suppress
from functools import partial
from typing import Any

import anyio
import pytest
from anyio.lowlevel import checkpoint

from sse_asgi.runtime.call import Call, CallEnded
from sse_asgi.runtime.eventloop import EventLoop
from sse_asgi.runtime.service import LoopService, ServiceStopped
from tests.interleaved import Interleaving

pytestmark = pytest.mark.anyio


@pytest.fixture(scope="module")
def anyio_backend() -> str:
    """Use one event loop: what races here is the same in each."""
    return "asyncio"


class Work:
    """A function that goes on until it is cancelled."""

    def __init__(self) -> None:
        self.running = 0

    async def run(self) -> None:
        self.running += 1
        try:
            await anyio.sleep_forever()
        finally:
            self.running -= 1


def first_step(function: Callable[[], Coroutine[Any, Any, None]]) -> None:
    """Run a coroutine in a thread without an event loop, until it waits."""
    coroutine = function()
    with suppress(StopIteration, RuntimeError):  # no event loop, in which it could sleep
        coroutine.send(None)
    coroutine.close()


async def turns() -> None:
    """Let the event loop do what is due."""
    for _ in range(5):
        await checkpoint()


async def test_call_given_up_while_it_begins_does_not_go_on() -> None:
    places = Interleaving()
    for place in places:
        work = Work()
        call = Call(work.run, lambda: None)
        place.run(partial(call.begin, EventLoop()), partial(call.abandon, TimeoutError()))
        await turns()
        assert work.running == 0
        with pytest.raises(TimeoutError):
            call.result()
    assert places.places > 20


async def test_call_sent_while_the_service_stops_does_not_go_on() -> None:
    places = Interleaving()
    for place in places:
        work = Work()
        service = LoopService(anyio.sleep_forever, lambda loop: None, lambda: None)
        service.start()
        await turns()
        call = Call(work.run, lambda: None)
        place.run(partial(service._send, call), partial(first_step, service.stop))
        await turns()
        assert work.running == 0
        with pytest.raises((CallEnded, ServiceStopped)):
            call.result()
    assert places.places > 20
