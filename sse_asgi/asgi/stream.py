"""EventStream: content in, ASGI callable out."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Unpack

from .connection import Connection, Notice
from .content.source import Content, ContentSource, content_factory
from .loop import LoopState
from .options import StreamKeywords, StreamOptions
from .serving import check_scope, serve
from .types import Receive, Send

__all__ = [
    "EventStream",
]

DEFAULTS = StreamOptions()


class EventStream:
    """Streams ``content`` as server-sent events to whoever calls it: an ASGI application.

    Serve it as it is, mount it, or return it from whatever awaits ASGI callables. Give a generator
    function, called with the :class:`Connection` if it takes an argument, to serve many
    connections; an iterator serves one.

    The items of the content are sent as they come: a ``str`` is an event's data; a ``dict`` holds
    the fields of a :class:`ServerSentEvent`; ``bytes`` are a complete block, sent as it is;
    anything else is JSON data. Synchronous iterables run in a thread.

    :param content: asynchronous or synchronous iterable, generator function, or anyio receive
        stream
    :param options: see :class:`StreamOptions`
    :raises TypeError: ``content`` is not content, or an option is of the wrong type
    :raises ValueError: an option has an impossible value
    """

    def __init__(self, content: ContentSource, **options: Unpack[StreamKeywords]) -> None:
        self._make: Callable[[Connection], Content] = content_factory(content)
        self.options = StreamOptions(**options) if options else DEFAULTS
        self._loop: LoopState | None = None

    # Every framework has its own types for these three, which exclude those of the others.
    async def __call__(self, scope: Any, receive: Receive, send: Send) -> None:
        check_scope(scope)
        self._loop = loop = LoopState.current(self._loop)
        connection = Connection(scope, Notice())
        await serve(self._make, self.options, connection, receive, send, self, loop=loop)
