"""A bound on the bytes that a server keeps for a client that does not read.

On most servers ``send`` waits until the client has taken the bytes before. On these it does not,
and the server keeps all that it is given:

===========================  =====================================  ==============================
server                       the bytes that wait are in             knows that its client has left
===========================  =====================================  ==============================
hypercorn, HTTP/2            the buffer of the stream               tells the application
hypercorn, anycorn, HTTP/3   the sender of the QUIC stream          does not tell the application
uvicorn, HTTP/2              the stream of zttp                     tells the application
daphne                       the transport of Twisted               tells the application
gunicorn, HTTP/1.1           the transport of asyncio, where its    tells the application
                             ``writelines`` does not pause the
                             server (CPython 3.12.1, 3.13.0)
===========================  =====================================  ==============================

There the bytes that wait are counted in the server's own object, which is only read, and ``send``
waits until they are few enough. Then ``send_timeout`` ends the stream, as on the other servers.
Where an object or one of its attributes is missing, ``send`` stays as it is.
"""

from __future__ import annotations

from collections.abc import Callable
from sys import modules
from typing import Any, Final

from anyio import sleep

from ..types import Message, Send
from .transport import behind, is_of

__all__ = ["MOST_UNSENT", "BoundedSend", "Peer", "bounded"]

MOST_UNSENT: Final = 1_048_576
"""Bytes that may wait for one client when a message is added; two seconds of 4 Mbit/s."""

_LOOK_AGAIN: Final = 0.02
"""Seconds between two looks at the bytes that wait."""


class Peer:
    """One client, as its server's own object knows it.

    :param unsent: counts the bytes that the client has not taken yet
    :param has_left: tells whether the client has left, where the server does not tell it
    """

    __slots__ = ("_has_left", "_unsent")

    def __init__(
        self, unsent: Callable[[], int], has_left: Callable[[], bool] | None = None
    ) -> None:
        self._unsent = unsent
        self._has_left = has_left

    @property
    def unsent(self) -> int:
        """The bytes that the client has not taken yet; 0 where they cannot be known."""
        try:
            return self._unsent()
        except Exception:  # these are the insides of others, and no reason to fail a stream
            return 0

    @property
    def has_left(self) -> bool:
        """Whether the client is known to have left."""
        try:
            return self._has_left is not None and self._has_left()
        except Exception:  # as above
            return False


class BoundedSend:
    """A ``send`` that waits while too many bytes wait for the client.

    :param send: the server's ``send``
    :param peer: the client
    """

    __slots__ = ("_free", "_peer", "_send")

    def __init__(self, send: Send, peer: Peer) -> None:
        self._send = send
        self._peer = peer
        self._free = MOST_UNSENT

    async def __call__(self, message: Message) -> None:
        """Send ``message``, and wait until the client has taken enough.

        :raises BrokenPipeError: the client has left (ASGI HTTP 2.4, "Disconnected Client")
        """
        if self._peer.has_left:
            raise BrokenPipeError("the client has left")
        await self._send(message)
        self._free -= len(message.get("body", b""))
        if self._free < 0:
            await self._settle()

    async def _settle(self) -> None:
        peer = self._peer
        while (unsent := peer.unsent) > MOST_UNSENT and not peer.has_left:  # noqa: ASYNC110
            await sleep(_LOOK_AGAIN)  # no server tells when they have become fewer
        self._free = MOST_UNSENT - unsent


def bounded(send: Send, scope: Any) -> Send:
    """Return ``send``, with a bound if the server has none.

    :param scope: the request's
    """
    # The usual request has nothing to search for. daphne names no version of the specification.
    if (
        scope.get("http_version") not in ("2", "3")
        and ("daphne.http_protocol" not in modules or "spec_version" in scope["asgi"])
        and "gunicorn.asgi.protocol" not in modules
    ):
        return send
    try:
        peer = _peer(send)
    except Exception:  # as above
        peer = None
    return send if peer is None else BoundedSend(send, peer)


def _peer(send: Send) -> Peer | None:
    for candidate in behind(send):
        if is_of(candidate, ("hypercorn.", "anycorn."), "HTTPStream"):
            return _hypercorn(candidate)
        if is_of(candidate, "uvicorn.protocols.", "RequestResponseCycle"):
            return _uvicorn(candidate)
        if is_of(candidate, "daphne.", "WebRequest"):
            return _daphne(candidate)
        if is_of(candidate, "gunicorn.asgi.", "ASGIProtocol"):
            return _gunicorn(candidate)
    return None


def _hypercorn(stream: Any) -> Peer | None:
    protocol: Any = getattr(stream.send, "__self__", None)
    number = stream.stream_id
    if is_of(protocol, ("hypercorn.", "anycorn."), "H3Protocol"):
        return _quic(protocol.connection._quic, number)
    if is_of(protocol, "hypercorn.", "H2Protocol"):
        buffers = protocol.stream_buffers
        return Peer(lambda: len(buffers[number].buffer))
    return None


def _quic(quic: Any, number: int) -> Peer:
    """Know the connection of aioquic. A stream that both sides have ended is no longer in it."""
    streams = quic._streams

    def has_left() -> bool:
        stream = streams.get(number)
        return (
            quic._close_event is not None
            or stream is None
            or stream.sender._reset_error_code is not None
        )

    return Peer(lambda: len(streams[number].sender._buffer), has_left)


def _uvicorn(cycle: Any) -> Peer | None:
    stream = getattr(cycle, "stream", None)
    return None if stream is None else Peer(lambda: stream.pending_bytes or 0)


def _daphne(request: Any) -> Peer:
    transport = request.channel.transport

    def unsent() -> int:
        size: int = len(transport.dataBuffer) - transport.offset + transport._tempDataLen
        return size

    return Peer(unsent)


def _gunicorn(protocol: Any) -> Peer | None:
    """Know gunicorn's protocol, which fills its transport by ``writelines``."""
    transport = protocol.transport
    writelines = type(transport).writelines
    if getattr(writelines, "__module__", None) != "asyncio.selector_events":
        return None
    if "_maybe_pause_protocol" in writelines.__code__.co_names:
        return None
    return Peer(transport.get_write_buffer_size)
