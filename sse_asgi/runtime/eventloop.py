"""The running event loop, asyncio or trio, for the few things here that outlive a request.

Whatever belongs to a request lives in that request's own tasks. A keep-alive for all streams, or a
hub's reader, belongs to none of them: its task is the event loop's.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable, Coroutine
from contextvars import Context
from typing import Any, Protocol

from anyio.lowlevel import current_token

__all__ = ["EventLoop", "Spawned", "TaskFunction"]

TaskFunction = Callable[[], Coroutine[Any, Any, None]]


class Spawned(Protocol):
    """A task of the event loop's own."""

    def cancel(self) -> object:
        """Cancel the task."""


class EventLoop:
    """The event loop that runs when this is made."""

    __slots__ = ("__weakref__", "_native", "_running_here", "on_asyncio")

    def __init__(self) -> None:
        native: Any = current_token().native_token
        self.on_asyncio = hasattr(native, "call_soon_threadsafe")
        # Weak, since anyio keeps what is stored for an event loop as long as the loop lives.
        self._native = weakref.ref(native)
        self._running_here: Callable[[], Any] = _native_loop
        if self.on_asyncio:
            from asyncio import _get_running_loop

            self._running_here = _get_running_loop  # anyio's dispatch costs forty times as much

    @property
    def is_running_here(self) -> bool:
        """Whether the caller runs in this event loop."""
        native = self._running_here()
        return native is not None and native is self._native()

    def is_same_as(self, other: EventLoop) -> bool:
        """Whether this is the same event loop as ``other``."""
        return self._native() is other._native()

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
        """Run ``function`` in a task of the event loop's own, in which nothing may be raised.

        Return what cancels the task, and must be kept: asyncio keeps no reference to its tasks. The
        context is empty, since the task outlives the request that happens to start it.

        :raises RuntimeError: the event loop is gone
        """
        if self.on_asyncio:
            return self._running().create_task(function(), context=Context())  # type: ignore[no-any-return]
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


def _native_loop() -> Any:
    try:
        return current_token().native_token
    except RuntimeError:  # no event loop at all; anyio's NoEventLoopError is one
        return None
