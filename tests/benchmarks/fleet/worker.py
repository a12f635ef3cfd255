"""A worker: a queue of new clients that one core serves in turn, and the streams that are open."""

from __future__ import annotations

import math

from sse_asgi import Connection
from sse_asgi.asgi.limits import ConnectionLimits, client_address
from sse_asgi.asgi.options import StreamOptions
from sse_asgi.asgi.session.farewell import retry_block

from .browser import Browser
from .figures import BACKLOG, CONNECT, LEAVE, REPLAY
from .plan import Plan

__all__ = ["Worker"]

_ANYBODY = Connection({"type": "http", "headers": [], "client": None})


class Worker:
    """One process; its limits and its last words are the library's."""

    def __init__(self, plan: Plan, *, is_up: bool) -> None:
        self._plan = plan
        self._options = StreamOptions(farewell_retry=plan.farewell)
        self._limits = ConnectionLimits(plan.most, None, client_address, "retry")
        self._free_at = 0.0
        self._waiting = 0
        self._open: dict[Browser, None] = {}
        self._started_at = -math.inf
        self.is_up = is_up
        self.life = 0
        self.longest_wait = 0.0

    @property
    def load(self) -> int:
        """The connections that a proxy counts."""
        return len(self._open) + self._waiting

    def weighed(self, now: float) -> float:
        """Return the load as a proxy weighs it that lets a new worker start slowly."""
        if not self._plan.slow_start:
            return self.load
        weight = min(1.0, (now - self._started_at) / self._plan.slow_start)
        return (self.load + 1) / max(weight, 1 / 256)

    def start(self, now: float) -> None:
        """Begin to answer, without any client."""
        self.is_up = True
        self._started_at = now
        self._free_at = 0.0

    def stop(self, now: float) -> list[tuple[float, Browser, bytes]]:
        """End every stream; return when each ends, whose it is, and its last bytes."""
        self.is_up = False
        self.life += 1
        browsers, self._open = list(self._open), {}
        self._limits = ConnectionLimits(self._plan.most, None, client_address, "retry")
        self._waiting = 0
        if self._plan.killed:
            return [(now, browser, b"") for browser in browsers]
        return [
            (now + number * LEAVE, browser, retry_block(self._options))
            for number, browser in enumerate(browsers, 1)
        ]

    def accept(self, now: float, missed: float) -> float | None:
        """Take a new client into the queue; return when it is served; None: the queue is full."""
        if self._waiting >= BACKLOG:
            return None
        self._waiting += 1
        cost = CONNECT + self._plan.handler + missed * REPLAY
        self._free_at = max(self._free_at, now) + cost
        self.longest_wait = max(self.longest_wait, self._free_at - now)
        return self._free_at

    def serve(self, browser: Browser) -> bytes | None:
        """Open the stream of the client whose turn it is; return a refusal if there is no room."""
        self._waiting -= 1
        if self._limits.enter(None):
            self._open[browser] = None
            return None
        body = self._limits.refusal(_ANYBODY, self._options).body
        return body if isinstance(body, bytes) else body.encode()

    def adopt(self, browser: Browser) -> None:
        """Have a stream open from the beginning on."""
        self._limits.enter(None)
        self._open[browser] = None
