"""The task that runs a stream's content, with the task that listens to the client beside it.

asyncio and trio meet here. On trio, and wherever else anyio runs, an anyio task group does it. On
asyncio that group would be most of a connection's cost, and its cancellation is repeated at every
``await``, so that a ``finally`` in the content could not wait for anything. There it is one plain
task beside ours and one :meth:`asyncio.Task.cancel`: the content's clean-up may wait, for a bounded
time.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any, Protocol

import anyio

__all__ = ["AnyioHost", "Host", "Main"]

Main = Callable[[], Coroutine[Any, Any, None]]


class Host(Protocol):
    """Runs one coroutine in the caller's task and another beside it."""

    async def run(self, main: Main, beside: Main) -> None:
        """Run ``main`` here, and ``beside`` in a task of its own for as long.

        Returns when both have ended. A cancellation from outside is raised; an interruption is not.
        """

    def interrupt(self) -> None:
        """Cancel ``main`` where it waits. Calling it again cancels its clean-up."""

    @property
    def is_cancelled(self) -> bool:
        """Whether ``main``, if it still goes on, does so although it was cancelled."""


class AnyioHost:
    """A :class:`Host` on an anyio task group. Neither coroutine may raise."""

    __slots__ = ("_scope",)

    def __init__(self) -> None:
        self._scope: anyio.CancelScope | None = None

    async def run(self, main: Main, beside: Main) -> None:
        async with anyio.create_task_group() as tasks:
            self._scope = tasks.cancel_scope
            tasks.start_soon(beside)
            await main()
            tasks.cancel_scope.cancel()

    def interrupt(self) -> None:
        if self._scope is not None:
            self._scope.cancel()

    @property
    def is_cancelled(self) -> bool:
        return anyio.current_effective_deadline() == float("-inf")
