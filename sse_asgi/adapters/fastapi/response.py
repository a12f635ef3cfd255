"""Event streams in FastAPI: a dependency that knows the request, a response, typed events."""

from __future__ import annotations

from functools import partial
from typing import Any, Self, Unpack

from fastapi import Request
from fastapi import sse as native
from pydantic_core import to_json
from starlette.background import BackgroundTask
from starlette.responses import Response
from starlette.types import Message, Receive, Scope, Send

from ...asgi import Connection, ContentSource, Notice, StreamKeywords, StreamOptions
from ...asgi.content.source import content_factory
from ...asgi.options import Encode
from ...asgi.serving import check_scope, serve, shared_receive
from ...headers import end_to_end
from ...wire import JSONServerSentEvent, ServerSentEvent
from .events import EventTypes

__all__ = [
    "EventSource",
    "EventSourceResponse",
]

DEFAULTS = StreamOptions(serializer=to_json)


class EventSourceResponse(Response):
    """Streams ``content`` as :class:`sse_asgi.EventStream` does; Pydantic models are JSON data.

    :param content: asynchronous or synchronous iterable, or a generator function
    :param background: runs after the stream, also when the client has left
    :param source: the request that is answered, if a dependency knows it
    :param events: the types of the events
    :param options: see :class:`sse_asgi.StreamOptions`
    :raises TypeError: ``content`` is not content, or an option is of the wrong type
    :raises ValueError: an option has an impossible value
    """

    media_type: str | None = "text/event-stream"

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
        self._make = content_factory(content)
        self._source = source
        self._options = DEFAULTS
        if options or status_code != 200:
            options = {"serializer": to_json, "status": status_code, **options}
            self._options = StreamOptions(**options)
        self._encode: Encode = partial(_encode, self._options.encode, events)
        self.status_code = self._options.status
        self.background = background
        self.raw_headers = list(self._options.head)

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
        self.connection = Connection(request.scope, Notice())
        """The request as this library sees it."""
        self.disconnected = Notice()
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
        """The notice that the stream is to end, because the server stops."""
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
        """Pass on what the server says of the client."""
        message = await receive()
        if message["type"] in ("http.disconnect", "websocket.disconnect"):
            self.disconnected.give()
        return message


def _encode(encode: Encode, events: EventTypes | None, item: object) -> bytes:
    if isinstance(item, native.ServerSentEvent):
        item = _from_native(item)
    return encode(item if events is None else events.named(item))


def _from_native(item: native.ServerSentEvent) -> ServerSentEvent:
    """Take the events of FastAPI's own streams as they are meant: data is JSON, raw data is not."""
    fields: Any = {name: getattr(item, name) for name in ("event", "id", "retry", "comment")}
    if item.data is not None:
        return JSONServerSentEvent(item.data, **fields)
    return ServerSentEvent(item.raw_data, **fields)
