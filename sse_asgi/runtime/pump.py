"""Deliveries of all streams of an event loop whose content tells when it has something ready."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Coroutine
from typing import Any, Protocol

from anyio.lowlevel import checkpoint

from .eventloop import Spawned, TaskFunction

__all__ = ["Deliverable", "Pump"]

DELIVERIES_PER_TURN = 1024
"""Deliveries of one task before the event loop gets a turn: a server's send need not ever wait."""


class Deliverable(Protocol):
    """What has something to send to one client, now and then."""

    task: Spawned | None
    """The pump's task that is at work on it: cancel it, and set this to None, to break it off."""

    def deliver(self) -> Coroutine[Any, Any, bool]:
        """Send what is ready; return whether more may follow."""

    def ended(self, error: BaseException | None) -> None:
        """Take note that nothing follows, or of what :meth:`deliver` raised. Raises nothing."""


class Pump:
    """Has every delivery that is due done, in the order in which they were added.

    A task that wakes for each delivery would cost more than the delivery, so one task walks them
    all. Before it begins on one of several it has its successor spawned. A ``send`` that blocks
    (slow client) keeps that one task, and the successor goes on with the rest one turn of the event
    loop later; one that does not block leaves nothing to its successor.
    """

    __slots__ = ("_is_beginning", "_next", "_spawn", "_tasks", "due")

    def __init__(self, spawn: Callable[[TaskFunction], Spawned]) -> None:
        self._spawn = spawn
        self._is_beginning = False
        self._next: Spawned | None = None
        """The task that begins in the next turn of the event loop, if there is one."""
        self._tasks: set[Spawned] = set()
        self.due: deque[Deliverable] = deque()

    @property
    def is_idle(self) -> bool:
        """Whether nothing is due and no task is at work."""
        return not self.due and not self._tasks and self._next is None

    def add(self, delivery: Deliverable) -> None:
        """Have ``delivery`` done, in the next turn of the event loop."""
        self.due.append(delivery)
        if self._next is None:
            self._begin()

    def _begin(self) -> None:
        if not self._is_beginning:
            self._is_beginning = True
            self._next = self._spawn(self._run)
            self._is_beginning = False

    async def _run(self) -> None:
        if self._is_beginning:
            await checkpoint()  # asyncio.eager_task_factory runs us inside of add()
        task, self._next = self._next, None
        if self.due and task is not None:
            self._tasks.add(task)
            try:
                await self._pump(task)
            finally:
                self._tasks.discard(task)

    async def _pump(self, task: Spawned) -> None:
        due = self.due
        for _ in range(DELIVERIES_PER_TURN):
            if not due:
                return
            delivery = due.popleft()
            if self._next is None and due:
                self._begin()
            delivery.task = task
            try:
                if not await delivery.deliver():
                    delivery.ended(None)
            except BaseException as exc:
                delivery.task = None
                delivery.ended(exc)
                if not isinstance(exc, Exception):
                    raise
            else:
                if delivery.task is None:
                    return  # broken off
                delivery.task = None
