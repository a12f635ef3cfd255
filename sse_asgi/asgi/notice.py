"""The notice that a stream is to end."""

from __future__ import annotations

import anyio

__all__ = ["Notice"]


class Notice:
    """Tells a stream's content that the stream is about to end, because the server stops.

    Content that asks has ``shutdown_grace`` seconds for its last events, then it is cancelled;
    content that never asks is cancelled at once.
    """

    __slots__ = ("_event", "_given", "_watched")

    def __init__(self) -> None:
        self._given = False
        self._watched = False
        self._event: anyio.Event | None = None

    def is_set(self) -> bool:
        """Return whether the stream is to end."""
        self._watched = True
        return self._given

    async def wait(self) -> None:
        """Wait until the stream is to end."""
        self._watched = True
        if self._event is None:
            self._event = anyio.Event()
            if self._given:
                self._event.set()
        await self._event.wait()

    @property
    def is_watched(self) -> bool:
        """Whether the content has ever asked."""
        return self._watched

    def give(self) -> None:
        """Tell everybody who waits for it, and whoever asks from now on."""
        self._given = True
        if self._event is not None:
            self._event.set()
