"""A background coroutine in one event loop of the process, and the way to it from all others.

The service lives in the first event loop that needs it. That loop may end at any time: a program
may call :func:`asyncio.run` again and again, close a loop without a word, or fork. So each use
looks whether the service is alive, and starts it anew if it is not. A call that was under way is
repeated then, unless the service was stopped on purpose.
"""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import suppress
from functools import partial
from typing import Any, Final, TypeVar

import anyio

from .call import Call, CallEnded, CallHere, Deadline
from .eventloop import EventLoop, Spawned

__all__ = ["LoopService", "ServiceStopped"]

_POLL: Final = 0.25
"""Seconds between two looks whether the service's event loop is still alive."""

T = TypeVar("T")

logger: Final = logging.getLogger("sse_asgi")


class ServiceStopped(Exception):
    """The service was stopped while a call was under way."""


class LoopService:
    """Runs one coroutine function in one event loop at a time.

    :param main: runs until it is cancelled
    :param on_end: called with the event loop in which it has ended; another may still need it
    :param after_fork: called in a forked process, before anything else
    """

    def __init__(
        self,
        main: Callable[[], Coroutine[Any, Any, None]],
        on_end: Callable[[EventLoop], object],
        after_fork: Callable[[], object],
    ) -> None:
        self._main = main
        self._on_end = on_end
        self._after_fork = after_fork
        self._process = os.getpid()
        self._begin()

    def _begin(self) -> None:
        self._lock = threading.Lock()
        self._loop: EventLoop | None = None
        self._task: Spawned | None = None
        self._ended: threading.Event | None = None
        self._has_begun = False
        self._waiting: list[Call[Any]] = []
        self._calls: set[Call[Any] | CallHere[Any]] = set()

    @property
    def is_here(self) -> bool:
        """Whether ``main`` runs in the caller's event loop."""
        loop = self._loop  # any thread may change it
        return loop is not None and loop.is_running_here

    @property
    def _is_alive(self) -> bool:
        loop = self._loop
        return loop is not None and loop.is_running

    def check_process(self) -> None:
        """Begin anew in a forked process: the parent's event loop does not run here."""
        if self._process != os.getpid():
            self._process = os.getpid()
            self._begin()
            self._after_fork()

    def start(self, loop: EventLoop | None = None) -> None:
        """Run ``main`` in this event loop, unless it runs already.

        :param loop: this event loop, where it is known
        :raises RuntimeError: there is no event loop here, nor one in which it runs
        """
        self.check_process()
        if self._is_alive:
            return
        loop = loop or EventLoop()
        with self._lock:
            if self._is_alive:
                return
            former, task = self._loop, self._task
            self._loop, self._ended = loop, threading.Event()
            self._has_begun, self._waiting = False, []
            ended = self._ended
            self._task = loop.spawn(lambda: self._run(loop, ended))
        if former is not None and task is not None:
            with suppress(RuntimeError):  # it may run again one day, and must not go on then
                former.call_soon(task.cancel)

    async def stop(self) -> None:
        """Cancel ``main`` and wait until it has ended, in whichever event loop it runs."""
        self.check_process()
        with self._lock:
            loop, task, ended = self._loop, self._task, self._ended
            self._loop = self._task = None
        self._abandon(ServiceStopped())
        if loop is None or task is None or ended is None or not loop.is_running:
            return
        with suppress(RuntimeError):  # that event loop has just ended
            loop.call_soon(task.cancel)
        while not ended.is_set() and loop.is_running:  # noqa: ASYNC110 - it may be another loop's
            await anyio.sleep(0.001 if loop.is_running_here else 0.01)

    async def _run(self, loop: EventLoop, ended: threading.Event) -> None:
        if self._loop is loop:
            waiting, self._waiting, self._has_begun = self._waiting, [], True
            for call in waiting:
                call.begin(loop)
        try:
            await self._main()
        except Exception:
            logger.exception("the backend of a hub failed")
        finally:
            with self._lock:
                is_current = self._loop is loop
                if is_current:
                    self._loop = self._task = None
            ended.set()
            if is_current:
                self._abandon(CallEnded())
                self._on_end(loop)

    def _abandon(self, error: Exception) -> None:
        for call in list(self._calls):
            call.abandon(error)

    # -- calls -------------------------------------------------------------------------------------

    async def call(self, function: Callable[[], Awaitable[T]], timeout: float) -> T:
        """Call ``function`` in the event loop in which ``main`` runs, and return its result.

        :raises TimeoutError: that event loop did not answer within ``timeout`` seconds
        :raises ServiceStopped: the service was stopped meanwhile
        """
        here = EventLoop()
        deadline = anyio.current_time() + timeout
        while True:
            self.start(here)
            with suppress(CallEnded):
                # Before its first step, ``main`` may still stand as another event loop has left it.
                if self.is_here and self._has_begun:
                    return await self._call_here(function, here, deadline)
                return await self._call_there(function, here, deadline)

    async def _call_here(
        self, function: Callable[[], Awaitable[T]], here: EventLoop, deadline: float
    ) -> T:
        call: CallHere[T] = CallHere(here, deadline)
        self._calls.add(call)
        try:
            return await call.run(function)
        finally:
            self._calls.discard(call)

    async def _call_there(
        self, function: Callable[[], Awaitable[T]], here: EventLoop, deadline: float
    ) -> T:
        done = anyio.Event()
        call = Call(function, partial(here.call_soon, done.set))
        loop = self._send(call)
        try:
            while loop is not None and not done.is_set():
                with anyio.move_on_after(min(_POLL, deadline - anyio.current_time())):
                    await done.wait()
                if not done.is_set() and not loop.is_running:
                    call.abandon(CallEnded())
                elif not done.is_set() and anyio.current_time() >= deadline:
                    raise TimeoutError
        finally:
            call.abandon(CallEnded())  # the caller may have been cancelled
        return call.result()

    def call_from_thread(self, function: Callable[[], Awaitable[T]], timeout: float) -> T:
        """Call ``function`` there from a thread that runs no event loop, and wait.

        If ``main`` runs nowhere, it is run in a thread for the rest of the process's life.

        :raises RuntimeError: ``main`` runs in this very thread
        :raises TimeoutError: it took longer than ``timeout`` seconds
        :raises ServiceStopped: the service was stopped meanwhile
        """
        self.check_process()
        if self.is_here:
            raise RuntimeError("this is the hub's own event loop: await publish() instead")
        deadline = Deadline(timeout)
        while True:
            if not self._is_alive:
                self._start_in_thread(deadline)
            done = threading.Event()
            call = Call(function, done.set)
            loop = self._send(call)
            while loop is not None and not done.wait(min(_POLL, deadline.left())):
                if not deadline.left():
                    self._calls.discard(call)
                    raise TimeoutError(f"the hub's event loop gave no answer in {timeout:g} s")
                if not loop.is_running:
                    call.abandon(CallEnded())
            with suppress(CallEnded):
                return call.result()

    def _start_in_thread(self, deadline: Deadline) -> None:
        started = threading.Event()

        async def serve() -> None:
            self.start()
            ended = self._ended if self.is_here else None
            started.set()
            while ended is not None and not ended.is_set():  # noqa: ASYNC110 - set by any thread
                await anyio.sleep(_POLL)

        thread = threading.Thread(target=anyio.run, args=(serve,), name="sse_asgi hub", daemon=True)
        thread.start()
        if not started.wait(deadline.left()):
            raise TimeoutError("the thread of the hub did not start in time")

    def _send(self, call: Call[Any]) -> EventLoop | None:
        """Have the call carried out; return the event loop that does it, or None if it is gone."""
        loop = self._loop
        self._calls.add(call)
        call.when_over(self._calls.discard)
        try:
            if loop is None:
                raise RuntimeError
            loop.call_soon(self._carry_out, call, loop)
        except RuntimeError:
            call.abandon(CallEnded())
            return None
        return loop

    def _carry_out(self, call: Call[Any], loop: EventLoop) -> None:
        """Begin a call, in the event loop of the service, as soon as ``main`` has begun."""
        if self._loop is not loop:
            call.abandon(CallEnded())  # ``main`` has ended since the call was sent
        elif self._has_begun:
            call.begin(loop)
        else:
            self._waiting.append(call)
