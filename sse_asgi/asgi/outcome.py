"""How a stream ended."""

from __future__ import annotations

from enum import Enum
from typing import NamedTuple

__all__ = ["CloseReason", "StreamSummary"]


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
    ERROR = "error"
    """The content, or the server's ``receive`` or ``send``, raised an exception."""
    REFUSED = "refused"
    """The request was answered with another status, or with nothing but a reconnection time."""


class StreamSummary(NamedTuple):
    """What ``on_close`` is told of a stream.

    :param reason: why it ended
    :param events: how many events were sent
    :param bytes: how many bytes of body were sent, as they are on the wire, keep-alive included
    :param seconds: how long it lived
    :param error: the exception behind the reason ``ERROR``
    """

    reason: CloseReason
    events: int
    bytes: int
    seconds: float
    error: BaseException | None = None
