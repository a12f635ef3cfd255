"""The connection that commands share, as long as there is one."""

from __future__ import annotations

import random
from typing import Final

import anyio

from .connection import Link, Refused

__all__ = ["Backoff", "Bell", "SharedLink"]

_SHORTEST: Final = 0.02
_LONGEST: Final = 1.0


class Backoff:
    """Longer and longer pauses between attempts, with jitter: no two processes march in step."""

    def __init__(self) -> None:
        self._pause = _SHORTEST

    def next(self) -> float:
        """Return the seconds to pause for now."""
        pause, self._pause = self._pause, min(2 * self._pause, _LONGEST)
        return pause * random.uniform(0.5, 1.0)

    def reset(self) -> None:
        """Begin with short pauses again."""
        self._pause = _SHORTEST


class Bell:
    """Wakes whoever waits for a change; in one event loop at a time, which may be another later."""

    def __init__(self) -> None:
        self._waiting: set[anyio.Event] = set()

    async def wait(self) -> None:
        """Wait until it rings."""
        rung = anyio.Event()
        self._waiting.add(rung)
        try:
            await rung.wait()
        finally:
            self._waiting.discard(rung)

    def ring(self) -> None:
        """Wake all who wait now."""
        for rung in self._waiting:
            rung.set()


class SharedLink:
    """Where commands wait for a connection."""

    def __init__(self) -> None:
        self._link: Link | None = None
        self._changed = Bell()
        self.trouble: Exception | None = None
        """Why there is no connection, if there is none."""

    @property
    def is_open(self) -> bool:
        """Whether there is a connection."""
        return self._link is not None

    async def get(self) -> Link:
        """Wait for a connection.

        :raises Refused: the engine is there, and refuses
        """
        while self._link is None:
            if isinstance(self.trouble, Refused):
                raise self.trouble
            await self._changed.wait()
        return self._link

    def lend(self, link: Link) -> None:
        """Let commands use a new connection."""
        self._change(link, None)

    def end(self) -> None:
        """Let commands wait for the next connection."""
        self._change(None, None)

    def fail(self, trouble: Exception) -> None:
        """Say why there is no connection."""
        self._change(None, trouble)

    def _change(self, link: Link | None, trouble: Exception | None) -> None:
        self._link, self.trouble = link, trouble
        self._changed.ring()
