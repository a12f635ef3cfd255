"""The deadlines of all open streams of an event loop, kept by one task."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Coroutine
from heapq import heapify, heappop, heappush
from itertools import count
from typing import Any, Protocol

import anyio
from anyio.lowlevel import checkpoint

__all__ = ["Clock", "MonotonicClock", "Spawn", "Timed", "TimerQueue"]


class Clock:
    """Time in seconds, and a sleep that goes by it: those of the running event loop.

    Keep-alive, timeouts and lifetimes ask the clock of their event loop. A test puts another one in
    its place with :func:`sse_asgi.asgi.use_clock`.
    """

    resolution = 0.01
    """Seconds that a deadline may be late, so that those of many streams share one wake-up."""

    def now(self) -> float:
        """Return the current time in seconds; only differences mean anything."""
        return anyio.current_time()

    async def sleep_until(self, deadline: float) -> None:
        """Sleep until :meth:`now` has reached ``deadline``."""
        await anyio.sleep(max(0, deadline - self.now()))


class MonotonicClock(Clock):
    """The system's monotonic clock, which asyncio goes by.

    Time is read once per event; anyio's dispatch to the backend would cost more than the event
    itself.
    """

    now = staticmethod(time.monotonic)


Spawn = Callable[[Callable[[], Coroutine[Any, Any, None]]], object]

NEVER = float("inf")


class Timed(Protocol):
    """What the ticker looks after."""

    def look(self, now: float) -> tuple[float, bool]:
        """Do what is due and need not wait; return the time of the next look and whether to act."""

    async def act(self) -> None:
        """Do what is due and may have to wait for the client. Never raises."""


class TimerQueue:
    """One task for the keep-alive and the timeouts of every stream of the event loop.

    A task, a cancel scope or a timer for each stream would cost more than the stream's events. The
    task lives while there is something to look after, and sleeps until the earliest deadline.
    """

    def __init__(self, clock: Clock, spawn: Spawn) -> None:
        self._clock = clock
        self._spawn = spawn
        self._next_look: dict[Timed, float] = {}
        self._heap: list[tuple[float, int, Timed]] = []
        self._order = count()
        self._looked_at = -NEVER
        self._sleep: anyio.CancelScope | None = None
        self._task: object = None  # an event loop keeps no reference to its tasks

    def add(self, timed: Timed, when: float) -> None:
        """Look at ``timed`` at ``when``, and from then on whenever it says."""
        self._next_look[timed] = NEVER
        self.look_at(timed, when)
        if self._task is None:
            self._task = self._spawn(self._run)

    def look_at(self, timed: Timed, when: float) -> None:
        """Look at ``timed`` at ``when``, unless a look is due sooner."""
        if when >= self._next_look.get(timed, 0):
            return
        self._next_look[timed] = when
        heappush(self._heap, (when, next(self._order), timed))
        if self._sleep is not None and self._heap[0][2] is timed:
            self._sleep.cancel()

    def discard(self, timed: Timed) -> None:
        """Look at ``timed`` no more."""
        self._next_look.pop(timed, None)
        if not self._next_look:
            self._heap.clear()
            if self._sleep is not None:
                self._sleep.cancel()
        elif len(self._heap) > 64 + 2 * len(self._next_look):
            # An entry of what has left goes when its time comes; short streams would pile up until
            # then.
            self._heap = [entry for entry in self._heap if self._is_valid(entry)]
            heapify(self._heap)

    def _is_valid(self, entry: tuple[float, int, Timed]) -> bool:
        return self._next_look.get(entry[2]) == entry[0]

    async def _run(self) -> None:
        try:
            while self._next_look:
                async with anyio.create_task_group() as actors:
                    while self._next_look:
                        due = self._look()
                        while due:
                            # An actor goes on until a client makes it wait; then the next one takes
                            # over the rest, so that a slow client holds up nobody else.
                            actors.start_soon(self._act, due)
                            await checkpoint()
                        await self._sleep_until_next_look()
                    actors.cancel_scope.cancel()
        finally:
            self._task = None

    async def _sleep_until_next_look(self) -> None:
        when = self._heap[0][0] if self._heap else NEVER
        # What was left to look after may have gone while nobody slept.
        if self._next_look and when > self._clock.now():
            with anyio.CancelScope() as self._sleep:
                await self._clock.sleep_until(max(when, self._looked_at + self._clock.resolution))
            self._sleep = None

    def _look(self) -> deque[Timed]:
        self._looked_at = now = self._clock.now()
        due: deque[Timed] = deque()
        while self._heap and self._heap[0][0] <= now:
            entry = heappop(self._heap)
            if self._is_valid(entry):
                timed = entry[2]
                self._next_look[timed] = NEVER
                when, to_act = timed.look(now)
                self.look_at(timed, when)
                if to_act:
                    due.append(timed)
        return due

    @staticmethod
    async def _act(due: deque[Timed]) -> None:
        while due:
            await due.popleft().act()
