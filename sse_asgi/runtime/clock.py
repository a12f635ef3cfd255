"""The clock of an event loop, and a sleep by it that can be broken off."""

from __future__ import annotations

import time
import weakref
from asyncio import CancelledError, Task, _get_running_loop, current_task
from collections.abc import Coroutine
from typing import Any, Final, Protocol

import anyio

__all__ = ["Clock", "InterruptibleSleep", "MonotonicClock", "interruptible_sleep"]


class Clock:
    """Time in seconds, and a sleep that goes by it: those of the running event loop.

    Keep-alive, timeouts and lifetimes ask the clock of their event loop. A test puts another one in
    its place with :func:`sse_asgi.asgi.use_clock`.
    """

    resolution: float = 0.01
    """Seconds that a deadline may be late, so that those of many streams share one wake-up."""

    def now(self) -> float:
        """Return the current time in seconds; only differences mean anything.

        It is also asked by callbacks and signal handlers, where anyio knows no event loop.
        """
        try:
            return anyio.current_time()
        except RuntimeError:
            return time.monotonic()  # the clock that both asyncio's loops and trio start from

    def posix_time(self) -> float:
        """Return the POSIX time in seconds, which may be set back: what tokens expire by."""
        return time.time()

    async def sleep_until(self, deadline: float) -> None:
        """Sleep until :meth:`now` has reached ``deadline``."""
        await anyio.sleep(max(0, deadline - self.now()))


class MonotonicClock(Clock):
    """The system's monotonic clock, which asyncio goes by.

    Time is read once per event; anyio's dispatch to the backend would cost more than the event
    itself.
    """

    now: Final = staticmethod(time.monotonic)


class InterruptibleSleep(Protocol):
    """A sleep that can be broken off from outside of its task."""

    async def run(self, sleep: Coroutine[Any, Any, None]) -> None: ...

    def interrupt(self) -> None: ...


def interruptible_sleep() -> InterruptibleSleep:
    """Return a sleep for the task that calls this function."""
    task = current_task() if _get_running_loop() is not None else None
    return _AnyioSleep() if task is None else _AsyncioSleep(task)


class _AnyioSleep:
    __slots__ = ("_scope",)

    def __init__(self) -> None:
        self._scope = anyio.CancelScope()

    async def run(self, sleep: Coroutine[Any, Any, None]) -> None:
        with self._scope:
            await sleep

    def interrupt(self) -> None:
        self._scope.cancel()


class _AsyncioSleep:
    """A sleep that one plain cancellation breaks off.

    anyio keeps the task that is inside of one of its cancel scopes, and with the task its event
    loop, even when the program has closed and dropped that loop.
    """

    __slots__ = ("_is_interrupted", "_is_over", "_task")

    def __init__(self, task: Task[Any]) -> None:
        self._task = weakref.ref(task)
        self._is_interrupted = False
        self._is_over = False

    async def run(self, sleep: Coroutine[Any, Any, None]) -> None:
        try:
            await sleep
        except CancelledError:
            task = self._task()
            if not self._is_interrupted or task is None or task.uncancel():
                raise
        finally:
            self._is_over = True

    def interrupt(self) -> None:
        task = self._task()
        if task is not None and not self._is_interrupted and not self._is_over:
            self._is_interrupted = True
            task.cancel()
