"""The task that runs a stream's content, with a task beside it that listens to the client.

asyncio and trio meet here. On trio, and wherever else anyio runs, an anyio task group does it. On
asyncio that group would be most of a connection's cost, and its cancellation is repeated at every
``await``, so that a ``finally`` in the content could not wait for anything. There it is one plain
task beside ours and one :meth:`asyncio.Task.cancel`: the content's clean-up may wait, for a bounded
time.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Any, Protocol

import anyio

if TYPE_CHECKING:
    from anyio.abc import TaskGroup

__all__ = ["AnyioHost", "Host", "Main"]

Main = Callable[[], Coroutine[Any, Any, None]]


class Host(Protocol):
    """Runs one coroutine in the caller's task and perhaps another beside it."""

    async def run(self, main: Main) -> None:
        """Run ``main`` here, and what it starts beside itself for as long.

        Returns when both have ended. A cancellation from outside is raised; an interruption is not.
        """

    def start(self, beside: Main) -> None:
        """Run ``beside`` in a task of its own while ``main`` runs, unless one is there already."""

    def interrupt(self) -> None:
        """Cancel ``main`` where it waits. Calling it again cancels its clean-up."""

    @property
    def is_cancelled(self) -> bool:
        """Whether ``main``, if it still goes on, does so although it was cancelled."""


class AnyioHost:
    """A :class:`Host` on an anyio task group. Neither coroutine may raise."""

    __slots__ = ("_alone", "_tasks")

    def __init__(self) -> None:
        self._tasks: TaskGroup | None = None
        self._alone = True

    async def run(self, main: Main) -> None:
        self._alone = True
        async with anyio.create_task_group() as self._tasks:
            await main()
            self._tasks.cancel_scope.cancel()

    def start(self, beside: Main) -> None:
        if self._alone and self._tasks is not None:
            self._alone = False
            self._tasks.start_soon(beside)

    def interrupt(self) -> None:
        if self._tasks is not None:
            self._tasks.cancel_scope.cancel()

    @property
    def is_cancelled(self) -> bool:
        return anyio.current_effective_deadline() == float("-inf")
