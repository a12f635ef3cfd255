"""EventStream: an ASGI application made of content."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, Unpack

from .connection import Connection
from .content.source import Content, ContentSource, content_factory
from .loop import LoopState
from .options import StreamKeywords, StreamOptions, check_names
from .serving import check_scope, serve
from .types import Receive, Send

__all__ = ["EventStream"]

_DEFAULTS: Final = StreamOptions()


class EventStream:
    """Streams ``content`` as server-sent events: an ASGI application.

    Serve it as it is, mount it, or return it to a framework that awaits ASGI callables. To serve
    many connections give a function that makes content; it is called with the :class:`Connection`
    if it takes an argument. An iterator serves one connection.

    Each item of the content is sent at once: a ``str`` is an event's data, a ``dict`` holds the
    fields of a :class:`ServerSentEvent`, ``bytes`` are a complete block, and any other item is JSON
    data. A synchronous iterable runs in a thread. An event loop has 256 of them, and a client for
    which none is free gets a 503 with ``Retry-After``.

    In FastAPI, return :class:`sse_asgi.adapters.fastapi.EventSourceResponse` instead.

    :param content: asynchronous or synchronous iterable, anyio receive stream, or a function (any
        callable object but a class) that returns one of these: a generator function, for example,
        or a coroutine function
    :param options: see :class:`StreamOptions`
    :raises TypeError: ``content`` is not content, or an option is of the wrong type
    :raises ValueError: an option has an impossible value
    """

    # FastAPI makes JSON of the attributes of an object that has a __dict__. Without one it fails.
    __slots__ = ("__weakref__", "_loop", "_make", "options")

    def __init__(self, content: ContentSource, **options: Unpack[StreamKeywords]) -> None:
        self._make: Callable[[Connection], Content] = content_factory(content)
        check_names("EventStream", options)
        self.options: StreamOptions = StreamOptions(**options) if options else _DEFAULTS
        self._loop: LoopState | None = None

    # Every framework has its own types for these three, which exclude those of the others.
    async def __call__(self, scope: Any, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            check_scope(scope)
        self._loop = loop = LoopState.current(self._loop)
        connection = Connection(scope)
        await serve(self._make, self.options, connection, receive, send, self, loop=loop)
