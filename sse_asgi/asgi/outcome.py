"""Why a stream ended: the first reason holds."""

from __future__ import annotations

from enum import Enum
from typing import NamedTuple

from ..errors import Refusal
from .connection import Connection

__all__ = ["CloseReason", "Outcome", "StreamSummary"]


class CloseReason(Enum):
    """Why a stream ended."""

    COMPLETED = "completed"
    """The content came to its end."""
    CLIENT_GONE = "client gone"
    """The client closed the connection."""
    SERVER_STOPPING = "server stopping"
    """The server stops, or cancelled the request."""
    SLOW_CLIENT = "slow client"
    """The client did not take what was sent within ``send_timeout``."""
    LIFETIME = "lifetime"
    """The stream had reached its ``max_lifetime``."""
    EXPIRED = "expired"
    """The time had come that ``expires_at`` gave."""
    REVOKED = "revoked"
    """The stream's key was revoked, or ``revalidate`` did not say yes."""
    ERROR = "error"
    """The content, or the server's ``receive`` or ``send``, raised an exception."""
    REFUSED = "refused"
    """The request was answered with another status, or with nothing but a reconnection time."""


class StreamSummary(NamedTuple):
    """The account of one stream that ``on_close`` gets.

    :param reason: why it ended
    :param events: how many events were sent
    :param bytes: how many bytes of body were sent, as they are on the wire, keep-alive included
    :param seconds: how long it lived
    :param error: the exception behind the reason ``ERROR``
    :param first_event: how many seconds after the request the first event was sent; None: there was
        no event
    :param connection: the request that the stream answered
    """

    reason: CloseReason
    events: int
    bytes: int
    seconds: float
    error: BaseException | None = None
    first_event: float | None = None
    connection: Connection | None = None


class Outcome:
    """Holds why one stream ends. The first reason holds, and the error that came with it."""

    __slots__ = ("error", "is_handled", "is_told", "reason", "stopping")

    def __init__(self) -> None:
        self.reason: CloseReason | None = None
        """Why the stream ends, or None while nothing ends it."""
        self.error: BaseException | None = None
        """The exception behind the reason."""
        self.stopping: CloseReason = CloseReason.COMPLETED
        """The reason that will hold when the content comes to its end."""
        self.is_told: bool = False
        """The last block was made; an interruption may come before the final body."""
        self.is_handled: bool = False
        """The error is the program's own business now: ``on_error`` took it, or it was refused."""

    def first(self, reason: CloseReason, error: BaseException | None = None) -> bool:
        """Note why the stream ends. Returns False, and notes nothing, if that is known already."""
        if self.reason is not None:
            return False
        self.reason, self.error = reason, error
        return True

    def fail(self, error: BaseException, *, started: bool) -> bool:
        """Note that the stream ends with ``error``; False: a reason is known already.

        :param started: the response's head is out, so that a refusal comes too late
        """
        refused = isinstance(error, Refusal) and not started
        return self.first(CloseReason.REFUSED if refused else CloseReason.ERROR, error)

    def replace_refusal(self, error: Exception) -> None:
        """Note that the refusal could not be sent: the request ends with ``error`` instead."""
        self.reason, self.error, self.is_handled = CloseReason.ERROR, error, False

    @property
    def unhandled(self) -> BaseException | None:
        """The exception that the application must raise at last."""
        return None if self.is_handled else self.error

    def summary(
        self,
        *,
        events: int,
        size: int,
        seconds: float,
        first_event: float | None = None,
        connection: Connection | None = None,
    ) -> StreamSummary:
        """Return the account for ``on_close``."""
        reason = self.reason or CloseReason.COMPLETED
        error = self.error if reason is CloseReason.ERROR else None
        return StreamSummary(reason, events, size, seconds, error, first_event, connection)
