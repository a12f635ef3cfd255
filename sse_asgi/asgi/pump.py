"""Deliveries of all streams of an event loop whose content tells when it has something ready."""

from __future__ import annotations

from collections import deque
from typing import Any, Final, Protocol

import anyio
from anyio.lowlevel import checkpoint

from .ticker import Spawn

__all__ = ["Deliverable", "Pump"]

DELIVERIES_PER_TURN = 256
"""Deliveries of one task before the event loop gets a turn: a server's send need not ever wait."""

_BEING_SPAWNED: Final = object()


class Deliverable(Protocol):
    """What has something to send to one client, now and then."""

    scope: anyio.CancelScope | None
    """The pump's task that is at work on it: cancel it, and set this to None, to break it off."""

    async def deliver(self) -> None:
        """Send what is ready. Raises nothing but a cancellation."""


class Pump:
    """Has every delivery that is due done, in the order in which they were added.

    A task that wakes for each delivery would cost more than the delivery, so one task walks them
    all. Before it begins on one of several it has its successor spawned. A ``send`` that blocks
    (slow client) keeps that one task, and the successor goes on with the rest one turn of the event
    loop later; one that does not block leaves nothing to its successor.
    """

    __slots__ = ("_due", "_next", "_spawn", "_tasks")

    def __init__(self, spawn: Spawn) -> None:
        self._spawn = spawn
        self._due: deque[Deliverable] = deque()
        self._next: Any = None
        """The task that begins in the next turn of the event loop, if there is one."""
        self._tasks: set[object] = set()  # asyncio keeps no reference to them

    @property
    def is_idle(self) -> bool:
        """Whether nothing is due and no task is at work."""
        return not self._due and not self._tasks and self._next is None

    def add(self, delivery: Deliverable) -> None:
        """Have ``delivery`` done, in the next turn of the event loop."""
        self._due.append(delivery)
        if self._next is None:
            self._begin()

    def _begin(self) -> None:
        self._next = _BEING_SPAWNED
        self._next = self._spawn(self._run)

    async def _run(self) -> None:
        if self._next is _BEING_SPAWNED:
            await checkpoint()  # asyncio.eager_task_factory runs us inside of add()
        task, self._next = self._next, None
        due = self._due
        if not due:
            return
        self._tasks.add(task)
        try:
            with anyio.CancelScope() as scope:
                for _ in range(DELIVERIES_PER_TURN):
                    if not due:
                        break
                    delivery = due.popleft()
                    if due and self._next is None:
                        self._begin()
                    delivery.scope = scope
                    try:
                        await delivery.deliver()
                    except BaseException:
                        delivery.scope = None
                        raise
                    if delivery.scope is None:
                        break  # broken off
                    delivery.scope = None
        finally:
            self._tasks.discard(task)
