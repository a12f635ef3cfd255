"""The options of an event stream, validated once."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, field
from operator import attrgetter
from typing import Any, Final, Self, TypeAlias, TypedDict

from .. import checks
from ..headers import BODILESS, HeaderFields, Headers, checked_headers
from ..wire import Compression, Encoder, ServerSentEvent, check_compression, encode_comment
from .access import Expiry, Key, Revalidate, check_expiry_option, check_key_option
from .connection import Connection
from .outcome import StreamSummary

__all__ = [
    "DEFAULT_HEADERS",
    "INCREMENTAL",
    "Encode",
    "StreamKeywords",
    "StreamOptions",
    "check_names",
]

OnOpen: TypeAlias = Callable[[Connection], Awaitable[None] | None]
OnClose: TypeAlias = Callable[[StreamSummary], Awaitable[None] | None]
OnError: TypeAlias = Callable[[Exception], Any]
Encode: TypeAlias = Callable[[object], bytes]
Serializer: TypeAlias = Callable[[Any], str | bytes]
PingMessage: TypeAlias = Callable[[], object]

INCREMENTAL: Final = (b"incremental", b"?1")
"""Asks each intermediary to send the bytes on as they come (RFC 10036)."""

DEFAULT_HEADERS: Final = (
    # Without a charset: Chromium refuses any other than UTF-8, and a stream is always UTF-8.
    (b"content-type", b"text/event-stream"),
    # no-transform keeps compressing proxies from holding events back.
    (b"cache-control", b"no-store, no-transform"),
    # nginx buffers a response without it.
    (b"x-accel-buffering", b"no"),
    INCREMENTAL,
)

MAX_WINDOW: Final = 10.0
"""Seconds. A longer window is a mistake: a number of milliseconds, for example."""


class StreamKeywords(TypedDict, total=False):
    """The options of an event stream as keyword arguments: see :class:`StreamOptions`."""

    status: int
    headers: HeaderFields | None
    incremental: bool
    ping: float | None
    ping_always: bool
    ping_message: PingMessage | None
    send_timeout: float | None
    start_timeout: float
    shutdown_grace: float
    cleanup_timeout: float
    max_lifetime: float | None
    retry: int | None
    farewell_retry: tuple[int, int] | None
    window: float | None
    key: Key
    expires_at: Expiry
    revalidate: Revalidate | None
    revalidate_interval: float
    separator: str
    serializer: Serializer | None
    compression: Compression | None
    on_open: OnOpen | None
    on_close: OnClose | None
    on_error: OnError | None


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamOptions:
    """How a stream is sent.

    Times are in seconds, unless said otherwise.

    :param status: the response's status, 200 to 599; a browser's ``EventSource`` takes 200 only
    :param headers: further response headers, or other values for the default headers
    :param incremental: send the header ``Incremental: ?1`` (RFC 10036), which asks proxies to
        pass each event on at once; False: leave it out
    :param ping: send a comment after this much silence, or up to 1/8 sooner where those of other
        streams are due; None: never
    :param ping_always: send the comment at this interval even if there was no silence
    :param ping_message: returns an item to send instead of the comment
    :param send_timeout: end the stream when the client does not take a message for so long; None:
        wait forever
    :param start_timeout: how long the response's head may wait for the first event. Until the head
        is sent, an exception in the content is a real 500, and :exc:`~sse_asgi.Refusal` any status
    :param shutdown_grace: how long content that watches ``connection.shutdown`` may go on when the
        server stops
    :param cleanup_timeout: how long the ``finally`` blocks of cancelled content may take
    :param max_lifetime: end the stream after 80 to 100 % of this time, drawn at random so that
        clients reconnect spread out; None: no limit
    :param retry: the reconnection time that the stream begins with, in milliseconds; None: the
        browser keeps its own
    :param farewell_retry: the range, in milliseconds, from which the last block of a stream that
        the server ends draws the client's reconnection time; None: the block has no such time
    :param window: the events that come within this time after a message of events go out as one
        message, in order; None or 0: each goes out at once. The first event after a silence is
        sent at once, and so are 64 KiB of events, an isolated event, and all that waits when the
        content ends. A hub's events wait in its log, which must have room for those of a window
    :param key: a text by which :func:`sse_asgi.revoke` finds the stream, such as ``"user:7"``;
        several; or a function that gives them for a :class:`Connection`
    :param expires_at: the POSIX time in seconds when the stream ends, such as the ``exp`` of a
        token; or a function that gives it for a :class:`Connection`; None: never
    :param revalidate: asked with the :class:`Connection` before the stream begins, and again and
        again while it is open: True, or the stream ends. What it raises ends the stream, too. This
        function, and those of ``key`` and ``expires_at``, may be coroutine functions, and may raise
        :exc:`Refusal` before the stream begins. A client that may not have the stream gets a 401
    :param revalidate_interval: ask again after 80 to 100 % of this time, drawn at random; an answer
        that takes longer is a no
    :param separator: the line ending: ``"\\n"``, ``"\\r\\n"`` or ``"\\r"``
    :param serializer: makes JSON, as str or bytes, of data that is not a str;
        :func:`sse_asgi.wire.to_json` by default
    :param compression: ``"auto"`` compresses each event for clients that ask for it, with gzip,
        Zstandard or Brotli; ``"pages"`` is for HTML of more than 16 KiB that is sent again and
        again, and takes more memory; None: no compression. Do not compress a stream that carries
        both a secret and text that somebody else chooses, unless the event with the secret has
        ``isolate=True``. A ``Content-Encoding`` in ``headers`` turns compression off
    :param on_open: called once with the :class:`Connection` before the content is asked for
        anything. It may be a coroutine function, which has ``cleanup_timeout`` seconds while the
        content waits. Its exceptions are logged, and the stream goes on. ``on_close`` follows in
        any case, also for a stream that is refused
    :param on_close: called once with a :class:`StreamSummary` when the stream has ended. The rules
        of ``on_open`` hold
    :param on_error: called with the exception that ended the content after its first event; it may
        return a last item to send
    :raises TypeError: an option is of the wrong type
    :raises ValueError: an option has an impossible value
    """

    status: int = 200
    headers: HeaderFields | None = None
    incremental: bool = True
    ping: float | None = 15.0
    ping_always: bool = False
    ping_message: PingMessage | None = None
    send_timeout: float | None = 30.0
    start_timeout: float = 1.0
    shutdown_grace: float = 1.0
    cleanup_timeout: float = 5.0
    max_lifetime: float | None = None
    retry: int | None = None
    farewell_retry: tuple[int, int] | None = (1000, 5000)
    window: float | None = None
    key: Key = None
    expires_at: Expiry = None
    revalidate: Revalidate | None = None
    revalidate_interval: float = 60.0
    separator: str = "\n"
    serializer: Serializer | None = None
    compression: Compression | None = None
    on_open: OnOpen | None = None
    on_close: OnClose | None = None
    on_error: OnError | None = None

    head: Headers = field(init=False, repr=False, compare=False)
    encode: Encode = field(init=False, repr=False, compare=False)
    first: bytes = field(init=False, repr=False, compare=False)
    """The block that goes before all others: the reconnection time, or nothing."""
    comment: bytes = field(init=False, repr=False, compare=False)
    """The block that keeps the connection alive."""
    thread_ended: Callable[[], object] | None = field(init=False, repr=False, compare=False)
    """Called in the thread of synchronous content when that has ended and is closed. An adapter
    sets it by :meth:`derived`, to release what its framework has opened for the thread.
    """

    is_guarded: bool = field(init=False, repr=False, compare=False)
    """Whether the stream ends with its client's authorisation."""

    def __new__(cls, *args: Any, **options: Any) -> Self:
        """Refuse an unknown option by a message that names the known ones."""
        check_names(cls.__name__, options)
        return object.__new__(cls)

    def __post_init__(self) -> None:
        if checks.status(self.status) in BODILESS:
            rule = "one with a body (RFC 9110, 6.4.1): raise Refusal for another"
            raise ValueError(checks.refuse("status", rule, self.status))
        for name in ("ping", "send_timeout", "max_lifetime"):
            checks.optional_seconds(name, getattr(self, name))
        if self.window is not None:
            checks.seconds("window", self.window, most=MAX_WINDOW)
        for name in ("start_timeout", "shutdown_grace", "cleanup_timeout"):
            checks.seconds(name, getattr(self, name))
        checks.seconds("revalidate_interval", self.revalidate_interval, least=0.1)
        check_key_option(self.key)
        check_expiry_option(self.expires_at)
        checks.optional_milliseconds_range("farewell_retry", self.farewell_retry)
        for name in ("incremental", "ping_always"):
            checks.flag(name, getattr(self, name))
        for name in ("revalidate", "ping_message", "on_open", "on_close", "on_error"):
            checks.optional_function(name, getattr(self, name))
        check_compression(self.compression)
        if self.retry == 0:
            raise ValueError("retry must not be 0: browsers come back hundreds of times a second")
        encode = Encoder(separator=self.separator, serializer=self.serializer).encode
        first = b"" if self.retry is None else encode(ServerSentEvent(retry=self.retry))
        object.__setattr__(self, "encode", encode)
        object.__setattr__(self, "first", first)
        object.__setattr__(self, "comment", encode_comment("ping", self.separator))
        object.__setattr__(self, "head", _head(self.headers, self.incremental))
        object.__setattr__(self, "thread_ended", None)
        guarding = (self.key, self.expires_at, self.revalidate)
        object.__setattr__(self, "is_guarded", guarding != (None, None, None))

    def derived(self, **fields: Any) -> StreamOptions:
        """Return these options with other ``fields``, which an adapter has checked already.

        New options with all their checks would cost more than the rest of a framework's response.
        """
        options: StreamOptions = object.__new__(StreamOptions)
        for store, value in zip(_STORES, _values(self), strict=True):
            store(options, value)
        for name, value in fields.items():
            object.__setattr__(options, name, value)
        return options


# The function that stores each field's value, found once, and one that reads them all.
_STORES: Final = tuple(vars(StreamOptions)[name].__set__ for name in StreamOptions.__slots__)
_values: Final = attrgetter(*StreamOptions.__slots__)


def check_names(owner: str, options: Iterable[str], own: tuple[str, ...] = ()) -> None:
    """Refuse an option that nobody knows, by a message that names the known ones.

    :param owner: the name of the class that takes the options
    :param options: the names that the user gave
    :param own: the options that only this class has
    :raises TypeError: a name is unknown
    """
    known = (*own, *StreamKeywords.__annotations__)
    for name in options:
        if name not in known:
            raise TypeError(f"{owner} has no option {name!r}: its options are {', '.join(known)}")


def _head(fields: HeaderFields | None, incremental: bool) -> Headers:
    given = checked_headers(fields)
    names = {name for name, _ in given}
    default = DEFAULT_HEADERS if incremental else [x for x in DEFAULT_HEADERS if x != INCREMENTAL]
    return [pair for pair in default if pair[0] not in names] + given
