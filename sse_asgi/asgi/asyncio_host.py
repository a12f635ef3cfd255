"""A :class:`~.host.Host` on asyncio itself; imported when an asyncio event loop is there."""

from __future__ import annotations

from asyncio import CancelledError, Task, current_task, sleep, wait
from typing import Any

from .host import Main

__all__ = ["AsyncioHost"]


class AsyncioHost:
    """A :class:`Host` on one plain asyncio task and one cancellation.

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
