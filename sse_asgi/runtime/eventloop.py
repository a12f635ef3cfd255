"""The running event loop, asyncio or trio, for the few tasks that outlive a request."""

from __future__ import annotations

import weakref
from asyncio import CancelledError, Task, _get_running_loop, current_task
from collections.abc import Callable, Coroutine
from contextvars import Context
from typing import Any, Protocol

from anyio import get_cancelled_exc_class
from anyio.lowlevel import current_token

__all__ = ["EventLoop", "Spawned", "TaskFunction", "is_cancellation", "this_task"]

TaskFunction = Callable[[], Coroutine[Any, Any, None]]


class Spawned(Protocol):
    """A task of the event loop."""

    def cancel(self) -> object:
        """Cancel the task."""


class EventLoop:
    """The event loop that runs when this object is made.

    It refers to the loop weakly. anyio keeps per-loop state as long as the loop lives, so a strong
    reference from that state would keep every loop forever.
    """

    __slots__ = ("__weakref__", "_native", "_running_here", "on_asyncio")

    def __init__(self) -> None:
        native: Any = current_token().native_token
        self.on_asyncio: bool = hasattr(native, "call_soon_threadsafe")
        self._native = weakref.ref(native)
        self._running_here: Callable[[], Any] = _native_loop
        if self.on_asyncio:
            self._running_here = _get_running_loop  # anyio's dispatch costs forty times as much

    @property
    def is_running_here(self) -> bool:
        """Whether the caller runs in this event loop."""
        native = self._running_here()
        return native is not None and native is self._native()

    @property
    def is_running(self) -> bool:
        """Whether the event loop runs: it neither ended nor waits for its next run."""
        native = self._native()
        return native is not None and (not self.on_asyncio or native.is_running())

    @property
    def is_closed(self) -> bool:
        """Whether the event loop will never run again, as far as that is known."""
        native = self._native()
        return native is None or (self.on_asyncio and native.is_closed())

    def is_same_as(self, other: EventLoop) -> bool:
        """Whether this is the same event loop as ``other``."""
        return self._native() is other._native()

    @property
    def native(self) -> Any:
        """The loop's own object, to be referred to weakly; None when it is gone."""
        return self._native()

    def when_gone(self, function: Callable[[], object]) -> None:
        """Call ``function`` when the event loop is freed, in whichever thread frees it."""
        native = self._native()
        if native is not None:
            weakref.finalize(native, function).atexit = False

    def call_soon(self, function: Callable[..., object], *args: object) -> None:
        """Have the event loop call ``function``; from any thread and from signal handlers.

        :raises RuntimeError: the event loop is gone (trio's ``RunFinishedError`` is one)
        """
        native = self._running()
        if self.on_asyncio:
            native.call_soon_threadsafe(function, *args)
        else:
            native.run_sync_soon(function, *args)

    def spawn(self, function: TaskFunction) -> Spawned:
        """Run ``function``, which must not raise, in a task of the event loop.

        The caller must keep the result, which cancels the task: asyncio keeps no reference to its
        tasks. The context is empty, since the task outlives the request that happens to start it.

        :raises RuntimeError: the event loop is gone
        """
        if self.on_asyncio:
            task = self._running().create_task(function(), context=Context())
            # A program may close its loop without cancelling what runs in it. The task then ends
            # with the loop, and that is no fault to be logged.
            task._log_destroy_pending = False
            return task  # type: ignore[no-any-return]
        from anyio import CancelScope
        from trio.lowlevel import spawn_system_task

        scope = CancelScope()

        async def run() -> None:
            with scope:
                await function()

        spawn_system_task(run)
        return scope

    def _running(self) -> Any:
        native = self._native()
        if native is None:
            raise RuntimeError("the event loop is gone")
        return native


def this_task() -> object:
    """Return the current asyncio task, or None on trio and outside of any event loop."""
    loop = _get_running_loop()
    return None if loop is None else current_task(loop)


def is_cancellation(exc: BaseException, task: object) -> bool:
    """Tell whether ``exc`` ends ``task``, and was not just raised by code in it.

    On asyncio any code can raise ``CancelledError``, for example by awaiting a task that somebody
    cancelled; and a task that is freed with its event loop gets a ``GeneratorExit``. On trio only
    the cancellation of a scope raises ``Cancelled``.

    :param task: what :func:`this_task` returned in it
    """
    if isinstance(exc, GeneratorExit):
        return this_task() is not task
    if isinstance(exc, CancelledError):
        return isinstance(task, Task) and task.cancelling() > 0
    return task is None and isinstance(exc, get_cancelled_exc_class())


def _native_loop() -> Any:
    try:
        return current_token().native_token
    except RuntimeError:  # no event loop at all; anyio's NoEventLoopError is one
        return None
