"""The event loop in which a hub's backend runs, and the way there from every other thread."""

from __future__ import annotations

import logging
import threading
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import suppress
from typing import Any, Generic, TypeVar

import anyio
from anyio.abc import TaskGroup

from .eventloop import EventLoop

__all__ = ["LoopService"]

T = TypeVar("T")

logger = logging.getLogger("sse_asgi")


class LoopService:
    """Runs one coroutine function in the first event loop that needs it, for as long as that lives.

    :param main: runs until it is cancelled
    :param on_end: called with the event loop in which it has ended; another may still need it
    """

    def __init__(
        self,
        main: Callable[[], Coroutine[Any, Any, None]],
        on_end: Callable[[EventLoop], object],
    ) -> None:
        self._main = main
        self._on_end = on_end
        self._lock = threading.Lock()
        self._loop: EventLoop | None = None
        self._task: object = None  # an event loop keeps no reference to its tasks
        self._calls: set[object] = set()

    @property
    def is_here(self) -> bool:
        """Whether ``main`` runs in the caller's event loop."""
        return self._loop is not None and self._loop.is_running_here

    def start(self, loop: EventLoop | None = None) -> None:
        """Run ``main`` in this event loop, unless it runs already.

        :param loop: this event loop, where it is known
        :raises RuntimeError: there is no event loop here, nor one in which it runs
        """
        if self._loop is None:
            loop = loop or EventLoop()
            if self._claim(loop):
                self._task = loop.spawn(self._run_alone)

    def _claim(self, loop: EventLoop) -> bool:
        with self._lock:
            if self._loop is not None:
                return False
            self._loop = loop
            return True

    def start_in(self, tasks: TaskGroup) -> None:
        """Run ``main`` in a task of ``tasks``, unless it runs already."""
        if self._claim(EventLoop()):
            tasks.start_soon(self._run)

    async def _run(self) -> None:
        loop = self._loop
        assert loop is not None
        try:
            await self._main()
        finally:
            self._loop = self._task = None
            self._on_end(loop)

    async def _run_alone(self) -> None:
        try:
            await self._run()
        except Exception:
            logger.exception("the backend of a hub failed")

    async def call(self, function: Callable[[], Awaitable[T]], timeout: float) -> T:
        """Call ``function`` in the event loop in which ``main`` runs, and return what it returns.

        :raises TimeoutError: that event loop did not answer within ``timeout`` seconds
        """
        self.start()
        if self.is_here:
            return await function()
        here, done = EventLoop(), anyio.Event()
        call = _Call(function, lambda: here.call_soon(done.set))
        self._send(call)
        with anyio.fail_after(timeout):
            await done.wait()
        return call.result()

    def call_from_thread(self, function: Callable[[], Awaitable[T]], timeout: float) -> T:
        """Call ``function`` there from a thread that runs no event loop, and wait.

        :raises RuntimeError: ``main`` runs nowhere, or in this very thread
        :raises TimeoutError: it took longer than ``timeout`` seconds
        """
        if self.is_here:
            raise RuntimeError("this is the hub's own event loop: await publish() instead")
        if self._loop is None:
            raise RuntimeError("the hub runs in no event loop yet: enter it there, or use it first")
        done = threading.Event()
        call = _Call(function, done.set)
        self._send(call)
        if not done.wait(timeout):
            raise TimeoutError(f"no answer from the hub's event loop within {timeout:g} seconds")
        return call.result()

    def _send(self, call: _Call[Any]) -> None:
        loop = self._loop
        if loop is None:
            raise RuntimeError("the event loop of the hub has ended")
        loop.call_soon(self._accept, loop, call)

    def _accept(self, loop: EventLoop, call: _Call[Any]) -> None:
        self._calls.add(call)
        call.task = loop.spawn(lambda: self._carry_out(call))

    async def _carry_out(self, call: _Call[Any]) -> None:
        try:
            await call.run()
        finally:
            self._calls.discard(call)


class _Call(Generic[T]):
    """One call on its way to another event loop, and its outcome on the way back."""

    def __init__(self, function: Callable[[], Awaitable[T]], done: Callable[[], object]) -> None:
        self._function = function
        self._done = done
        self._outcome: list[T] = []
        self._error: Exception | None = None
        self.task: object = None

    async def run(self) -> None:
        try:
            self._outcome.append(await self._function())
        except Exception as exc:
            self._error = exc
        finally:
            with suppress(RuntimeError):  # whoever asked is gone
                self._done()

    def result(self) -> T:
        if self._error is not None:
            raise self._error
        if not self._outcome:
            raise RuntimeError("the event loop of the hub has ended")
        return self._outcome[0]
