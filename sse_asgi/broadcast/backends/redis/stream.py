"""A stream that ends when nothing moves on it although an answer is due."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from time import monotonic
from typing import Any, Final

import anyio
from anyio.abc import ByteStream

__all__ = ["WatchedStream"]

_PIECE: Final = 65_536
_LARGE: Final = 4 * _PIECE
_SLOWEST: Final = 262_144
"""Bytes a second that a large request moves at least, once it is in the system's buffers."""

_ROOM: Final = 1.0
"""Seconds more to send a piece in: a full buffer takes more only when a part of it is empty."""


class WatchedStream(ByteStream):
    """Counts silence, not the time that an answer takes as a whole.

    A large answer over a slow link takes as long as it takes, as long as pieces of it come. The
    system takes a part of a large request into its buffers at once and sends it in its own time. So
    the first piece of the answer has longer to come after a large request.

    :param patience: seconds of silence after which the peer is taken for dead
    """

    def __init__(self, stream: ByteStream, patience: float) -> None:
        self._stream = stream
        self._patience = patience
        self._waiting = 0
        self._due = 0.0
        self.is_silent: bool = False
        """Whether the stream was closed for its silence."""

    def expect(self, wait: float = 0, size: int = 0) -> None:
        """Expect an answer.

        :param wait: seconds for which the server may block before it answers
        :param size: bytes of the request, if it may be large
        """
        large = size / _SLOWEST if size > _LARGE else 0.0
        if large or not self._waiting:
            due = monotonic() + self._patience + wait + large
            self._due = max(due, self._due) if self._waiting else due
        self._waiting += 1

    def settle(self) -> None:
        """Expect one answer less."""
        self._waiting -= 1

    async def watch(self) -> None:
        """Close the stream, and return, when an answer is overdue."""
        while not self.is_silent:
            await anyio.sleep(self._patience / 8)
            self.is_silent = self._waiting > 0 and monotonic() > self._due
        await self.aclose()

    async def receive(self, max_bytes: int = _PIECE) -> bytes:
        """Return the next bytes."""
        data = await self._stream.receive(max_bytes)
        self._due = monotonic() + self._patience
        return data

    async def send(self, item: bytes) -> None:
        """Send bytes, in pieces that each have their time."""
        if len(item) <= _PIECE:
            await self._stream.send(item)
            return
        for start in range(0, len(item), _PIECE):
            await self._stream.send(item[start : start + _PIECE])
            self._due = max(self._due, monotonic() + self._patience + _ROOM)

    async def send_eof(self) -> None:
        """Send no more."""
        await self._stream.send_eof()

    async def aclose(self) -> None:
        """Close the stream."""
        await self._stream.aclose()

    @property
    def extra_attributes(self) -> Mapping[Any, Callable[[], Any]]:
        """The typed attributes of the stream, such as the peer's address."""
        return self._stream.extra_attributes
