"""Event streams as responses of Django's asynchronous views, under ASGI.

Where an event stream needs no view of Django's, put an :class:`sse_asgi.EventSourceApp` beside the
application: it can refuse a request with its status, and close the connection of a slow client.
"""

from __future__ import annotations

import json
from typing import Unpack

from django.core.handlers.asgi import ASGIRequest  # type: ignore[import-untyped]
from django.core.serializers.json import DjangoJSONEncoder  # type: ignore[import-untyped]
from django.db import connections  # type: ignore[import-untyped]
from django.http import HttpRequest, StreamingHttpResponse  # type: ignore[import-untyped]

from ..asgi import ContentSource, StreamKeywords
from .body import EventBody

__all__ = ["EventSourceResponse"]


class EventSourceResponse(StreamingHttpResponse):  # type: ignore[misc]
    """Streams ``content`` as :class:`sse_asgi.EventStream` does.

    JSON data may hold what Django's own encoder knows: dates, decimals, UUIDs. The response says
    ``Content-Encoding: identity``, without which GZipMiddleware makes a stream unreadable.
    Synchronous content runs in a thread, whose database connections are closed when it ends.

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
        self.connection = body.connection
        """The request as this library sees it: its last event ID, the server's shutdown."""
        super().__init__(body, status=body.options.status)
        self.headers["Content-Encoding"] = "identity"
        for name, value in body.headers:
            self.headers[name] = value
        self._resource_closers.append(body.leave)


def _to_json(value: object) -> str:
    return json.dumps(
        value, cls=DjangoJSONEncoder, ensure_ascii=False, separators=(",", ":"), allow_nan=False
    )
