"""How the streams of an event loop learn that their server stops.

Four ways, each of which may be missing:

1. :func:`drain`, called by whoever knows.
2. The signal, on its way to the server (:mod:`.signals`).
3. The server's own stop flag (:mod:`.server`), read while streams are open.
4. Cancellation of the request, which :class:`~.session.Session` meets with a last block.
"""

from __future__ import annotations

import weakref
from typing import TYPE_CHECKING

from .signals import SignalChain, default_action
from .stop_flag import ServerState, find_servers

if TYPE_CHECKING:
    from ..loop import LoopState

__all__ = ["ShutdownWatch"]

NEVER = float("inf")

POLL_INTERVAL = 0.2
"""Seconds between two looks at the server's stop flag, while streams are open."""

NOTICE_HOLDS = 10.0
"""Seconds for which new streams end at once after a signal. A server that still runs then ignored
it.
"""

DRAIN_TIMEOUT = 3.0
"""Seconds that streams have to end before a signal that nobody else handles takes its effect."""

IMPATIENCE = 1.0
"""Seconds after which a repeated signal ends the drain; hypercorn repeats its own at once."""


class ShutdownWatch:
    """Watches over one event loop while streams are open (a :class:`~.timers.Timed`)."""

    def __init__(self, loop: LoopState) -> None:
        self._loop: LoopState = weakref.proxy(loop)
        self._signals = SignalChain(self._on_signal)
        self._servers: list[ServerState] | None = None
        self._heard: list[ServerState] = []
        self._watching = False
        self._held = False
        self._noticed_at = -NEVER
        self._default_action: tuple[int, float] | None = None

    @property
    def is_stopping(self) -> bool:
        """Whether the server stops, so that a new stream must end at once."""
        return self._loop.clock.now() < self._noticed_at + NOTICE_HOLDS

    @property
    def is_open(self) -> bool:
        """Whether it watches."""
        return self._watching

    def open(self) -> None:
        """Watch while streams are open, and one look longer: the next may be on its way."""
        if not self._watching:
            self._watching = True
            if self._servers is None or any(server.is_stopping() for server in self._servers):
                # The first one in this event loop, or the next one after it.
                self._servers = find_servers(self._loop.on_asyncio)
            self._signals.install()
            self._loop.timers.add(self, self._loop.clock.now() + POLL_INTERVAL)

    def close(self, *, loop_is_ending: bool = False) -> None:
        """Watch no longer, and leave nothing behind."""
        self._watching = False
        if self._default_action is None:
            self._loop.timers.discard(self)
            if loop_is_ending or not self._held:
                self._signals.remove(loop_is_ending=loop_is_ending)

    def hold(self) -> None:
        """Hear signals until :meth:`release`, also while no stream is open: one may just begin."""
        self._held = True
        self._signals.install()

    def release(self) -> None:
        """Hear signals only while streams are open."""
        self._held = False
        if not self._watching:
            self._signals.remove()

    def notice(self) -> None:
        """Stop all streams, in the event loop's thread."""
        self._noticed_at = self._loop.clock.now()
        self._loop.stop_streams()

    def _on_signal(self, number: int, unhandled: bool) -> None:
        try:
            if not unhandled:
                self._loop.call_soon(self.notice)
            elif self._default_action is None:
                self._default_action = (number, self._loop.clock.now())
                self._loop.call_soon(self._drain_for_default_action)
            elif self._loop.clock.now() - self._default_action[1] > IMPATIENCE:
                default_action(number)
        except (RuntimeError, ReferenceError):  # the event loop is gone, and its streams with it
            if unhandled:
                default_action(number)

    def _drain_for_default_action(self) -> None:
        self.notice()
        self._loop.timers.add(self, self._loop.clock.now())

    def look(self, now: float) -> tuple[float, bool]:
        """Look at the server's flag, and whether it is time for a signal's default action."""
        servers = self._servers or []
        stopping = [server for server in servers if server.is_stopping()]
        if self._default_action is not None:
            return self._look_at_drain(now, stopping), False
        if any(server not in self._heard for server in stopping):
            # Once for each: another server in this event loop may go on.
            self._heard = stopping
            self.notice()
        if not self._loop.sessions:
            self.close()
            return NEVER, False
        self._signals.install()  # a server that starts meanwhile sets its own handlers over ours
        return now + POLL_INTERVAL, False

    def _look_at_drain(self, now: float, stopping: list[ServerState]) -> float:
        assert self._default_action is not None
        number, since = self._default_action
        if now < since + DRAIN_TIMEOUT:
            # A worker that is stopping ends by itself, its lifespan included, with its own exit
            # status.
            if self._loop.sessions or any(server.is_worker for server in stopping):
                return now + 0.02
            # hypercorn's worker reads its parent's notice every 0.1 s, the signal may come before
            # it.
            if now < since + 0.5 and any(server.is_worker for server in self._servers or ()):
                return now + 0.02
        default_action(number)
        return NEVER

    async def act(self) -> None:
        """Nothing here waits."""
