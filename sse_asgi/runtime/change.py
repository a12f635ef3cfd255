"""A change of state that tasks wait for."""

from __future__ import annotations

import anyio

__all__ = ["Change"]


class Change:
    """Wakes every task that waits for it now; a later :meth:`wait` waits for the next change.

    Check the state, then wait, without an ``await`` in between: no change is missed then, since all
    of it happens in one event loop.
    """

    __slots__ = ("_event",)

    def __init__(self) -> None:
        self._event: anyio.Event | None = None

    async def wait(self) -> None:
        """Wait for the next :meth:`notify`."""
        if self._event is None:
            self._event = anyio.Event()
        event = self._event
        try:
            await event.wait()
        finally:
            # An event belongs to its event loop: the next one to wait may run in another.
            if self._event is event and not event.statistics().tasks_waiting:
                self._event = None

    def notify(self) -> None:
        """Wake every task that waits."""
        event, self._event = self._event, None
        if event is not None:
            event.set()
