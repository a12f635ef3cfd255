"""A stream that ends when nothing moves on it although an answer is due."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from math import inf
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
    system takes a large request into its buffers at once and sends it in its own time. So the first
    piece of the answer has longer to come after a large request.

    :param patience: seconds of silence after which the peer is taken for dead
    """

    def __init__(self, stream: ByteStream, patience: float) -> None:
        self._stream = stream
        self._patience = patience
        self._waiting = 0
        self._due = inf
        self._scope: anyio.CancelScope | None = None

    def expect(self, wait: float = 0, size: int = 0) -> None:
        """Expect an answer.

        :param wait: seconds for which the server may block before it answers
        :param size: bytes of the request
        """
        large = size / _SLOWEST if size > _LARGE else 0.0
        due = anyio.current_time() + self._patience + wait + large
        if not self._waiting or (large and due > self._due):
            self._set(due)
        self._waiting += 1

    def settle(self) -> None:
        """Expect one answer less."""
        self._waiting -= 1
        if not self._waiting:
            self._set(inf)

    def _set(self, due: float) -> None:
        self._due = due
        if self._scope is not None:
            self._scope.deadline = due

    async def receive(self, max_bytes: int = _PIECE) -> bytes:
        """Return the next bytes.

        :raises TimeoutError: nothing came in time although an answer is due
        """
        while True:
            with anyio.CancelScope(deadline=self._due) as self._scope:
                data = await self._stream.receive(max_bytes)
                self._scope = None
                if self._waiting:
                    self._due = anyio.current_time() + self._patience
                return data
            self._scope = None
            if anyio.current_time() >= self._due:
                raise TimeoutError(f"the server is silent for {self._patience:g} s")

    async def send(self, item: bytes) -> None:
        """Send bytes, in pieces that each have their time.

        :raises TimeoutError: the peer takes no more
        """
        for start in range(0, len(item), _PIECE):
            piece = item if len(item) <= _PIECE else item[start : start + _PIECE]
            with anyio.fail_after(self._patience + _ROOM):
                await self._stream.send(piece)
            if start and self._waiting:
                self._set(max(self._due, anyio.current_time() + self._patience))

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
