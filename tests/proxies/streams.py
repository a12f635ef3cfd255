"""What a client sees of a stream through a proxy, and what the application hears of the client."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from itertools import count
from zlib import decompressobj

from sse_asgi import EventDecoder
from tests.servers.apps import END
from tests.servers.harness import Server
from tests.servers.http1 import Http1Connection
from tests.servers.http2 import Http2Connection
from tests.servers.response import TIMEOUT, Response, WireError

from .proxy import Flow

__all__ = ["HELD_BACK", "flow_of", "opened", "read_coded", "seconds_until_noticed", "stays_open"]

HELD_BACK = 0.7
"""Seconds without an event that tell that the proxy holds it back; live ones take milliseconds."""

_LATE = 0.15
"""Seconds that a late event takes at least: the kernel holds it for 0.2 s."""

_numbers = count()


@contextmanager
def opened(
    server: Server,
    port: int,
    path: str,
    *,
    key: str = "",
    http2: bool = False,
    **headers: str,
) -> Iterator[tuple[Response, str]]:
    """Request a stream through ``port``; yield the response, and the key that tells it events."""
    key = key or f"{path}-{port}-{next(_numbers)}"
    protocol = Http2Connection if http2 else Http1Connection
    headers = {"accept": "text/event-stream", **headers}
    with protocol(port) as client:
        fields = [(name.replace("_", "-"), value) for name, value in headers.items()]
        response = client.request("GET", f"{path}?key={key}", headers=fields)
        try:
            yield response, key
        finally:
            server.ask("/control/tell", key=key, text=END)


def flow_of(
    server: Server, port: int, path: str, timeout: float = TIMEOUT, *, http2: bool = False
) -> Flow:
    """Say how events pass: each of four is read before the next one is sent, or they are held."""
    delays = []
    with opened(server, port, path, http2=http2) as (response, key):
        for number in range(4):
            server.ask("/control/tell", key=key, text=f"event {number}")
            sent = time.monotonic()
            try:
                event = response.read_event(timeout)
            except TimeoutError:
                return Flow.HELD
            assert event is not None
            assert event.data == f"event {number}"
            delays.append(time.monotonic() - sent)
    # A busy machine makes some events late, and a proxy that makes them late does so with most.
    return Flow.LATE if sorted(delays)[1] > _LATE else Flow.LIVE


def read_coded(server: Server, port: int, path: str, timeout: float = TIMEOUT) -> str | None:
    """Return the coding in which a client that takes gzip gets an event; None: it is held."""
    with opened(server, port, path, accept_encoding="gzip") as (response, key):
        server.ask("/control/tell", key=key, text="event")
        inflater, decoder = decompressobj(31), EventDecoder()
        while True:
            try:
                piece = response.read_piece(timeout)
            except TimeoutError:
                return None
            assert piece, "the stream has ended"
            coding = response.header("content-encoding") or "identity"
            events = decoder.feed(inflater.decompress(piece) if coding == "gzip" else piece)
            if events:
                assert events[0].data == "event"
                return coding


def seconds_until_noticed(server: Server, port: int, path: str, timeout: float) -> float:
    """Return how long after the client has left the content is closed; infinity: not in time."""
    key = f"{path}-{port}-{next(_numbers)}"
    with Http1Connection(port) as client:
        client.request("GET", f"{path}?key={key}", headers=[("accept", "text/event-stream")])
        while server.ask("/control/requests", key=key) == "[]":
            pass
    left = time.monotonic()
    with server.connect() as asking:
        try:
            asking.request("GET", f"/control/closed?key={key}").wait_head(timeout)
        except TimeoutError:
            return math.inf
    return time.monotonic() - left


def stays_open(response: Response, seconds: float) -> bool:
    """Say whether the response is still open after so many seconds of waiting."""
    deadline = time.monotonic() + seconds
    # h2o ends a stream that it cuts with bytes that are no chunk.
    with suppress(TimeoutError, WireError):
        while (left := deadline - time.monotonic()) > 0 and response.read_piece(left):
            pass
    return time.monotonic() >= deadline
