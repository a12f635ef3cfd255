"""Deliveries of all streams of an event loop whose content tells when it has something ready."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Final, Protocol

from anyio.lowlevel import checkpoint

from .eventloop import Spawned, TaskFunction, is_cancellation, this_task

__all__ = ["Deliverable", "Pump"]

_DELIVERIES_PER_TURN: Final = 1024
"""Deliveries of one task before the event loop gets a turn: a server's send need not ever wait."""

logger: Final = logging.getLogger("sse_asgi")


class Deliverable(Protocol):
    """A stream that has something to send to its client, now and then."""

    task: Spawned | None
    """The pump's task that works on the delivery. To break it off, cancel the task and set this to
    None.
    """

    def deliver(self) -> Awaitable[bool]:
        """Send what is ready; return whether more may follow."""

    def ended(self, error: BaseException | None) -> None:
        """Take note that nothing follows, or of the error that :meth:`deliver` raised."""


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
        due, this = self.due, this_task()
        for _ in range(_DELIVERIES_PER_TURN):
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
                _tell(delivery, exc)
                if is_cancellation(exc, this) or isinstance(exc, (KeyboardInterrupt, SystemExit)):
                    raise
            else:
                if delivery.task is None:
                    return  # broken off
                delivery.task = None


def _tell(delivery: Deliverable, error: BaseException) -> None:
    try:
        delivery.ended(error)
    except Exception:
        logger.exception("a stream failed to end: %r", delivery)
