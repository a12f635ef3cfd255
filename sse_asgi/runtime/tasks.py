"""The task that runs a stream's content, with a task beside it that listens to the client.

asyncio and trio meet here. On trio, and wherever else anyio runs, an anyio task group does it. On
asyncio that group would be most of a connection's cost, and its cancellation is repeated at every
``await``, so that a ``finally`` in the content could not wait for anything. There it is one plain
task beside ours and one :meth:`asyncio.Task.cancel`: the content's clean-up may wait, for a bounded
time.
"""

from __future__ import annotations

from asyncio import CancelledError, Task, current_task, sleep, wait
from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Any, Protocol

import anyio

if TYPE_CHECKING:
    from anyio.abc import TaskGroup

__all__ = ["AnyioTaskPair", "AsyncioTaskPair", "Main", "TaskPair"]

Main = Callable[[], Coroutine[Any, Any, None]]


class TaskPair(Protocol):
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


class AnyioTaskPair:
    """A :class:`TaskPair` on an anyio task group. Neither coroutine may raise."""

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


class AsyncioTaskPair:
    """A :class:`TaskPair` on one plain asyncio task and one cancellation.

    The task beside it is made in the next turn of the event loop: a short stream has ended before.
    """

    __slots__ = ("_beside", "_cancelling", "_interrupts", "_task")

    def __init__(self) -> None:
        self._task: Task[Any] | None = None
        self._beside: Task[None] | None = None
        self._interrupts = 0
        self._cancelling = 0

    async def run(self, main: Main) -> None:
        task = current_task()
        assert task is not None
        self._cancelling = task.cancelling()
        self._task = task
        try:
            await main()
            if self._interrupts:
                await sleep(0)  # takes a cancellation that main did not wait for
        except CancelledError as exc:
            interrupted = self._withdraw(task)
            if task.cancelling() > self._cancelling:
                raise
            if not interrupted:
                message = "the content raised CancelledError although nobody cancelled it"
                raise RuntimeError(message) from exc
        finally:
            self._withdraw(task)
            beside, self._beside = self._beside, None
            if beside is not None and not beside.done():
                await _end(beside)

    def start(self, beside: Main) -> None:
        if self._task is not None and self._beside is None:
            self._task.get_loop().call_soon(self._start, beside)

    def _start(self, beside: Main) -> None:
        if self._task is not None and self._beside is None:
            self._beside = self._task.get_loop().create_task(beside())

    def interrupt(self) -> None:
        if self._task is not None:
            self._interrupts += 1
            self._task.cancel()

    @property
    def is_cancelled(self) -> bool:
        return self._task is not None and self._task.cancelling() > self._cancelling

    def _withdraw(self, task: Task[Any]) -> bool:
        """Take our own cancellations off the task's count, so that only those of others remain."""
        self._task = None
        interrupts, self._interrupts = self._interrupts, 0
        for _ in range(interrupts):
            task.uncancel()
        return interrupts > 0


async def _end(task: Task[None]) -> None:
    task.cancel()
    await sleep(0)
    if not task.done():
        await wait((task,), timeout=1)
