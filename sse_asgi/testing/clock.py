"""Time that passes when the test says so."""

from __future__ import annotations

from contextlib import ExitStack
from heapq import heapify, heappop, heappush
from itertools import count
from time import time
from types import TracebackType

import anyio
from anyio.lowlevel import checkpoint

from .. import checks
from ..asgi import Clock, use_clock

__all__ = ["VirtualClock", "settle"]

TURNS = 50
"""Turns of the event loop that tasks get before it is asked whether they all wait."""

SETTLE_TIMEOUT = 5.0


class VirtualClock(Clock):
    """A clock for this library's keep-alive, timeouts and lifetimes, moved by :meth:`advance`.

    ``with VirtualClock() as clock:`` inside a test lets the streams that start in the block go by
    it. Timeouts of :func:`connect` and content that sleeps still go by that of the event loop.

    :param start: what :meth:`now` begins with, in seconds
    """

    resolution: float = 0.0

    def __init__(self, start: float = 0.0) -> None:
        self._now = float(start)
        self._epoch = time() - self._now
        self._sleepers: list[tuple[float, int, anyio.Event]] = []
        self._order = count()
        self._installed = ExitStack()

    def __enter__(self) -> VirtualClock:
        self._installed.enter_context(use_clock(self))
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._installed.close()

    def now(self) -> float:
        """Return the time in seconds."""
        return self._now

    def posix_time(self) -> float:
        """Return the POSIX time: that of the system at first, moved with this clock."""
        return self._epoch + self._now

    async def sleep_until(self, deadline: float) -> None:
        """Sleep until the time has been moved to ``deadline``."""
        await checkpoint()
        if deadline <= self._now:
            return
        sleeper = (deadline, next(self._order), anyio.Event())
        heappush(self._sleepers, sleeper)
        try:
            await sleeper[2].wait()
        finally:
            if sleeper in self._sleepers:
                self._sleepers.remove(sleeper)
                heapify(self._sleepers)

    async def advance(self, seconds: float) -> None:
        """Move the time on, stopping at each deadline, the earliest first.

        At each stop the tasks that wake run until all wait again, so that a deadline they set
        meanwhile is kept as well. Work in threads is not waited for.

        :raises ValueError: ``seconds`` is negative or infinite
        :raises TimeoutError: some task never waits
        """
        target = self._now + checks.seconds("seconds", seconds)
        await settle()
        while self._sleepers and self._sleepers[0][0] <= target:
            self._now = max(self._now, self._sleepers[0][0])
            while self._sleepers and self._sleepers[0][0] <= self._now:
                heappop(self._sleepers)[2].set()
            await settle()
        self._now = target


async def settle() -> None:
    """Wait until every task of the event loop waits for something.

    :raises TimeoutError: one never does
    """
    with anyio.fail_after(SETTLE_TIMEOUT):
        # On asyncio, anyio waits for 0.1 s when it finds a task that runs; most need a few turns.
        for _ in range(TURNS):
            await checkpoint()
        await anyio.wait_all_tasks_blocked()
