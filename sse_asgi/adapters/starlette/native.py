"""``EventResponse`` for Starlette: the native API, with JSON data and every option."""

from __future__ import annotations

from functools import partial
from typing import ClassVar, Unpack

from starlette.background import BackgroundTask
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.types import Receive, Scope, Send

from ...asgi import Connection, ContentSource, StreamKeywords, StreamOptions
from ...asgi.serving import check_scope, content_factory, serve, shared_receive
from ...errors import Refusal
from ...headers import end_to_end
from ..foreign import encode_item

__all__ = ["EventResponse", "refuse"]


class EventResponse(Response):
    """Streams ``content`` as :class:`sse_asgi.EventStream` does, as a response of a route.

    :param content: asynchronous or synchronous iterable, or a generator function, which is called
        with the :class:`sse_asgi.Connection` if it takes an argument
    :param status_code: the response's status
    :param background: runs after the stream, also when the client has left
    :param options: see :class:`sse_asgi.StreamOptions`
    :raises TypeError: ``content`` is not content, or an option is of the wrong type
    :raises ValueError: an option has an impossible value
    """

    media_type: str | None = "text/event-stream"
    _defaults: ClassVar[StreamOptions] = StreamOptions()

    def __init__(
        self,
        content: ContentSource,
        status_code: int = 200,
        background: BackgroundTask | None = None,
        **options: Unpack[StreamKeywords],
    ) -> None:
        self._make = content_factory(content)
        self._options = self._defaults
        if options or status_code != 200:
            given: StreamKeywords = {
                "serializer": self._defaults.serializer,
                "status": status_code,
                **options,
            }
            self._options = StreamOptions(**given)
        self.status_code: int = self._options.status
        self.background = background
        self.raw_headers: list[tuple[bytes, bytes]] = list(self._options.head)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        check_scope(scope)
        await self._serve(Connection(scope), shared_receive(scope, receive), send)
        if self.background is not None:
            await self.background()

    async def _serve(self, connection: Connection, receive: Receive, send: Send) -> None:
        options = self._options.derived(
            status=self.status_code,
            head=end_to_end(self.raw_headers),
            encode=partial(encode_item, self._options.encode),
        )
        await serve(self._make, options, connection, receive, send, self)


async def refuse(request: Request, exc: Exception) -> Response:
    """Answer with the status of a :class:`sse_asgi.Refusal` that a route has raised.

    It is an exception handler: ``app.add_exception_handler(Refusal, refuse)``.
    """
    if not isinstance(exc, Refusal):
        raise exc
    has_type = not exc.body or any(name == "content-type" for name, _ in exc.headers)
    response = (Response if has_type else PlainTextResponse)(exc.body, exc.status)
    for name, value in exc.headers:
        response.headers.append(name, value)
    return response
