"""Time, as everything that waits in this package sees it."""

from __future__ import annotations

import time

import anyio

__all__ = ["Clock", "MonotonicClock"]


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
