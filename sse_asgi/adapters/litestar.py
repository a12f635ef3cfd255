"""Event streams as responses of Litestar's route handlers.

An :class:`sse_asgi.EventSourceApp` can be mounted in Litestar as well, with its ``asgi`` handler.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Unpack

from litestar import Litestar, Request
from litestar.background_tasks import BackgroundTask, BackgroundTasks
from litestar.datastructures import Cookie
from litestar.response.base import ASGIResponse, Response
from litestar.serialization import encode_json
from litestar.types import Receive, ResponseCookies, Scope, Send

from ..asgi import Connection, ContentSource, Notice, StreamKeywords, StreamOptions
from ..asgi.content.source import content_factory
from ..asgi.serving import serve
from ..headers import end_to_end

__all__ = ["EventSourceResponse"]


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
        **others: Any,
    ) -> ASGIResponse:
        """Return the application that streams, with what the route handler adds to the response."""
        options = self._options
        if options.compression is not None and _compresses(request):
            options = options.derived(compression=None)
        return _StreamingResponse(
            self._make,
            options,
            background=self.background or background,
            cookies=[*self.cookies, *(cookies or ())],
            headers={**(headers or {}), **self.headers},
            media_type=self.media_type,
            status_code=self.status_code,
        )


def _compresses(request: Request[Any, Any, Any]) -> bool:
    """Tell whether Litestar compresses the response: whatever it is, coded already or not."""
    config = request.app.compression_config
    if config is None:
        return False
    key = config.exclude_opt_key
    return not (key and request.route_handler.opt.get(key))


class _StreamingResponse(ASGIResponse):
    _should_set_content_length = False

    def __init__(self, make: Any, options: StreamOptions, **others: Any) -> None:
        super().__init__(**others)
        self._make = make
        self._options = options

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        options = self._options.derived(
            status=self.status_code, head=end_to_end(self.encode_headers())
        )
        await serve(self._make, options, Connection(scope, Notice()), receive, send, self)
        await self.after_response()
