"""What tells a client when to come back, and when no more.

A browser's ``EventSource`` comes back after every end of a stream but for one: a status other than
200, which is final (WHATWG HTML 9.2.3). So "later" is a 200 with a reconnection time, and "never"
takes two steps: the last event of a stream has the ID :data:`DONE_ID`; the browser comes back with
it as ``Last-Event-ID``, and is answered with 204 before the handler is called.
"""

from __future__ import annotations

from typing import Any, Final

from .. import checks
from ..errors import Refusal
from ..headers import Headers, header
from ..wire import Encoder, ServerSentEvent
from .connection import Connection
from .options import DEFAULT_HEADERS

__all__ = ["DONE_ID", "busy", "come_back", "done", "is_done", "random_retry"]

DONE_ID: Final = "sse-asgi:done"
"""The ID of a stream's last event: a client that has seen it is not to come back."""

MARK: Final = DONE_ID.encode()


def busy(retry: int | tuple[int, int] = (1000, 5000)) -> Refusal:
    """Return the refusal that lets a browser's ``EventSource`` come back later: raise it.

    It is a 200 with a reconnection time and no event. A 503 would end the page's stream for good.

    :param retry: the time in milliseconds, or the range to draw it from, so that those who are
        refused together do not come back together
    :raises TypeError: ``retry`` is neither an int nor two
    :raises ValueError: ``retry`` is below 1, since browsers then come back hundreds of times a
        second; or it is out of range, or its two ends are the wrong way round
    """
    ends = retry if isinstance(retry, tuple) else (retry, retry)
    ends = checks.milliseconds_range("retry", ends, least=1)
    return come_back(random_retry(ends), list(DEFAULT_HEADERS))


def come_back(retry: int, head: Headers) -> Refusal:
    """Return a stream that holds nothing but the reconnection time, in milliseconds."""
    headers = [(name.decode(), value.decode("latin-1")) for name, value in head]
    return Refusal(200, Encoder().encode(ServerSentEvent(retry=retry)), headers)


def done(data: Any = "", *, event: str = "done") -> ServerSentEvent:
    """Return the last event of a stream that is complete: yield it, and end.

    A page may close its ``EventSource`` when it sees the event. If it does not, the browser comes
    back on its own, and is answered with 204, which stops it for good. (Not in Quart, Django and
    Falcon, which have sent their 200 by then: there it gets an empty stream. Mount a sub-app.)

    :param data: what the event says
    :param event: its name
    :raises TypeError: ``event`` is not a str
    :raises ValueError: ``event`` is no name of an event
    """
    return ServerSentEvent(data, event=event, id=DONE_ID)


def is_done(connection: Connection) -> bool:
    """Tell whether the client has seen the stream's last event."""
    given = header(connection.scope["headers"], b"last-event-id")
    if given is not None:
        return given == MARK
    # The query is parsed for those alone who have the mark in it, encoded in whatever way.
    named = b"done" in connection.scope.get("query_string", b"")
    return named and connection.last_event_id == DONE_ID


def random_retry(between: tuple[int, int]) -> int:
    """Draw a reconnection time, in milliseconds, so that clients do not come back in one herd."""
    from random import randint  # seldom needed, and slow to import

    return randint(*between)
