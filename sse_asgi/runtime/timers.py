"""The deadlines of all streams of an event loop, kept by one task.

A task, a cancel scope or a timer for each stream would cost more than the stream's events. So one
task sleeps until the earliest deadline, then *looks* at each stream that is due. A look must not
wait. A stream that has something to send *acts* in another task, where a slow client may keep it
waiting without holding up the rest.

Deadlines of the same moment share one entry of the heap. Those that come again and again, such as
keep-alive, meet there: all that one look finds due have the next one at the same moment.

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
from typing import Any, Final, Protocol

from anyio.lowlevel import checkpoint

from .clock import Clock, InterruptibleSleep, interruptible_sleep
from .eventloop import Spawned, is_cancellation, this_task

__all__ = ["NEVER", "Spawn", "Timed", "TimerQueue"]

NEVER: Final = float("inf")

_LONGEST_SLEEP: Final = 3600.0
"""Seconds. An asyncio task that slept without end would be referred to by nothing."""

_ACTS_PER_TURN: Final = 256
"""Acts of one task before the event loop gets a turn: a server's send need not ever wait."""

_MOST_SPANS: Final = 64
"""Spans of time that are known before those that are over are forgotten."""

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
        self._heap: list[float] = []
        self._at: dict[float, list[Timed]] = {}
        """Those to look at, by each of the times in the heap; of some the time is another now."""
        self._entries = 0
        self._spans: dict[tuple[float, float], float] = {}
        """The first time in each span of time, for those that may come early."""
        self._looked_at = -NEVER
        # The task is not kept: it leads to the event loop, which this object must not keep alive.
        # The loop itself refers to a task that sleeps.
        self._is_running = False
        self._sleep: InterruptibleSleep | None = None
        self._actors: set[_Actor] = set()
        self._acting: dict[Timed, _Actor] = {}

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
        self._entries += 1
        others = self._at.get(when)
        if others is not None:
            others.append(timed)
            return
        self._at[when] = [timed]
        heappush(self._heap, when)
        if self._heap[0] == when:
            self._wake()

    def together(self, when: float, early: float) -> float:
        """Return ``when``, or the time of somebody's look that is less than ``early`` before it.

        Streams that began at different moments come to share their wake-ups in this way.

        :param early: seconds; the same for all that may come together
        """
        if when in self._at or when == NEVER:
            return when
        span = (early, when // early)
        other = self._spans.get(span)
        if other is not None and other <= when and other in self._at:
            return other
        if len(self._spans) >= _MOST_SPANS:
            self._spans = {key: time for key, time in self._spans.items() if time in self._at}
        self._spans[span] = when
        return when

    def discard(self, timed: Timed) -> None:
        """Look at ``timed`` no more."""
        self._next_look.pop(timed, None)
        if not self._next_look:
            self._clear()
            self._wake()
        elif self._entries > 64 + 2 * len(self._next_look):
            # An entry of a stream that has left goes when its time comes; short streams would pile
            # up until then.
            self._clear()
            for each, when in self._next_look.items():
                self._at.setdefault(when, []).append(each)
            self._at.pop(NEVER, None)
            self._heap = list(self._at)
            heapify(self._heap)
            self._entries = len(self._next_look)

    def break_off(self, timed: Timed) -> None:
        """Cancel the act of ``timed``, if it is under way."""
        actor = self._acting.pop(timed, None)
        if actor is not None:
            actor.cancel()

    def _clear(self) -> None:
        self._heap.clear()
        self._at.clear()
        self._entries = 0

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
        when = self._heap[0] if self._heap else NEVER
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
        while self._heap and self._heap[0] <= now:
            when = heappop(self._heap)
            for timed in self._at.pop(when, ()):
                self._entries -= 1
                if self._next_look.get(timed) == when:
                    self._look_at_one(timed, now, due)
        return due

    def _look_at_one(self, timed: Timed, now: float, due: deque[Timed]) -> None:
        self._next_look[timed] = NEVER
        try:
            when, must_act = timed.look(now)
        except BaseException as exc:
            self._drop(timed, exc)
        else:
            self.look_at(timed, when)
            if must_act:
                due.append(timed)

    def _begin(self, due: deque[Timed]) -> None:
        actor = _Actor(due, self._acting, self._drop, self._actors.discard)
        self._actors.add(actor)
        actor.task = self._spawn_actor(actor.run)

    def _drop(self, timed: Timed, error: BaseException) -> None:
        logger.error("a timer failed, and is looked at no more: %r", timed, exc_info=error)
        self._next_look.pop(timed, None)
        if isinstance(error, (KeyboardInterrupt, SystemExit)):
            raise error


class _Actor:
    """Has one after the other act, in a task of its own.

    :param acting: where it notes what it is at work on
    """

    __slots__ = ("_acting", "_due", "_ended", "_failed", "_is_cancelled", "task")

    def __init__(
        self,
        due: deque[Timed],
        acting: dict[Timed, _Actor],
        failed: Callable[[Timed, BaseException], None],
        ended: Callable[[_Actor], None],
    ) -> None:
        self._due = due
        self._acting = acting
        self._failed = failed
        self._ended = ended
        self._is_cancelled = False
        self.task: Spawned | None = None

    def cancel(self) -> None:
        self._is_cancelled = True
        if self.task is not None:
            self.task.cancel()

    async def run(self) -> None:
        task, due = this_task(), self._due
        try:
            for _ in range(_ACTS_PER_TURN):
                if not due or self._is_cancelled:
                    return  # the next actor takes over the rest
                timed = due.popleft()
                self._acting[timed] = self
                try:
                    await timed.act()
                except BaseException as exc:
                    if is_cancellation(exc, task):
                        raise
                    self._failed(timed, exc)
                finally:
                    self._acting.pop(timed, None)
        finally:
            self._ended(self)
