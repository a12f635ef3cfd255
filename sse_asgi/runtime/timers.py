"""The deadlines of all streams of an event loop, kept by one task.

A task, a cancel scope or a timer for each stream would cost more than the stream's events. So one
task sleeps until the earliest deadline, then *looks* at each stream that is due. A look must not
wait. A stream that has something to send *acts* in another task, where a slow client may keep it
waiting without holding up the rest.

The task lives while there is something to look after, and it belongs to the event loop. asyncio
cancels every task when a loop ends, and trio cancels its system tasks. The end of this task,
while there is still something to look after, is therefore the sign that the event loop ends (see
:meth:`sse_asgi.asgi.loop.LoopState`).
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable, Coroutine
from heapq import heapify, heappop, heappush
from itertools import count
from typing import Any, Final, Protocol

from anyio.lowlevel import checkpoint

from .clock import Clock, InterruptibleSleep, interruptible_sleep
from .eventloop import Spawned, is_cancellation, this_task

__all__ = ["NEVER", "Spawn", "Timed", "TimerQueue"]

NEVER: Final = float("inf")

_LONGEST_SLEEP: Final = 3600.0
"""Seconds. An asyncio task that slept without end would be referred to by nothing."""

logger: Final = logging.getLogger("sse_asgi")


Spawn = Callable[[Callable[[], Coroutine[Any, Any, None]]], Spawned]


class Timed(Protocol):
    """Something with deadlines."""

    def look(self, now: float) -> tuple[float, bool]:
        """Do what is due and need not wait; return the time of the next look and whether to act."""

    async def act(self) -> None:
        """Do what is due and may have to wait for the client."""


class TimerQueue:
    """Looks at each of many :class:`Timed` when its deadline has come.

    An exception out of one of them is logged, and that one is looked at no more. The others go on.
    """

    def __init__(self, clock: Clock, spawn: Spawn, spawn_actor: Spawn | None = None) -> None:
        self._clock = clock
        self._spawn = spawn
        self._spawn_actor = spawn_actor or spawn
        self._next_look: dict[Timed, float] = {}
        self._heap: list[tuple[float, int, Timed]] = []
        self._order = count()
        self._looked_at = -NEVER
        # The task is not kept: it leads to the event loop, which this object must not keep alive.
        # The loop itself refers to a task that sleeps.
        self._is_running = False
        self._sleep: InterruptibleSleep | None = None
        self._actors: set[_Actor] = set()

    @property
    def is_idle(self) -> bool:
        """Whether no task runs."""
        return not self._is_running and not self._actors

    def add(self, timed: Timed, when: float) -> None:
        """Look at ``timed`` at ``when``, and from then on whenever it says."""
        self._next_look[timed] = NEVER
        self.look_at(timed, when)
        if not self._is_running:
            self._is_running = True
            self._spawn(self._run)

    def look_at(self, timed: Timed, when: float) -> None:
        """Look at ``timed`` at ``when``, unless a look is due sooner."""
        if when >= self._next_look.get(timed, 0):
            return
        self._next_look[timed] = when
        heappush(self._heap, (when, next(self._order), timed))
        if self._heap[0][2] is timed:
            self._wake()

    def discard(self, timed: Timed) -> None:
        """Look at ``timed`` no more."""
        self._next_look.pop(timed, None)
        if not self._next_look:
            self._heap.clear()
            self._wake()
        elif len(self._heap) > 64 + 2 * len(self._next_look):
            # An entry of a stream that has left goes when its time comes; short streams would pile
            # up until then.
            self._heap = [entry for entry in self._heap if self._is_valid(entry)]
            heapify(self._heap)

    def _is_valid(self, entry: tuple[float, int, Timed]) -> bool:
        return self._next_look.get(entry[2]) == entry[0]

    # -- the task ----------------------------------------------------------------------------------

    async def _run(self) -> None:
        try:
            while self._next_look:
                due = self._look()
                while due:
                    # An actor goes on until a client makes it wait; then the next one takes over
                    # the rest, so that a slow client holds up nobody else.
                    self._begin(due)
                    await checkpoint()
                await self._sleep_until_next_look()
        finally:
            self._is_running = False
            # A send that cannot be cancelled may go on: nothing here waits for it.
            for actor in self._actors:
                actor.cancel()
            self._actors.clear()

    async def _sleep_until_next_look(self) -> None:
        when = self._heap[0][0] if self._heap else NEVER
        # The last stream may have gone while nobody slept.
        if self._next_look and when > self._clock.now():
            until = min(
                max(when, self._looked_at + self._clock.resolution),
                self._clock.now() + _LONGEST_SLEEP,
            )
            self._sleep = interruptible_sleep()
            await self._sleep.run(self._clock.sleep_until(until))
            self._sleep = None

    def _wake(self) -> None:
        if self._sleep is not None:
            self._sleep.interrupt()

    def _look(self) -> deque[Timed]:
        self._looked_at = now = self._clock.now()
        due: deque[Timed] = deque()
        while self._heap and self._heap[0][0] <= now:
            entry = heappop(self._heap)
            if self._is_valid(entry):
                timed = entry[2]
                self._next_look[timed] = NEVER
                try:
                    when, must_act = timed.look(now)
                except BaseException as exc:
                    self._drop(timed, exc)
                    continue
                self.look_at(timed, when)
                if must_act:
                    due.append(timed)
        return due

    def _begin(self, due: deque[Timed]) -> None:
        actor = _Actor(due, self._drop, self._actors.discard)
        self._actors.add(actor)
        actor.task = self._spawn_actor(actor.run)

    def _drop(self, timed: Timed, error: BaseException) -> None:
        logger.error("a timer failed, and is looked at no more: %r", timed, exc_info=error)
        self._next_look.pop(timed, None)
        if isinstance(error, (KeyboardInterrupt, SystemExit)):
            raise error


class _Actor:
    """Has one after the other act, in a task of its own."""

    __slots__ = ("_due", "_ended", "_failed", "task")

    def __init__(
        self,
        due: deque[Timed],
        failed: Callable[[Timed, BaseException], None],
        ended: Callable[[_Actor], None],
    ) -> None:
        self._due = due
        self._failed = failed
        self._ended = ended
        self.task: Spawned | None = None

    def cancel(self) -> None:
        if self.task is not None:
            self.task.cancel()

    async def run(self) -> None:
        task = this_task()
        try:
            while self._due:
                timed = self._due.popleft()
                try:
                    await timed.act()
                except BaseException as exc:
                    if is_cancellation(exc, task):
                        raise
                    self._failed(timed, exc)
        finally:
            self._ended(self)
