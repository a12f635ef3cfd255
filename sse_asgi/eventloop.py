"""The running event loop, asyncio or trio, for the few things here that outlive a request.

Whatever belongs to a request lives in that request's own tasks. A keep-alive for all streams, or a
hub's reader, belongs to none of them: its task is the event loop's.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable, Coroutine
from contextvars import Context
from typing import Any

from anyio.lowlevel import current_token

__all__ = ["EventLoop", "TaskFunction"]

TaskFunction = Callable[[], Coroutine[Any, Any, None]]


class EventLoop:
    """The event loop that runs when this is made."""

    __slots__ = ("__weakref__", "_native", "on_asyncio")

    def __init__(self) -> None:
        native: Any = current_token().native_token
        self.on_asyncio = hasattr(native, "call_soon_threadsafe")
        # Weak, since anyio keeps what is stored for an event loop as long as the loop lives.
        self._native = weakref.ref(native)

    @property
    def is_running_here(self) -> bool:
        """Whether the caller runs in this event loop."""
        try:
            return current_token().native_token is self._native()
        except RuntimeError:  # no event loop at all; anyio's NoEventLoopError is one
            return False

    def is_same_as(self, other: EventLoop) -> bool:
        """Whether this is the same event loop as ``other``."""
        return self._native() is other._native()

    def call_soon(self, function: Callable[..., object], *args: object) -> None:
        """Have the event loop call ``function``; from any thread and from signal handlers.

        :raises RuntimeError: the event loop is gone (trio's ``RunFinishedError`` is one)
        """
        native = self._native()
        if native is None:
            raise RuntimeError("the event loop is gone")
        if self.on_asyncio:
            native.call_soon_threadsafe(function, *args)
        else:
            native.run_sync_soon(function, *args)

    def spawn(self, function: TaskFunction) -> object:
        """Run ``function`` in a task of the event loop's own, in which nothing may be raised.

        Return the task: asyncio keeps no reference to it. The context is empty, since the task
        outlives the request that happens to start it.
        """
        if self.on_asyncio:
            from asyncio import get_running_loop

            return get_running_loop().create_task(function(), context=Context())
        from trio.lowlevel import spawn_system_task

        return spawn_system_task(function)
