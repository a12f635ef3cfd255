"""The options of an event stream, validated once."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, field
from math import isfinite
from types import MappingProxyType
from typing import Any, TypeAlias, TypedDict

from ..wire import Compression, Encoder, ServerSentEvent, check_compression, encode_comment
from ..wire.event import MAX_RETRY
from .outcome import StreamSummary
from .session.writer import Headers

__all__ = ["HeaderFields", "StreamKeywords", "StreamOptions", "end_to_end"]

HeaderFields: TypeAlias = Mapping[str, str] | Iterable[tuple[str, str]]
OnClose: TypeAlias = Callable[[StreamSummary], Awaitable[None] | None]
OnError: TypeAlias = Callable[[Exception], Any]
Encode: TypeAlias = Callable[[object], bytes]
Serializer: TypeAlias = Callable[[Any], str | bytes]
PingMessage: TypeAlias = Callable[[], object]

DEFAULT_HEADERS = (
    # Exactly this: Chromium gives up on a charset other than UTF-8, and UTF-8 is the only one
    # anyway.
    (b"content-type", b"text/event-stream"),
    # no-transform keeps compressing proxies from holding events back.
    (b"cache-control", b"no-store, no-transform"),
    # nginx buffers a response without it.
    (b"x-accel-buffering", b"no"),
)

HOP_BY_HOP = MappingProxyType(
    {
        "connection": "HTTP/3 clients close the whole connection for it (RFC 9114, 4.2)",
        "keep-alive": "HTTP/2 and HTTP/3 have none (RFC 9113, 8.2.2)",
        "proxy-connection": "HTTP/2 and HTTP/3 have none (RFC 9113, 8.2.2)",
        "upgrade": "HTTP/2 and HTTP/3 have none (RFC 9113, 8.2.2)",
        "transfer-encoding": "the server frames the body",
        "content-length": "a stream has no length",
    }
)

OF_ONE_HOP = frozenset(name.encode() for name in HOP_BY_HOP)

TOKEN = r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+"
FIELD_VALUE = r"[^\x00-\x08\x0a-\x1f\x7f]*"


class StreamKeywords(TypedDict, total=False):
    """The options of an event stream as keyword arguments: see :class:`StreamOptions`."""

    status: int
    headers: HeaderFields | None
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
    separator: str
    serializer: Serializer | None
    compression: Compression | None
    on_close: OnClose | None
    on_error: OnError | None


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamOptions:
    """How a stream is sent.

    Times are in seconds, unless said otherwise.

    :param status: the response's status, 200 to 599; a browser's ``EventSource`` takes 200 only
    :param headers: further response headers, or other values for those that are sent anyway
    :param ping: send a comment after this much silence; None: never
    :param ping_always: send it at this interval whether there was silence or not
    :param ping_message: makes the item that is sent instead of a comment
    :param send_timeout: end the stream when the client does not take a message for so long; None:
        wait for ever
    :param start_timeout: how long the response's head may wait for the first event. Until it is
        sent, an exception in the content is a real 500, and :exc:`~sse_asgi.Refusal` any status
    :param shutdown_grace: how long content that watches ``connection.shutdown`` may go on when the
        server stops
    :param cleanup_timeout: how long the ``finally`` blocks of cancelled content may take
    :param max_lifetime: end the stream after 80 to 100 % of it, by chance, so that clients come
        back spread out; None: no limit
    :param retry: the reconnection time to begin with, in milliseconds; None: the browser's own
    :param farewell_retry: the range, in milliseconds, from which the last block of a stream that
        the server ends draws the client's reconnection time; None: none is sent
    :param separator: what ends a line: ``"\\n"``, ``"\\r\\n"`` or ``"\\r"``
    :param serializer: makes JSON of data that is not a string; the standard library's by default
    :param compression: ``"auto"`` compresses each event for clients that ask for it, with gzip,
        Zstandard or Brotli; ``"pages"`` does so for HTML of more than 16 KiB that is sent again and
        again, and takes more memory; None: nothing is compressed. Not for a stream that carries
        both a secret and text that somebody else chooses, unless the event with the secret is made
        with ``isolate=True``. A ``Content-Encoding`` in ``headers`` turns it off
    :param on_close: called once with a :class:`StreamSummary` when the stream has ended
    :param on_error: called with the exception that ended the content after its first event; may
        return a last item to send
    :raises TypeError: an option is of the wrong type
    :raises ValueError: an option has an impossible value
    """

    status: int = 200
    headers: HeaderFields | None = None
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
    separator: str = "\n"
    serializer: Serializer | None = None
    compression: Compression | None = None
    on_close: OnClose | None = None
    on_error: OnError | None = None

    head: Headers = field(init=False, repr=False, compare=False)
    encode: Encode = field(init=False, repr=False, compare=False)
    first: bytes = field(init=False, repr=False, compare=False)
    """What goes before everything else: the reconnection time."""
    comment: bytes = field(init=False, repr=False, compare=False)
    """The keep-alive."""

    def __post_init__(self) -> None:
        _check_status(self.status)
        for name in ("ping", "send_timeout", "max_lifetime"):
            _check_seconds(name, getattr(self, name), optional=True)
        for name in ("start_timeout", "shutdown_grace", "cleanup_timeout"):
            _check_seconds(name, getattr(self, name), optional=False)
        _check_range("farewell_retry", self.farewell_retry)
        if type(self.ping_always) is not bool:
            raise TypeError(f"ping_always must be a bool, not {self.ping_always!r}")
        for name in ("ping_message", "on_close", "on_error"):
            if not (getattr(self, name) is None or callable(getattr(self, name))):
                raise TypeError(f"{name} must be callable, not {getattr(self, name)!r}")
        check_compression(self.compression)
        if self.retry == 0:
            raise ValueError("retry must not be 0: browsers come back hundreds of times a second")
        encode = Encoder(separator=self.separator, serializer=self.serializer).encode
        first = b"" if self.retry is None else encode(ServerSentEvent(retry=self.retry))
        object.__setattr__(self, "encode", encode)
        object.__setattr__(self, "first", first)
        object.__setattr__(self, "comment", encode_comment("ping", self.separator))
        object.__setattr__(self, "head", _head(self.headers))

    def derived(self, **fields: Any) -> StreamOptions:
        """Return these options but for ``fields``, which an adapter has checked already.

        Making options anew, with all checks, would cost a framework's response more than the rest.
        """
        options: StreamOptions = object.__new__(StreamOptions)
        for name in StreamOptions.__slots__:
            object.__setattr__(options, name, getattr(self, name))
        for name, value in fields.items():
            object.__setattr__(options, name, value)
        return options


def end_to_end(headers: Headers) -> Headers:
    """Return the headers without those that the server alone may set (see :data:`HOP_BY_HOP`)."""
    return [pair for pair in headers if pair[0] not in OF_ONE_HOP]


def _check_status(status: object) -> None:
    if type(status) is not int:
        raise TypeError(f"status must be an int, not {status!r}")
    if not 200 <= status <= 599:
        raise ValueError(f"status must be from 200 to 599, not {status}")
    if status in (204, 304):
        raise ValueError(
            f"status must be one with a body (RFC 9110, 6.4.1), not {status}; raise Refusal for it"
        )


def _check_seconds(name: str, value: object, *, optional: bool) -> None:
    if value is None and optional:
        return
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise TypeError(f"{name} must be a number of seconds, not {value!r}")
    if not isfinite(value) or value < 0 or (optional and value == 0):
        rule = "above 0, or None for never" if optional else "0 or above"
        raise ValueError(f"{name} must be {rule}, not {value!r}")


def _check_range(name: str, value: object) -> None:
    if value is None:
        return
    if not isinstance(value, tuple) or len(value) != 2 or {type(end) for end in value} != {int}:
        raise TypeError(f"{name} must be two ints (milliseconds) or None, not {value!r}")
    low, high = value
    if not 0 <= low <= high <= MAX_RETRY:
        raise ValueError(
            f"{name} must be two rising numbers of milliseconds, up to {MAX_RETRY}, not {value!r}"
        )


def _head(headers: HeaderFields | None) -> Headers:
    given: Headers = []
    if headers is None:
        headers = ()
    if not isinstance(headers, Iterable):
        raise TypeError(f"headers must be a mapping or pairs of str, not {headers!r}")
    for pair in headers.items() if isinstance(headers, Mapping) else headers:
        if not (
            isinstance(pair, tuple) and len(pair) == 2 and all(isinstance(x, str) for x in pair)
        ):
            raise TypeError(f"headers must be pairs of str, not {pair!r}")
        name, value = pair
        if not re.fullmatch(TOKEN, name):
            raise ValueError(f"headers: {name!r} is not a field name (RFC 9110, 5.1)")
        if name.lower() in HOP_BY_HOP:
            raise ValueError(f"headers: {name!r} must not be set: {HOP_BY_HOP[name.lower()]}")
        if not re.fullmatch(FIELD_VALUE, value) or value != value.strip(" \t"):
            raise ValueError(
                f"headers: the value {value!r} of {name!r} holds control characters or outer space"
            )
        try:
            given.append((name.lower().encode(), value.encode("latin-1")))
        except UnicodeEncodeError as exc:
            raise ValueError(f"headers: the value {value!r} of {name!r} is not Latin-1") from exc
    names = {name for name, _ in given}
    return [pair for pair in DEFAULT_HEADERS if pair[0] not in names] + given
