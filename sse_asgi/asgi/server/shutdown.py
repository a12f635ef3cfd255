"""How the streams of an event loop learn that their server stops.

There are four ways, and each of them may be missing:

1. The application calls :func:`sse_asgi.drain`.
2. A signal comes, on its way to the server (:mod:`.signals`).
3. The server sets its own stop flag (:mod:`.stop_flag`), which is read while streams are open.
4. The server cancels the request, which the session itself answers with a last block.
"""

from __future__ import annotations

import os
import time
from _thread import start_new_thread
from collections.abc import Callable, Sized
from typing import Final

from ...runtime.clock import Clock
from ...runtime.eventloop import EventLoop
from ...runtime.timers import NEVER, TimerQueue
from .signals import SignalChain, default_action
from .stop_flag import Servers

__all__ = ["DefaultAction", "ShutdownWatch"]

POLL_INTERVAL = 0.2
"""Seconds between two looks at the server's stop flag, while streams are open."""

NOTICE_HOLDS: Final = 10.0
"""Seconds for which new streams end at once after a notice. A server that still runs then ignored
it.
"""

DRAIN_TIMEOUT: Final = 3.0
"""Seconds that streams have to end before a signal that nobody else handles takes its effect."""

_IMPATIENCE: Final = 1.0
"""Seconds after which a repeated signal ends the drain; hypercorn repeats its own at once."""

_WORKER_GRACE: Final = 0.5
"""Seconds within which a worker of hypercorn reads its parent's notice, which it polls for."""

_LOOK_AGAIN: Final = 0.02
"""Seconds between two looks at a drain."""


class ShutdownWatch:
    """Watches over one event loop while streams are open (a :class:`~.timers.Timed`).

    :param streams: the open streams
    :param stop_streams: stops each of them
    """

    def __init__(
        self,
        event_loop: EventLoop,
        clock: Clock,
        timers: TimerQueue,
        streams: Sized,
        stop_streams: Callable[[], object],
    ) -> None:
        self._event_loop = event_loop
        self._clock = clock
        self._timers = timers
        self._streams = streams
        self._stop_streams = stop_streams
        self._signals = SignalChain(self._on_signal)
        event_loop.when_gone(self._signals.remove)
        self._servers = Servers(event_loop.on_asyncio)
        self._notice: _Notice | None = None
        self._default_action: DefaultAction | None = None
        self._holds = 0
        self.is_open: bool = False
        """Whether it watches."""

    @property
    def is_stopping(self) -> bool:
        """Whether the server stops, so that a new stream must end at once."""
        notice = self._notice
        return notice is not None and self._clock.now() < notice.given_at + NOTICE_HOLDS

    def open(self) -> None:
        """Watch while streams are open, and one look longer: the next may be on its way."""
        if self._notice is not None and self._notice.is_for_former(self._servers):
            self.withdraw()
        self._servers.may_have_changed = True
        if not self.is_open:
            self.is_open = True
            if self._servers.stopping():  # the first stream after a server's end
                self._servers.search()
            elif not self._servers.known:  # the first stream, or there is no server to find
                self._servers.search_if_due()
            self._signals.install()
            self._timers.add(self, self._clock.now() + POLL_INTERVAL)

    def close(self) -> None:
        """Watch no longer, and leave nothing behind, when the event loop ends."""
        self.is_open = False
        if self._default_action is None:
            self._timers.discard(self)
            self._signals.remove()

    def hold(self) -> None:
        """Hear signals until :meth:`release`, also while no stream is open: one may just begin."""
        self._holds += 1
        self._signals.install()

    def release(self) -> None:
        """Hear signals only while streams are open, or while another application holds on."""
        self._holds -= 1
        if not self._holds and not self.is_open:
            self._signals.remove()

    def notice(self) -> None:
        """Stop all streams, in the event loop's thread."""
        self._notice = _Notice(self._clock.now(), self._servers)
        self._stop_streams()

    def withdraw(self) -> None:
        """Let new streams run again."""
        self._notice = None

    # -- signals -----------------------------------------------------------------------------------

    def _on_signal(self, number: int, unhandled: bool) -> None:
        if not self._event_loop.is_running:  # its streams cannot end
            if unhandled:
                default_action(number)
            return
        try:
            if not unhandled:
                self._event_loop.call_soon(self.notice)
            elif self._default_action is None:
                self._default_action = DefaultAction(number, self._clock.now())
                self._default_action.insist()
                self._event_loop.call_soon(self._drain_for_default_action)
            elif self._clock.now() - self._default_action.since > _IMPATIENCE:
                self._default_action.take()
        except RuntimeError:  # the event loop has ended meanwhile
            if unhandled:
                default_action(number)

    def _drain_for_default_action(self) -> None:
        self.notice()
        self._timers.add(self, self._clock.now())

    # -- deadlines ---------------------------------------------------------------------------------

    def look(self, now: float) -> tuple[float, bool]:
        """Look at the servers' flags, and whether it is time for a signal's default action."""
        if self._default_action is not None:
            if not self._default_action.is_due(now, self._streams, self._servers):
                return now + _LOOK_AGAIN, False
            self._default_action.take()
            return NEVER, False
        if self._servers.have_news():
            self.notice()
        if not self._streams:
            self._rest()
            return NEVER, False
        self._signals.install()  # a server that starts meanwhile sets its own handlers over ours
        self._servers.search_if_due()
        return now + POLL_INTERVAL, False

    def _rest(self) -> None:
        self.is_open = False
        self._timers.discard(self)
        if not self._holds:
            self._signals.remove()

    async def act(self) -> None:
        """Nothing here waits."""


class DefaultAction:
    """The system's action on a signal that nobody handles, put off until the streams have ended.

    :param number: the signal
    :param since: when it came, by the event loop's clock
    """

    def __init__(self, number: int, since: float) -> None:
        self.number = number
        self.since = since
        self.is_over: bool = False
        """Whether it was taken."""

    def is_due(self, now: float, streams: Sized, servers: Servers) -> bool:
        """Tell whether it is time for the action."""
        if now >= self.since + DRAIN_TIMEOUT:
            return True
        # A worker that is stopping ends by itself, its lifespan included, with its own exit status.
        if streams or any(server.is_worker for server in servers.stopping()):
            return False
        is_worker = any(server.is_worker for server in servers.known)
        return not (is_worker and now < self.since + _WORKER_GRACE)

    def take(self) -> None:
        """End the process."""
        self.is_over = True
        default_action(self.number)

    def insist(self) -> None:
        """See that the action is taken although the event loop may be stuck.

        A thread repeats the signal, and its handler then takes the action. The thread is begun
        below :mod:`threading`, whose locks the interrupted code may hold.
        """
        start_new_thread(self._repeat, (os.getpid(),))

    def _repeat(self, process: int) -> None:
        time.sleep(DRAIN_TIMEOUT + _WORKER_GRACE)
        if not self.is_over:
            os.kill(process, self.number)


class _Notice:
    """When streams were told to end, and the servers that ran at that time."""

    __slots__ = ("_servers", "given_at")

    def __init__(self, given_at: float, servers: Servers) -> None:
        self.given_at = given_at
        self._servers = list(servers.known)

    def is_for_former(self, servers: Servers) -> bool:
        """Tell whether the server that stopped is gone, and another one runs in the event loop."""
        if not self._servers:
            return False
        servers.search()
        others = [known for known in servers.known if known not in self._servers]
        return bool(others) and len(others) == len(servers.known) and not servers.stopping()
