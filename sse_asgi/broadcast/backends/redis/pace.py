"""How much to ask for at once."""

from __future__ import annotations

from typing import Final

__all__ = ["Pace"]

_MOST_BYTES: Final = 524_288
_MOST_ENTRIES: Final = 256
_TAIL: Final = 16
_MOST_WAIT: Final = 60.0


class Pace:
    """The size of the next answer, by the answers so far.

    Answers stay short, so that a publication never waits behind a long one and a slow link delivers
    something soon. After a timeout the next question is for less, and grants more time: some
    proxies pass an answer on only when they have all of it.
    """

    def __init__(self) -> None:
        self.bytes: int = _MOST_BYTES
        """Bytes of encoded events to ask for. One entry may be larger."""
        self.wait: float = 0.0
        """Seconds that the answer may take beyond the usual silence."""
        self._typical = 1.0

    @property
    def tail(self) -> int:
        """Entries to ask for where nothing but their number can be bounded."""
        return max(1, min(_TAIL, int(self.bytes / self._typical)))

    @property
    def page(self) -> int:
        """Entries to a page: a power of two, so that subscribers share the pages."""
        fitting = max(1, min(_MOST_ENTRIES, int(self.bytes / self._typical)))
        return int(2 ** (fitting.bit_length() - 1))

    def answered(self, entries: int, size: int) -> None:
        """Take note of an answer."""
        self.wait = 0.0
        self.bytes = min(2 * self.bytes, _MOST_BYTES)
        if entries:
            self._typical = max(1.0, size / entries)

    def timed_out(self) -> None:
        """Take note that an answer did not come."""
        self.wait = min(2 * self.wait + 3.0, _MOST_WAIT)
        self.bytes = max(self.bytes // 4, 1)
