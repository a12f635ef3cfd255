"""What a session does by the clock: late heads, keep-alive, timeouts, lifetimes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import anyio

from ..outcome import CloseReason
from .writer import ClientGone

if TYPE_CHECKING:
    from .control import Ending

__all__ = ["FAREWELL_TIMEOUT", "NEVER", "Keeper"]

NEVER = float("inf")

FAREWELL_TIMEOUT = 1.0
"""Seconds that the last blocks of an interrupted stream may take."""

FIRST_BODY = b":\n\n"
"""Makes daphne send the head and Firefox fire ``open`` when there is nothing else to send yet."""


BUSY_INTERVAL = 0.01
"""Seconds between two looks at a message that is on its way."""


class Keeper:
    """Looks after one session when the event loop's ticker says so (a :class:`~.timers.Timed`)."""

    __slots__ = (
        "_acting",
        "_again_at",
        "_interval",
        "_lifetime_at",
        "_pinged_at",
        "_session",
        "_start_by",
        "_stop_at",
        "interrupted_at",
    )

    def __init__(self, session: Ending, now: float) -> None:
        options = session.options
        self._session = session
        # A send that blocks is noticed at a look, so there must be one within the send timeout.
        self._interval = min(options.ping or NEVER, options.send_timeout or NEVER)
        self._start_by = now + options.start_timeout
        self._pinged_at = now
        self._lifetime_at = NEVER
        if options.max_lifetime is not None:
            import random  # seldom needed, and slow to import

            # By chance, so that streams that began together do not end together.
            self._lifetime_at = now + options.max_lifetime * random.uniform(0.8, 1.0)
        self._stop_at = NEVER
        self._again_at = NEVER
        self.interrupted_at = NEVER
        self._acting: anyio.CancelScope | None = None

    def stop_at(self, when: float) -> None:
        """Interrupt the content at ``when``."""
        self._stop_at = when
        self._session.loop.timers.look_at(self, when)

    def interrupted(self, now: float) -> None:
        """See that the content and the client come to an end, now that it is interrupted."""
        if self.interrupted_at == NEVER:
            self.interrupted_at = now
            self._again_at = now + self._session.options.cleanup_timeout
            self._session.loop.timers.look_at(self, now + FAREWELL_TIMEOUT)

    def look(self, now: float) -> tuple[float, bool]:
        """Do what is due and need not wait; return the time of the next look and whether to act."""
        session = self._session
        response = session.response
        if now >= self._lifetime_at:
            self._lifetime_at = NEVER
            session.stop(CloseReason.LIFETIME)
        if self.interrupted_at == NEVER and now >= self._stop_at:
            on_its_way = response.busy and not response.ending
            if on_its_way and now < self._stop_at + FAREWELL_TIMEOUT:
                return now + BUSY_INTERVAL, False  # it may still arrive
            session.end(session.stopping)
        if self.interrupted_at != NEVER:
            return self._look_at_end(now), False
        next_look = min(self._stop_at, self._lifetime_at, now + self._interval)
        if response.busy:
            session.hear()
            timeout_at = response.since + (session.options.send_timeout or NEVER)
            if now < timeout_at:
                return min(next_look, timeout_at), False
            session.abort()
            session.end(CloseReason.SLOW_CLIENT)
            return self._again_at, False
        due_at = self._start_by
        if response.started:
            since = self._pinged_at if session.options.ping_always else response.since
            due_at = since + (session.options.ping or NEVER)
        if now < due_at:
            return min(next_look, due_at), False
        return next_look, True

    def _look_at_end(self, now: float) -> float:
        session = self._session
        abort_at = self.interrupted_at + FAREWELL_TIMEOUT
        if session.response.busy and now >= abort_at:
            session.abort()
            if session.response.ending:
                session.interrupt()
        if now >= self._again_at:
            session.interrupt()
            self._again_at = now + session.options.cleanup_timeout + FAREWELL_TIMEOUT
        return abort_at if now < abort_at else self._again_at

    async def act(self) -> None:
        """Send the head, or a keep-alive."""
        session = self._session
        response = session.response
        if response.busy or response.closed or session.is_ending:
            return
        with anyio.CancelScope() as self._acting:
            try:
                await response.write(self._body())
            except ClientGone:
                session.end(CloseReason.CLIENT_GONE)
            except Exception as exc:
                session.fail(exc)
                session.end(CloseReason.ERROR)
        self._acting = None

    def _body(self) -> bytes:
        options = self._session.options
        if not self._session.response.started:
            return options.first or FIRST_BODY
        self._pinged_at = self._session.loop.clock.now()
        return (
            options.comment
            if options.ping_message is None
            else options.encode(options.ping_message())
        )

    def close(self) -> None:
        """Let go of a keep-alive that is still with the server's ``send``."""
        if self._acting is not None:
            self._acting.cancel()
