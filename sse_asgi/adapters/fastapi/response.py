"""Event streams in FastAPI: a dependency that knows the request, and a response."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, ClassVar, Self, Unpack

from fastapi import Request
from pydantic_core import to_json
from starlette.background import BackgroundTask
from starlette.types import Message, Receive, Scope, Send

from ...asgi import Connection, ContentSource, Notice, StreamKeywords, StreamOptions
from ...asgi.serving import check_scope, serve, shared_receive
from ...headers import end_to_end
from ..foreign import native_event
from ..starlette.native import EventResponse
from .events import EventTypes

__all__ = ["EventSource", "EventSourceResponse"]


class EventSourceResponse(EventResponse):
    """Streams ``content`` as :class:`sse_asgi.EventStream` does; Pydantic models are JSON data.

    NaN and infinities in the data are sent as ``null``, as in FastAPI's own streams.

    :param content: asynchronous or synchronous iterable, or a generator function
    :param status_code: the response's status
    :param background: runs after the stream, also when the client has left
    :param source: the request that is answered, if a dependency knows it
    :param events: the types of the events
    :param options: see :class:`sse_asgi.StreamOptions`
    :raises TypeError: ``content`` is not content, or an option is of the wrong type
    :raises ValueError: an option has an impossible value
    """

    _defaults: ClassVar[StreamOptions] = StreamOptions(
        serializer=partial(to_json, inf_nan_mode="null")
    )

    def __init__(
        self,
        content: ContentSource,
        status_code: int = 200,
        background: BackgroundTask | None = None,
        *,
        source: EventSource | None = None,
        events: EventTypes | None = None,
        **options: Unpack[StreamKeywords],
    ) -> None:
        super().__init__(content, status_code, background, **options)
        self._source = source
        self._encode = partial(_encode, self._options.encode, events)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        check_scope(scope)
        source = self._source or EventSource(Request(scope))
        await serve(
            self._make,
            self._options.derived(
                status=self.status_code, head=end_to_end(self.raw_headers), encode=self._encode
            ),
            source.connection,
            partial(source.receive, shared_receive(scope, receive)),
            send,
            self,
        )
        if self.background is not None:
            await self.background()


class EventSource:
    """The request for an event stream: ``source: Annotated[EventSource, Depends(EventSource)]``.

    ``Depends(EventSource.of)`` does the same at less cost.
    """

    def __init__(self, request: Request) -> None:
        self.connection: Connection = Connection(request.scope)
        """The request as this library sees it."""
        self.disconnected: Notice = Notice()
        """The notice that the client has left; the content is cancelled at the same time."""

    @classmethod
    async def of(cls, request: Request) -> Self:
        """Return a new one, without the thread in which FastAPI calls a class or a function."""
        return cls(request)

    @property
    def last_event_id(self) -> str | None:
        """The ID of the last event that the client has seen, or None at its first connection."""
        return self.connection.last_event_id

    @property
    def shutdown(self) -> Notice:
        """The notice that the stream must end, because the server stops."""
        return self.connection.shutdown

    def respond(
        self,
        content: ContentSource,
        *,
        background: BackgroundTask | None = None,
        events: EventTypes | None = None,
        **options: Unpack[StreamKeywords],
    ) -> EventSourceResponse:
        """Return the response to this request; see :class:`EventSourceResponse`."""
        return EventSourceResponse(
            content, background=background, source=self, events=events, **options
        )

    async def receive(self, receive: Receive) -> Message:
        """Pass on the server's messages, and note that the client has left."""
        message = await receive()
        if message["type"] in ("http.disconnect", "websocket.disconnect"):
            self.disconnected.give()
        return message


def _encode(encode: Callable[[object], bytes], events: EventTypes | None, item: Any) -> bytes:
    item = native_event(item)
    return encode(item if events is None else events.named(item))
