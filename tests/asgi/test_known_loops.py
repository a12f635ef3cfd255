"""Threads go through the event loops of an application while others add theirs."""

from __future__ import annotations

import asyncio
import gc
from functools import partial

import pytest

from sse_asgi.asgi.known_loops import KnownLoops
from sse_asgi.asgi.loop import LoopState
from tests.interleaved import Interleaving


@pytest.fixture
def loops() -> list[asyncio.AbstractEventLoop]:
    return [asyncio.new_event_loop() for _ in range(4)]


async def current() -> LoopState:
    return LoopState.current()


def test_loop_that_is_added_meanwhile_disturbs_nobody(
    loops: list[asyncio.AbstractEventLoop],
) -> None:
    states = [loop.run_until_complete(current()) for loop in loops]
    called: list[LoopState] = []
    places = Interleaving()
    for place in places:
        known = KnownLoops()
        for state in states[:3]:
            known.add(state)
        place.run(partial(known.call_soon, called.append), partial(known.add, states[3]))
        for loop in loops[:3]:
            loop.run_until_complete(asyncio.sleep(0))
        assert set(called) >= set(states[:3])
        called.clear()
    assert places.places > 20
    for loop in loops:
        loop.close()


def test_loop_is_known_once_and_not_kept() -> None:
    known, called = KnownLoops(), list[LoopState]()
    for _ in range(2):
        loop = asyncio.new_event_loop()
        state = loop.run_until_complete(current())
        known.add(state)
        known.add(state)
        loop.close()
    last = asyncio.new_event_loop()
    state = last.run_until_complete(current())
    known.add(state)
    del loop
    gc.collect()
    known.add(state)
    known.call_soon(called.append)
    last.run_until_complete(asyncio.sleep(0))
    last.close()
    assert called == [state]
    assert len(known) == 1
