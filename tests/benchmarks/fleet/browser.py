"""A page with one stream, and when it comes back."""

from __future__ import annotations

import random

from sse_asgi import EventDecoder

from .figures import (
    DEFAULT_RETRY,
    FIREFOX_RETRY,
    FIREFOX_SHARE,
    STEADY_LONGEST,
    STEADY_SHORTEST,
    SYN_TIMEOUT,
)

__all__ = ["Browser"]


class Browser:
    """A page that wants its stream always.

    An ``EventSource`` waits for its reconnection time after an end of any kind, and gives up at a
    status other than 200 (WHATWG HTML 9.2.3). SteadyEventSource waits longer after each failure.
    """

    __slots__ = ("_failures", "_is_steady", "_retry", "_syns", "is_lost", "left_at", "moves")

    def __init__(self, *, is_steady: bool) -> None:
        is_firefox = random.random() < FIREFOX_SHARE
        self._retry = FIREFOX_RETRY if is_firefox else DEFAULT_RETRY
        self._is_steady = is_steady
        self._failures = 0
        self._syns = 0
        self.left_at = 0.0
        self.moves = 0
        self.is_lost = False

    def read(self, block: bytes) -> float:
        """Take the last bytes of a stream; return the seconds until the page comes back."""
        if block:
            decoder = EventDecoder()
            decoder.feed(block)
            if decoder.retry is not None:
                self._retry = decoder.retry / 1000
        return self._retry

    def fail(self) -> float | None:
        """Take a 502; return the seconds until the page comes back; None: it never does."""
        if not self._is_steady:
            self.is_lost = True
            return None
        longest = min(STEADY_LONGEST, STEADY_SHORTEST * 2**self._failures)
        self._failures += 1
        return random.uniform(0, longest)

    def drop(self) -> float:
        """Take a connection that a full queue has dropped; return when the kernel asks again."""
        seconds = SYN_TIMEOUT * 2.0**self._syns
        self._syns += 1
        return seconds

    def open(self, now: float) -> float:
        """Take the head of a stream; return the seconds without one."""
        self._failures = self._syns = 0
        self.moves += 1
        return now - self.left_at
