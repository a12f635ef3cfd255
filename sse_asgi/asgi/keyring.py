"""The streams of one event loop that can be revoked, by their keys."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol

from .outcome import CloseReason

__all__ = ["Keyring", "Revocable"]


class Revocable(Protocol):
    """A stream, or the request for one."""

    owner: object

    def end(self, reason: CloseReason) -> None:
        """End the stream now."""


class Keyring:
    """Finds the streams of a key at once, however many others there are."""

    __slots__ = ("_streams",)

    def __init__(self) -> None:
        self._streams: dict[str, dict[Revocable, None]] = {}

    def add(self, stream: Revocable, keys: Iterable[str]) -> None:
        """Have ``stream`` found under each of ``keys``."""
        for key in keys:
            self._streams.setdefault(key, {})[stream] = None

    def discard(self, stream: Revocable, keys: Iterable[str]) -> None:
        """Forget a stream that has ended."""
        for key in keys:
            streams = self._streams.get(key, {})
            streams.pop(stream, None)
            if not streams:
                self._streams.pop(key, None)

    def revoke(self, key: str, owner: object = None) -> None:
        """End the streams of ``key``, or those of one application."""
        for stream in list(self._streams.get(key, ())):
            if owner is None or stream.owner is owner:
                stream.end(CloseReason.REVOKED)

    def expire_all(self) -> None:
        """End every stream that has a key: nobody knows which ones were revoked."""
        for streams in list(self._streams.values()):
            for stream in list(streams):
                stream.end(CloseReason.EXPIRED)
