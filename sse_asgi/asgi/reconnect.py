"""The answers that tell a client when to reconnect, or never to reconnect.

A browser's ``EventSource`` reconnects after every end of a stream, and only a status other than 200
is final (WHATWG HTML 9.2.3). So "later" is a 200 with a reconnection time. "Never" takes two steps:
the last event of a stream has the ID :data:`DONE_ID`, with which the browser reconnects, and the
answer to that ``Last-Event-ID`` is a 204, for which the handler is not called.
"""

from __future__ import annotations

from typing import Any, Final

from .. import checks
from ..errors import Refusal
from ..headers import Headers, header
from ..wire import Encoder, ServerSentEvent
from ..wire.names import DONE
from .connection import Connection
from .options import DEFAULT_HEADERS

__all__ = ["DONE_ID", "busy", "come_back", "done", "is_done", "random_retry"]

DONE_ID: Final = "sse-asgi:done"
"""The ID of a stream's last event: a client that has seen it must not reconnect."""

_MARK: Final = DONE_ID.encode()


def busy(retry: int | tuple[int, int] = (1000, 5000)) -> Refusal:
    """Return the refusal that lets a browser's ``EventSource`` reconnect later: raise it.

    It is a 200 with a reconnection time and no event. A 503 would end the page's stream for good.

    :param retry: the time in milliseconds, or the range to draw it from, so that clients that are
        refused together do not reconnect together
    :raises TypeError: ``retry`` is neither an int nor a tuple of two
    :raises ValueError: ``retry`` is below 1, since browsers then reconnect hundreds of times a
        second; or it is out of range, or its two ends are the wrong way round
    """
    if isinstance(retry, tuple):
        time = random_retry(checks.milliseconds_range("retry", retry, least=1))
    else:
        time = checks.integer("retry", retry, least=1, most=checks.MAX_RETRY, unit="milliseconds")
    return come_back(time, list(DEFAULT_HEADERS))


def come_back(retry: int, head: Headers) -> Refusal:
    """Return a stream that holds nothing but the reconnection time, in milliseconds."""
    headers = [(name.decode(), value.decode("latin-1")) for name, value in head]
    return Refusal(200, Encoder().encode(ServerSentEvent(retry=retry)), headers)


def done(data: Any = "", *, event: str = DONE) -> ServerSentEvent:
    """Return the last event of a stream that is complete: yield it, and end.

    A page may close its ``EventSource`` when it sees the event. If it does not, the browser
    reconnects by itself, and the answer is a 204, which stops it for good. Quart, Django and Falcon
    have sent their 200 by then, so there it gets an empty stream: mount a sub-app instead.

    :param data: the event's data
    :param event: the event's name
    :raises TypeError: ``event`` is not a str
    :raises ValueError: ``event`` is no name of an event
    """
    return ServerSentEvent(data, event=event, id=DONE_ID)


def is_done(connection: Connection) -> bool:
    """Tell whether the client has seen the stream's last event."""
    given = header(connection.scope["headers"], b"last-event-id")
    if given:
        return given == _MARK
    # Only a query with this word is parsed: no client percent-encodes letters.
    query = connection.scope.get("query_string", b"")
    named = "done" in query if isinstance(query, str) else b"done" in query
    return named and connection.last_event_id == DONE_ID


def random_retry(between: tuple[int, int]) -> int:
    """Draw a reconnection time, in milliseconds, so that clients do not reconnect in one herd."""
    from random import randint  # seldom needed, and slow to import

    return randint(*between)
