"""What can go wrong in a test of an event stream.

    SSEError
    └── StreamError
        ├── StreamTimeout       it did not happen in time; also a TimeoutError
        ├── StreamEnded         there are no more events; also an EOFError
        │   └── BodyTruncated   and the app never sent the message that ends the body
        ├── NotAnEventStream    the response is something else
        ├── ASGIViolation       the app broke a rule of ASGI
        ├── AppLeaked           the app did not return after the client had left
        └── LifespanFailed      the app reported that its startup or shutdown failed

What the app itself raises comes as it is, never in one of these.
"""

from __future__ import annotations

from ..errors import SSEError

__all__ = [
    "ASGIViolation",
    "AppLeaked",
    "BodyTruncated",
    "LifespanFailed",
    "NotAnEventStream",
    "StreamEnded",
    "StreamError",
    "StreamTimeout",
]


class StreamError(SSEError):
    """The base of the exceptions of this package."""


class StreamTimeout(StreamError, TimeoutError):
    """The event that the test waited for did not come in time; the message says what came."""


class StreamEnded(StreamError, EOFError):
    """The body of the response has ended, so there is no next event."""


class BodyTruncated(StreamEnded):
    """The app returned without the body message that has ``more_body`` false.

    Over HTTP the client sees a response that breaks off, or none that ends.
    """


class NotAnEventStream(StreamError):
    """The response is not ``text/event-stream``, so no client would read events from it."""


class ASGIViolation(StreamError):
    """The app broke a rule of ASGI; the message names the rule."""


class AppLeaked(StreamError):
    """The app did not return within the timeout although the client had left."""


class LifespanFailed(StreamError):
    """The app sent ``lifespan.startup.failed`` or ``lifespan.shutdown.failed``."""
