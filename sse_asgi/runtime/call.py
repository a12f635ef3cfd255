"""A call of a coroutine function in the event loop of a service, which may end meanwhile.

A caller in that very loop runs the function in its own task. A caller in another loop, or in a
thread without one, has it run there, and waits for the outcome. Either call can be given up from
any thread: when the service stops, or its event loop ends.
"""

from __future__ import annotations

import threading
from collections.abc import Awaitable, Callable
from contextlib import suppress
from time import monotonic
from typing import Generic, TypeVar

import anyio

from .eventloop import EventLoop, Spawned

__all__ = ["Call", "CallEnded", "CallHere", "Deadline"]

T = TypeVar("T")


class CallEnded(Exception):
    """The event loop of the service ended while a call was under way."""


class CallHere(Generic[T]):
    """A call in the event loop of the service itself, in the task of the caller.

    :param loop: this event loop
    :param deadline: when to give up, by the clock of anyio, in seconds
    """

    __slots__ = ("_error", "_loop", "_scope")

    def __init__(self, loop: EventLoop, deadline: float) -> None:
        self._loop = loop
        self._scope = anyio.CancelScope(deadline=deadline)
        self._error: Exception | None = None

    async def run(self, function: Callable[[], Awaitable[T]]) -> T:
        """Call ``function`` and return its result.

        :raises TimeoutError: it took longer than until the deadline
        :raises Exception: the one with which the call was given up
        """
        with self._scope:
            return await function()
        raise self._error or TimeoutError

    def abandon(self, error: Exception) -> None:
        """Give the call up, in any thread."""
        self._error = error
        with suppress(RuntimeError):  # that event loop is gone
            self._loop.call_soon(self._scope.cancel)


class Call(Generic[T]):
    """A call on its way to another event loop, and its outcome on the way back."""

    def __init__(self, function: Callable[[], Awaitable[T]], done: Callable[[], object]) -> None:
        self._function = function
        self._done = done
        self._lock = threading.Lock()
        self._outcome: list[T] = []
        self._error: Exception | None = None
        self._is_over = False
        self._over: Callable[[Call[T]], object] | None = None
        self._loop: EventLoop | None = None
        self._task: Spawned | None = None

    def when_over(self, over: Callable[[Call[T]], object]) -> None:
        """Call ``over`` when the call has an outcome."""
        self._over = over

    def begin(self, loop: EventLoop) -> None:
        """Carry the call out; in the service's event loop."""
        if self._is_over:
            return
        self._loop, self._task = loop, loop.spawn(self._run)
        with self._lock:
            is_over = self._is_over
        if is_over:  # another thread gave the call up, perhaps before there was a task
            self._task.cancel()

    async def _run(self) -> None:
        try:
            result = await self._function()
        except Exception as exc:
            self._end(exc)
        except BaseException:
            self._end(CallEnded())
            raise
        else:
            self._end(None, result)

    def abandon(self, error: Exception) -> None:
        """Give the call up, in any thread; what it has begun is cancelled."""
        if self._end(error):
            loop, task = self._loop, self._task  # later than the end: see begin()
            if loop is not None and task is not None:
                with suppress(RuntimeError):  # that event loop is gone
                    loop.call_soon(task.cancel)

    def _end(self, error: Exception | None, *outcome: T) -> bool:
        with self._lock:
            if self._is_over:
                return False
            self._is_over = True
            self._error = error
            self._outcome.extend(outcome)
        if self._over is not None:
            self._over(self)
        with suppress(RuntimeError):  # the caller's event loop is gone
            self._done()
        return True

    def result(self) -> T:
        """Return the outcome."""
        if self._error is not None:
            raise self._error
        return self._outcome[0]


class Deadline:
    """A time limit, in seconds from now, for threads that wait."""

    def __init__(self, timeout: float) -> None:
        self._at = monotonic() + timeout

    def left(self) -> float:
        """Return the seconds that are left."""
        return max(0.0, self._at - monotonic())
