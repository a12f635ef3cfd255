"""Event streams as responses of Django's asynchronous views, under ASGI.

Where an event stream needs no view of Django's, put an :class:`sse_asgi.EventSourceApp` beside the
application: it can refuse a request with its status, and close the connection of a slow client.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, Unpack

from ..asgi import Connection, ContentSource, StreamKeywords
from ..errors import Refusal
from ..extras import missing
from .body import EventBody

try:
    from asgiref.sync import iscoroutinefunction, markcoroutinefunction
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

__all__ = ["EventSourceResponse", "RefusalMiddleware", "refuse"]


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


class RefusalMiddleware:
    """Turns a :class:`sse_asgi.Refusal` that a view raises, or returns, into its status.

    Make it the last one in ``MIDDLEWARE``, so that the others see the response.

    :param get_response: as Django gives it
    """

    sync_capable: bool = True
    async_capable: bool = True

    def __init__(self, get_response: Callable[[HttpRequest], Any]) -> None:
        self._get_response = get_response
        self._is_async = iscoroutinefunction(get_response)
        if self._is_async:
            markcoroutinefunction(self)

    def __call__(self, request: HttpRequest) -> Any:
        """Answer the request; in an asynchronous application, return an awaitable."""
        if self._is_async:
            return self._answer(request)
        return _answered(self._get_response(request))

    async def _answer(self, request: HttpRequest) -> Any:
        return _answered(await self._get_response(request))

    def process_exception(self, request: HttpRequest, exception: Exception) -> HttpResponse | None:
        """Return the response for a refusal that the view has raised."""
        return refuse(exception) if isinstance(exception, Refusal) else None


def _answered(response: Any) -> Any:
    return refuse(response) if isinstance(response, Refusal) else response


def refuse(exc: Refusal) -> HttpResponse:
    """Return the response with the status of a :class:`sse_asgi.Refusal`.

    For a view that catches it. :class:`RefusalMiddleware` does so for every view.
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
