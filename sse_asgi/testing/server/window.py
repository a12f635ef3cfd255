"""How far the app may write ahead of the client."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

__all__ = ["Window"]


class Window:
    """The bytes between the app and the client: ``send`` waits while the window is full.

    A client that does not pause has them at once, and they count until it has looked at them, so
    that an app that never waits cannot fill the memory. To a paused client they come when it
    resumes.
    """

    __slots__ = ("_deliver", "_held", "_limit", "_room", "_unread")

    def __init__(self, limit: int, deliver: Callable[[bytes, bool], object]) -> None:
        self._limit: float = limit
        self._deliver = deliver
        self._unread = 0
        self._held: deque[tuple[bytes, bool]] | None = None
        self._room = 0

    @property
    def is_full(self) -> bool:
        """The server would take no more now."""
        if self._held is not None:
            return sum(len(body) for body, _ in self._held) >= self._room
        return self._unread >= self._limit

    @property
    def is_holding(self) -> bool:
        """Something is on its way to a client that has paused."""
        return bool(self._held)

    def put(self, body: bytes, last: bool) -> None:
        """Send a piece of the body on its way."""
        if self._held is not None:
            self._held.append((body, last))
        else:
            self._unread += len(body)
            self._deliver(body, last)

    def consumed(self, count: int) -> None:
        """Take note that the client has looked at ``count`` bytes."""
        self._unread -= count

    def open(self) -> None:
        """Take everything from now on: the client wants the whole body."""
        self._limit = float("inf")

    def pause(self, room: int) -> None:
        """Hold back what comes, up to ``room`` bytes."""
        self._room = room
        if self._held is None:
            self._held = deque()

    def resume(self) -> None:
        """Deliver what was held back and what comes."""
        held, self._held = self._held or (), None
        for body, last in held:
            self._unread += len(body)
            self._deliver(body, last)

    def drop(self) -> None:
        """Forget what was held back: the client is gone."""
        self._held = None
