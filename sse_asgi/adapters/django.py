"""Event streams as responses of Django's asynchronous views, under ASGI.

Where an event stream needs no view of Django's, put an :class:`sse_asgi.EventSourceApp` beside the
application: it can refuse a request with its status, and close the connection of a slow client.
"""

from __future__ import annotations

import json
from typing import Unpack

from ..asgi import Connection, ContentSource, StreamKeywords
from ..errors import Refusal
from ..extras import missing
from .body import EventBody

try:
    from django.core.handlers.asgi import ASGIRequest  # type: ignore[import-untyped]
    from django.core.serializers.json import DjangoJSONEncoder  # type: ignore[import-untyped]
    from django.db import connections  # type: ignore[import-untyped]
    from django.http import (  # type: ignore[import-untyped]
        HttpRequest,
        HttpResponse,
        StreamingHttpResponse,
    )
except ModuleNotFoundError as _exc:
    raise missing("django", _exc) from _exc

__all__ = ["EventSourceResponse", "refuse"]


class EventSourceResponse(StreamingHttpResponse):  # type: ignore[misc]
    """Streams ``content`` as :class:`sse_asgi.EventStream` does.

    Synchronous content runs in a thread. The database connections that it opens there are closed at
    its end, as Django closes those of a request. JSON data may hold all that Django's own encoder
    knows: dates, decimals, UUIDs. The response says ``Content-Encoding: identity``, without which
    GZipMiddleware makes a stream unreadable.

    :param request: the request that is answered
    :param content: asynchronous or synchronous iterable, or a generator function
    :param options: see :class:`sse_asgi.StreamOptions`
    :raises TypeError: the request did not come through ASGI, ``content`` is not content, or an
        option is of the wrong type
    :raises ValueError: an option has an impossible value
    """

    def __init__(
        self, request: HttpRequest, content: ContentSource, **options: Unpack[StreamKeywords]
    ) -> None:
        if not isinstance(request, ASGIRequest):
            raise TypeError(f"an event stream needs Django's ASGI application, not {request!r}")
        options.setdefault("serializer", _to_json)
        body = EventBody(content, request.scope, **options)
        body.options = body.options.derived(thread_ended=connections.close_all)
        body.begin()
        self.connection: Connection = body.connection
        """The request as this library sees it: its last event ID, the server's shutdown."""
        super().__init__(body, status=body.status)
        given: set[str] = set()
        self.headers["content-encoding"] = "identity"
        for name, value in body.headers:
            _add(self, name, value, given)
        self._resource_closers.append(body.leave)


def refuse(exc: Refusal) -> HttpResponse:
    """Return the response with the status of a :class:`sse_asgi.Refusal`.

    For a view that catches it, or for a middleware: ``def process_exception(self, request, exc)``.
    """
    response = HttpResponse(exc.body, status=exc.status, content_type="text/plain; charset=utf-8")
    given: set[str] = set()
    for name, value in exc.headers:
        _add(response, name, value, given)
    return response


def _add(response: HttpResponse, name: str, value: str, given: set[str]) -> None:
    """Add a field; Django keeps one value of each, so those of a list are joined (RFC 9110, 5.3).

    :param given: the names that were added before
    """
    if name == "set-cookie":
        response.cookies.load(value)
    elif name in given:
        response.headers[name] = f"{response.headers[name]}, {value}"
    else:
        response.headers[name] = value
    given.add(name)


def _to_json(value: object) -> str:
    return json.dumps(
        value, cls=DjangoJSONEncoder, ensure_ascii=False, separators=(",", ":"), allow_nan=False
    )
