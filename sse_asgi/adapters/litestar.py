"""Event streams as responses of Litestar's route handlers.

An :class:`sse_asgi.EventSourceApp` can be mounted in Litestar as well, with its ``asgi`` handler.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial
from typing import Any, Unpack

from ..asgi import Connection, ContentSource, StreamKeywords, StreamOptions
from ..asgi.serving import content_factory, serve
from ..errors import Refusal
from ..extras import missing
from ..headers import Headers, end_to_end
from ..wire import Encoder
from .foreign import encode_item

try:
    from litestar import Litestar, Request
    from litestar.background_tasks import BackgroundTask, BackgroundTasks
    from litestar.datastructures import Cookie
    from litestar.response.base import ASGIResponse, Response
    from litestar.serialization import encode_json, get_serializer
    from litestar.types import Receive, ResponseCookies, Scope, Send, TypeEncodersMap
except ModuleNotFoundError as _exc:
    raise missing("litestar", _exc) from _exc

__all__ = ["EventSourceResponse", "refuse"]


class EventSourceResponse(Response[Any]):
    """Streams ``content`` as :class:`sse_asgi.EventStream` does.

    JSON data may hold what Litestar knows: msgspec, Pydantic and attrs models, dataclasses.

    Where the application has a ``CompressionConfig``, that compresses the stream, and the option
    ``compression`` is without effect; but for a route with the ``exclude_opt_key`` of the
    configuration it is the other way round.

    :param content: asynchronous or synchronous iterable, or a generator function, which is called
        with the :class:`sse_asgi.Connection` if it takes an argument
    :param background: runs after the stream, also when the client has left
    :param cookies: cookies to set
    :param options: see :class:`sse_asgi.StreamOptions`
    :raises TypeError: ``content`` is not content, or an option is of the wrong type
    :raises ValueError: an option has an impossible value
    """

    def __init__(
        self,
        content: ContentSource,
        *,
        background: BackgroundTask | BackgroundTasks | None = None,
        cookies: ResponseCookies | None = None,
        **options: Unpack[StreamKeywords],
    ) -> None:
        self._make = content_factory(content)
        self._given = frozenset(options)
        options.setdefault("serializer", encode_json)
        self._options = StreamOptions(**options)
        super().__init__(
            b"",
            background=background,
            cookies=cookies,
            headers={name.decode(): value.decode("latin-1") for name, value in self._options.head},
            media_type="text/event-stream",
            status_code=self._options.status,
        )

    def to_asgi_response(
        self,
        app: Litestar | None,
        request: Request[Any, Any, Any],
        *,
        background: BackgroundTask | BackgroundTasks | None = None,
        cookies: Iterable[Cookie] | None = None,
        headers: dict[str, str] | None = None,
        status_code: int | None = None,
        type_encoders: TypeEncodersMap | None = None,
        **others: Any,
    ) -> ASGIResponse:
        """Return the application that streams, with the route handler's part in the response."""
        options = self._options
        if type_encoders and "serializer" not in self._given:
            options = _with_encoders(options, type_encoders)
        if options.compression is not None and _compresses(request):
            options = options.derived(compression=None)
        return _StreamingResponse(
            self._make,
            options,
            background=self.background or background,
            cookies=[*self.cookies, *(cookies or ())],
            headers={**(headers or {}), **self.headers},
            media_type=self.media_type,
            status_code=self.status_code if "status" in self._given else status_code or 200,
        )


def _with_encoders(options: StreamOptions, type_encoders: TypeEncodersMap) -> StreamOptions:
    """Return options whose JSON knows the types that the application or route has encoders for."""
    serializer = partial(encode_json, serializer=get_serializer(type_encoders))
    encode = Encoder(separator=options.separator, serializer=serializer).encode
    return options.derived(serializer=serializer, encode=encode)


def refuse(request: Request[Any, Any, Any], exc: Refusal) -> Response[bytes]:
    """Answer with the status of a :class:`sse_asgi.Refusal` that a route handler has raised.

    It is an exception handler: ``Litestar(..., exception_handlers={Refusal: refuse})``.
    """
    headers = dict(reversed(exc.headers))  # of repeated ones the first
    further = list(exc.headers)
    for pair in headers.items():
        further.remove(pair)
    headers.setdefault("content-type", "text/plain; charset=utf-8")
    refused = _RefusedResponse(exc.body, status_code=exc.status, headers=headers)
    refused.further = further
    return refused


def _compresses(request: Request[Any, Any, Any]) -> bool:
    """Tell whether Litestar compresses the response: whatever it is, coded already or not."""
    config = request.app.compression_config
    if config is None:
        return False
    key = config.exclude_opt_key
    return not (key and request.route_handler.opt.get(key))


class _RefusedResponse(Response[bytes]):
    """Has several values of a field, too, of which Litestar's own mapping keeps one."""

    further: list[tuple[str, str]]

    def to_asgi_response(self, *args: Any, **others: Any) -> ASGIResponse:
        """Return the response as Litestar makes it, and the further values of its fields."""
        response = super().to_asgi_response(*args, **others)
        for name, value in self.further:
            response.headers.add(name, value)
        return response


class _StreamingResponse(ASGIResponse):
    _should_set_content_length = False

    def __init__(self, make: Any, options: StreamOptions, **others: Any) -> None:
        super().__init__(**others)
        self._make = make
        self._options = options

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        options = self._options.derived(
            status=self.status_code,
            head=_with_repeated(end_to_end(self.encode_headers()), self._options.head),
            encode=partial(encode_item, self._options.encode),
        )
        await serve(self._make, options, Connection(scope), receive, send, self)
        await self.after_response()


def _with_repeated(headers: Headers, given: Headers) -> Headers:
    """Return the headers with every value of a field: Litestar's own mapping keeps one of each."""
    names = [name for name, _ in given]
    repeated = {name for name in names if names.count(name) > 1}
    kept = [pair for pair in headers if pair[0] not in repeated or pair not in given]
    return kept + [pair for pair in given if pair[0] in repeated]
