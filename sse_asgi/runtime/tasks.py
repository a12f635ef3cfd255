"""The task that runs a stream's content, with a task beside it that listens to the client.

asyncio and trio meet here. On trio, and wherever else anyio runs, an anyio task group does it. On
asyncio that group would be most of a connection's cost, and its cancellation is repeated at every
``await``, so that a ``finally`` in the content could not wait for anything. There it is one plain
task beside ours and one :meth:`asyncio.Task.cancel`: the content's clean-up may wait, for a bounded
time.

A plain cancellation does not know anyio's scopes (see :mod:`.scopes`). So an interruption waits
until the task has left their shields, and cancels the other tasks in them first.
"""

from __future__ import annotations

from asyncio import CancelledError, Task, current_task, sleep, wait
from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Any, Protocol

import anyio

from .scopes import innermost_scope, is_shielded, tasks_within

if TYPE_CHECKING:
    from anyio.abc import TaskGroup

__all__ = [
    "AnyioTaskPair",
    "AsyncioTaskPair",
    "Main",
    "TaskPair",
    "is_scope_cancelled",
    "uncalled_for",
]

Main = Callable[[], Coroutine[Any, Any, None]]


class TaskPair(Protocol):
    """Runs one coroutine in the caller's task and perhaps another beside it."""

    async def run(self, main: Main) -> None:
        """Run ``main`` here, and the coroutine that it starts beside itself for as long.

        Returns when both have ended. A cancellation from outside is raised; an interruption is not.
        """

    def start(self, beside: Main) -> None:
        """Run ``beside`` in another task while ``main`` runs, unless one does so already."""

    def interrupt(self, *, pierce: bool = False) -> None:
        """Cancel ``main`` where it waits, once it has left anyio's shields.

        Calling it again cancels the clean-up of ``main``. Before :meth:`run` it counts for the run.

        :param pierce: cancel it at once, where a shield does not hinder that
        """

    @property
    def is_cancelled(self) -> bool:
        """Whether ``main``, if it still goes on, does so although it was cancelled."""

    def ignores_cancellation(self) -> bool:
        """Tell the same to a loop of many events, as cheaply as can be."""


class AnyioTaskPair:
    """A :class:`TaskPair` on an anyio task group. Neither coroutine may raise."""

    __slots__ = ("_alone", "_early", "_tasks")

    def __init__(self) -> None:
        self._tasks: TaskGroup | None = None
        self._alone = True
        self._early = False

    async def run(self, main: Main) -> None:
        self._alone = True
        try:
            async with anyio.create_task_group() as self._tasks:
                if self._early:
                    self._tasks.cancel_scope.cancel()
                await main()
                self._tasks.cancel_scope.cancel()
        finally:
            self._tasks = None  # nothing can be started in it any more

    def start(self, beside: Main) -> None:
        if self._alone and self._tasks is not None:
            self._alone = False
            self._tasks.start_soon(beside)

    def interrupt(self, *, pierce: bool = False) -> None:
        if self._tasks is None:
            self._early = True
        else:
            self._tasks.cancel_scope.cancel()

    @property
    def is_cancelled(self) -> bool:
        return is_scope_cancelled()

    def ignores_cancellation(self) -> bool:
        return False  # every await of a task that goes on although it was cancelled raises


class AsyncioTaskPair:
    """A :class:`TaskPair` on one plain asyncio task and one cancellation.

    The task beside it is made in the next turn of the event loop: a short stream has ended before.
    """

    __slots__ = (
        "_alone",
        "_beside",
        "_cancelling",
        "_early",
        "_interrupts",
        "_outer",
        "_task",
        "_waits_for",
    )

    def __init__(self) -> None:
        self._task: Task[Any] | None = None
        self._alone = True
        self._beside: Task[None] | None = None
        self._interrupts = 0
        self._cancelling = 0
        self._early = False
        self._outer: Any = None
        """The anyio scope around the run: a shield further out is nothing to us."""
        self._waits_for: object = None
        """The future, within a shield, after which the interruption tries again."""

    async def run(self, main: Main) -> None:
        task = current_task()
        assert task is not None
        self._cancelling = task.cancelling()
        self._task = task
        self._alone = True
        self._outer = innermost_scope(task)
        if self._early:
            self.interrupt()
        running = main()
        del main  # a method: one object less for as long as the stream lives
        try:
            await running
            if self._interrupts:
                await sleep(0)  # takes a cancellation that main did not wait for
        except CancelledError:
            interrupted = self._withdraw(task)
            if task.cancelling() > self._cancelling or not interrupted:
                raise
        finally:
            self._withdraw(task)
            beside, self._beside = self._beside, None
            if beside is not None and not beside.done():
                await _end(beside)

    def start(self, beside: Main) -> None:
        if self._alone and self._task is not None:
            self._alone = False
            self._task.get_loop().call_soon(self._start, beside)

    def _start(self, beside: Main) -> None:
        if self._task is not None and self._beside is None:
            self._beside = self._task.get_loop().create_task(beside())

    def interrupt(self, *, pierce: bool = False) -> None:
        task = self._task
        if task is None:
            self._early = True
            return
        if innermost_scope(task) is not self._outer:  # most content has no scope
            if not pierce and is_shielded(task, self._outer):
                self._try_again(task)
                return
            for other in tasks_within(task, self._outer):
                other.cancel()
        self._interrupts += 1
        task.cancel()

    def _try_again(self, task: Task[Any]) -> None:
        """Interrupt when the task has waited for the future that it waits for now."""
        if self._waits_for is not None:
            return
        future = getattr(task, "_fut_waiter", None)
        if future is not None:
            # Called after the task has gone on, and waits again, or has ended.
            self._waits_for = future
            future.add_done_callback(self._again)
        else:
            self._waits_for = self
            task.get_loop().call_soon(self._again, self)

    def _again(self, waited_for: object) -> None:
        if self._waits_for is waited_for:
            self._waits_for = None
            self.interrupt()

    @property
    def is_cancelled(self) -> bool:
        return self._task is not None and self._task.cancelling() > self._cancelling

    def ignores_cancellation(self) -> bool:
        return self._task is not None and self._task.cancelling() > self._cancelling

    def _withdraw(self, task: Task[Any]) -> bool:
        """Take our own cancellations off the task's count, so that only those of others remain."""
        self._task = self._outer = self._waits_for = None
        interrupts, self._interrupts = self._interrupts, 0
        for _ in range(interrupts):
            task.uncancel()
        return interrupts > 0


async def _end(task: Task[None]) -> None:
    task.cancel()
    await sleep(0)
    if not task.done():
        await wait((task,), timeout=1)


def is_scope_cancelled() -> bool:
    """Tell whether every wait is cancelled here, as in a cancelled scope of anyio's."""
    return anyio.current_effective_deadline() == float("-inf")


def uncalled_for(error: BaseException) -> BaseException:
    """Return the error that stands for ``error``: a cancellation that nobody asked for is one."""
    if not isinstance(error, CancelledError):
        return error
    stray = RuntimeError("the content raised CancelledError although nobody cancelled it")
    stray.__cause__ = error
    return stray
