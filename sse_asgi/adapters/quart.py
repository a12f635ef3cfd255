"""Event streams as responses of Quart's views.

Where an event stream needs no view of Quart's, mount an :class:`sse_asgi.EventSourceApp` beside the
application: it can refuse a request with its status, and close the connection of a slow client.
"""

from __future__ import annotations

from typing import Unpack

from ..asgi import Connection, ContentSource, StreamKeywords
from ..errors import Refusal
from ..extras import missing
from .body import EventBody

try:
    from quart import Response, has_request_context, request
except ModuleNotFoundError as _exc:
    raise missing("quart", _exc) from _exc

__all__ = ["EventSourceResponse", "refuse"]


class EventSourceResponse(Response):
    """Streams ``content`` as :class:`sse_asgi.EventStream` does, without Quart's time limit.

    To be made in a view; the content may go on using ``request`` and ``current_app``.

    :param content: asynchronous or synchronous iterable, or a generator function
    :param options: see :class:`sse_asgi.StreamOptions`
    :raises RuntimeError: no request is being handled
    :raises TypeError: ``content`` is not content, or an option is of the wrong type
    :raises ValueError: an option has an impossible value
    """

    def __init__(self, content: ContentSource, **options: Unpack[StreamKeywords]) -> None:
        if not has_request_context():
            raise RuntimeError("an event stream answers a request: make it in a view")
        body = EventBody(content, request.scope, **options)
        body.begin()
        self.connection: Connection = body.connection
        """The request as this library sees it: its last event ID, the server's shutdown."""
        super().__init__(body, body.status)
        for name, _ in body.headers:
            self.headers.pop(name, None)
        for name, value in body.headers:
            self.headers.add(name, value)
        self.timeout: None = None


def refuse(exc: Refusal) -> Response:
    """Answer with the status of a :class:`sse_asgi.Refusal` that a view has raised.

    It is an error handler: ``app.register_error_handler(Refusal, refuse)``.
    """
    response = Response(exc.body, exc.status, content_type="text/plain; charset=utf-8")
    for name in {name for name, _ in exc.headers}:
        response.headers.setlist(name, [value for given, value in exc.headers if given == name])
    return response
