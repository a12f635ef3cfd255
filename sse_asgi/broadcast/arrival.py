"""The moment at which a backend has reached its log."""

from __future__ import annotations

from contextlib import suppress
from typing import Final

import anyio

from ..runtime.eventloop import EventLoop
from .log.history import History

__all__ = ["REACH_TIMEOUT", "wait_for_log"]

REACH_TIMEOUT: Final = 2.0
"""Seconds that an application waits for the log before it starts without."""


class _Arrival:
    """Tells one task that a history has begun (a :class:`~.log.history.View`)."""

    def __init__(self) -> None:
        self._loop = EventLoop()
        self.event = anyio.Event()

    def restart(self) -> None:
        """Take note that the history has begun, or that its backend failed."""
        with suppress(RuntimeError):  # that event loop is gone
            self._loop.call_soon(self.event.set)

    def refresh(self) -> None:
        """Do nothing: no client waits here."""


async def wait_for_log(history: History) -> None:
    """Wait until the log is reached, but not for long: the server may be away for hours."""
    arrival = _Arrival()
    with history.lock:
        if history.epoch is not None:
            return
        history.watch(arrival)
    try:
        with anyio.move_on_after(REACH_TIMEOUT):
            await arrival.event.wait()
    finally:
        with history.lock:
            history.unwatch(arrival)
