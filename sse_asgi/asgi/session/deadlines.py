"""When something is due on one stream: late heads, keep-alive, timeouts, lifetimes.

A pure function of the options, of how far the response has come, and of the time. The rows are
asked from the top, and the first that holds is due:

==================  =========================================================  ==============
the stream          and the time has reached                                   due
==================  =========================================================  ==============
goes on             ``max_lifetime`` (80 to 100 % of it, drawn by chance)      ``LIFETIME``
goes on             the end of the grace; a message on its way has 1 s more    ``END``
goes on, or ended   the end of ``cleanup_timeout``, and then again and again   ``INTERRUPT``
goes on, busy       ``send_timeout`` since the message was given to ``send``   ``SLOW``
goes on, idle       ``start_timeout``, or ``ping`` since the last message      ``WRITE``
                    (or a little sooner, with those of others)
goes on, idle       the end of the ``window``, and it holds events             ``WRITE``
ended, busy         1 s since the end                                          ``ABORT``
==================  =========================================================  ==============
"""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING, Final, Protocol

if TYPE_CHECKING:
    from ..options import StreamOptions

__all__ = ["FAREWELL_TIMEOUT", "NEVER", "Deadlines", "Due", "Progress"]

NEVER: Final = float("inf")

FAREWELL_TIMEOUT: Final = 1.0
"""Seconds that the last blocks of an interrupted stream may take."""

EARLY: Final = 1 / 8
"""The part of ``ping`` that a keep-alive may come sooner, so that many share one wake-up."""

BUSY_INTERVAL: Final = 0.01
"""Seconds between two looks at a message that is on its way."""


class Due(Enum):
    """The work that is due now."""

    NOTHING = "nothing"
    WRITE = "write"
    """Send the head, the events of the window, or a keep-alive."""
    LIFETIME = "lifetime"
    """Stop the stream: it has lived for as long as it may."""
    END = "end"
    """End the stream: the grace of its content is over."""
    SLOW = "slow"
    """End the stream: the client does not take a message."""
    ABORT = "abort"
    """Cut the connection: the client does not take the last block either."""
    INTERRUPT = "interrupt"
    """Cut the content's clean-up: it has had its time."""


class Progress(Protocol):
    """How far a response has come: a :class:`~.writer.ResponseWriter`, or a row of a table."""

    busy: bool
    since: float

    @property
    def flush_at(self) -> float:
        """When the events must go out that the window holds."""

    @property
    def started(self) -> bool:
        """Whether the head is on its way, or out."""

    @property
    def is_final(self) -> bool:
        """Whether the last block or the final body is on its way."""


class Deadlines:
    """Knows when something is due on one stream.

    :param options: the options of the stream
    :param began: when the request came
    """

    __slots__ = (
        "_abort_at",
        "_interval",
        "_lifetime_at",
        "_options",
        "_pinged_at",
        "_start_by",
        "_stop_at",
        "cleanup_until",
        "interrupted_at",
        "look_at",
    )

    def __init__(self, options: StreamOptions, began: float) -> None:
        self._options = options
        # A send that blocks is noticed at a look, so there must be one within the send timeout.
        self._interval = min(options.ping or NEVER, options.send_timeout or NEVER)
        self._start_by = began + options.start_timeout
        self._pinged_at = began
        self._lifetime_at = NEVER
        if options.max_lifetime is not None:
            import random  # seldom needed, and slow to import

            # By chance, so that streams that began together do not end together.
            self._lifetime_at = began + options.max_lifetime * random.uniform(0.8, 1.0)
        self._stop_at = NEVER
        self._abort_at = NEVER
        self.cleanup_until: float = NEVER
        """When the clean-up of the content, if it runs, has had its time."""
        self.interrupted_at: float = NEVER
        """When the content was interrupted."""
        self.look_at: float = NEVER
        """When the timers look next, perhaps sooner than they must: a keep-alive may go then."""

    @property
    def early(self) -> float:
        """Seconds that a look for a keep-alive may come sooner."""
        return self._interval * EARLY

    # -- what has happened -------------------------------------------------------------------------

    def stop(self, when: float) -> None:
        """Note that the stream must end at ``when``."""
        self._stop_at = when
        self._lifetime_at = NEVER

    def interrupt(self, now: float) -> float:
        """Note that the content is interrupted; return when to look next."""
        if self.interrupted_at == NEVER:
            self.interrupted_at = now
            self._abort_at = now + FAREWELL_TIMEOUT
            self.cleanup_until = now + self._options.cleanup_timeout
        return min(self._abort_at, self.cleanup_until)

    def clean_up(self, now: float) -> float:
        """Note that the content's clean-up begins; return when it has had its time."""
        if self.cleanup_until == NEVER:
            self.cleanup_until = now + self._options.cleanup_timeout
        return self.cleanup_until

    def cleaned_up(self) -> None:
        """Note that no clean-up runs."""
        if self.interrupted_at == NEVER:
            self.cleanup_until = NEVER

    def aborted(self) -> None:
        """Note that the connection was cut."""
        self._abort_at = NEVER

    def cut(self, now: float) -> None:
        """Note that the clean-up was cut; it may need that again."""
        self.cleanup_until = now + self._options.cleanup_timeout + FAREWELL_TIMEOUT

    def pinged(self, now: float) -> None:
        """Note that a keep-alive is sent."""
        self._pinged_at = now

    # -- what is due -------------------------------------------------------------------------------

    def next(self, progress: Progress, now: float) -> tuple[float, Due]:
        """Return when to look again, and what is due now."""
        if self.interrupted_at != NEVER:
            return self._next_at_end(progress, now)
        if now >= self._lifetime_at:
            return now, Due.LIFETIME
        if now >= self._stop_at:
            on_its_way = progress.busy and not progress.is_final
            if on_its_way and now < self._stop_at + FAREWELL_TIMEOUT:
                return now + BUSY_INTERVAL, Due.NOTHING  # it may still arrive
            return now, Due.END
        if now >= self.cleanup_until:
            return now, Due.INTERRUPT
        look_at = min(self._stop_at, self._lifetime_at, self.cleanup_until, now + self._interval)
        if progress.busy:
            timeout_at = progress.since + (self._options.send_timeout or NEVER)
            if now < timeout_at:
                return min(look_at, timeout_at), Due.NOTHING
            return now, Due.SLOW
        due_at = self._idle_until(progress, now)
        return (min(look_at, due_at), Due.NOTHING) if now < due_at else (look_at, Due.WRITE)

    def _idle_until(self, progress: Progress, now: float) -> float:
        """Return when a message of the timers is due, if nothing comes before it."""
        if not progress.started:
            return self._start_by
        since = self._pinged_at if self._options.ping_always else progress.since
        ping_at = since + (self._options.ping or NEVER)
        if now >= self.look_at and now > ping_at - self.early:
            return now
        return min(ping_at, progress.flush_at)

    def _next_at_end(self, progress: Progress, now: float) -> tuple[float, Due]:
        if progress.busy and now >= self._abort_at:
            return now, Due.ABORT
        if now >= self.cleanup_until:
            return now, Due.INTERRUPT
        # A message that is given to ``send`` later than this has a look when the clean-up has.
        abort_at = self._abort_at if now < self._abort_at else NEVER
        return min(abort_at, self.cleanup_until), Due.NOTHING
