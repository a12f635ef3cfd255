"""Watching a stream as a browser would, and trying a second connection to it."""

from __future__ import annotations

import math
import ssl
import time
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any, Final, TypeVar

from ..asgi import DONE_ID
from ..headers import is_event_stream
from ..wire import EventDecoder, MessageEvent
from ..wire.names import GAP, POSITION
from .address import redirected, split_url
from .exchange import Exchange, negotiate
from .observation import Arrival, Ending, Observation, Resumption

__all__ = ["Examiner"]

_REDIRECTS: Final = (301, 302, 303, 307, 308)
_MAX_REDIRECTS: Final = 5

_CODINGS: Final = "gzip, deflate, br, zstd"
"""The codings that Chromium and Firefox accept."""

_READABLE: Final = ("", "identity", "gzip", "x-gzip", "deflate")
"""The codings that the standard library decodes."""

_BLOCK_ENDS: Final = (b"\n\n", b"\r\r", b"\r\n\r\n")

_PATIENCE: Final = 5.0
"""Seconds for each answer of a second connection."""

_SETTLED: Final = 10
"""A count that comes so often in a row is taken to stay; the demo sends ten a second."""

# The event and the field in which this library's demo tells how many streams it has.
_DEMO_EVENT: Final = "signal"
_DEMO_COUNT: Final = "n"

T = TypeVar("T")


@dataclass(frozen=True)
class Examiner:
    """Examines the stream at one address.

    :param url: its address
    :param headers: further request headers, such as ``Authorization``
    :param seconds: how long to watch it
    :param context: how to check the server's certificate
    """

    url: str
    headers: tuple[tuple[str, str], ...]
    seconds: float
    context: ssl.SSLContext

    def examine(self) -> Observation:
        """Watch the stream, then try to resume it and, if it is the demo's, to leave it.

        :raises OSError: there is no connection
        :raises ValueError: the server's answer is not HTTP, or not as its headers say
        """
        seen = self._watch()
        url = seen.url
        if split_url(url).scheme == "https":
            protocol = _tried(lambda: negotiate(url, self.context, _PATIENCE), "")
            seen = replace(seen, negotiated=protocol)
        if seen.status != 200:
            return seen
        if seen.ids and seen.ids[-1] == DONE_ID:
            seen = replace(seen, stops=_tried(lambda: self._stops(url), None))
        if len(seen.ids) > 1:
            asked, expected = seen.ids[:2]
            nothing = Resumption(asked, expected, None)
            resumption = _tried(lambda: self._resume(url, asked, expected), nothing)
            seen = replace(seen, resumption=resumption)
        if any(_count_of(event) is not None for event in seen.events):
            seen = replace(seen, noticed=_tried(lambda: self._leave(url), None))
        return seen

    def _open(self, url: str, **more: str) -> Exchange:
        given = {name.lower() for name, _ in self.headers}
        fields = {"Accept": "text/event-stream", "Cache-Control": "no-cache"}
        fields |= {name.replace("_", "-"): value for name, value in more.items()}
        defaults = [pair for pair in fields.items() if pair[0].lower() not in given]
        return Exchange(url, [*defaults, *self.headers], self.context)

    def _watch(self) -> Observation:
        url, coding = self.url, ""
        accepted = _CODINGS
        for _ in range(_MAX_REDIRECTS + 2):
            with self._open(url, Accept_Encoding=accepted) as exchange:
                head = exchange.head(self.seconds)
                if head is None:
                    return Observation(url=url, seconds=self.seconds, status=0)
                headers = {name.lower(): value for name, value in head.getheaders()}
                if head.status in _REDIRECTS and "location" in headers:
                    url = redirected(url, headers["location"])
                    continue
                coding = coding or headers.get("content-encoding", "").lower()
                if headers.get("content-encoding", "").lower() not in _READABLE:
                    accepted = "gzip, deflate"
                    continue
                seen = Observation(
                    url=url,
                    seconds=self.seconds,
                    status=head.status,
                    headers=headers,
                    version=f"{head.version // 10}.{head.version % 10}",
                    head_at=time.monotonic() - exchange.began,
                    coding="" if coding == "identity" else coding,
                )
                kind = headers.get("content-type", "")
                is_stream = head.status == 200 and is_event_stream(kind)
                return self._read(exchange, seen) if is_stream else seen
        raise ValueError(f"there are more than {_MAX_REDIRECTS} redirects, or no coding fits")

    def _read(self, exchange: Exchange, seen: Observation) -> Observation:
        comments: list[str] = []
        decoder = EventDecoder(on_comment=comments.append)
        arrivals: list[Arrival] = []
        ending = Ending.OPEN
        body = _Body(exchange, seen.headers.get("content-encoding", "identity"))
        for piece in body.pieces(exchange.began + self.seconds):
            if not piece:
                ending = Ending.CUT if exchange.is_cut else Ending.CLEAN
                break
            comments.clear()
            events = tuple(decoder.feed(piece))
            at = time.monotonic() - exchange.began
            arrivals.append(Arrival(at, events, len(comments), piece.endswith(_BLOCK_ENDS)))
        seconds = min(time.monotonic() - exchange.began, self.seconds)
        return replace(
            seen,
            arrivals=tuple(arrivals),
            ending=ending,
            retry=decoder.retry,
            has_members=body.has_members,
            seconds=seconds,
        )

    def _stops(self, url: str) -> bool:
        with self._open(url, Last_Event_ID=DONE_ID) as exchange:
            head = exchange.head(_PATIENCE)
            return head is not None and head.status == 204

    def _resume(self, url: str, asked: str, expected: str) -> Resumption:
        with self._open(url, Last_Event_ID=asked) as exchange:
            has_gap = False
            for event in self._events(exchange):
                has_gap = has_gap or event.event == GAP
                if event.id and event.event not in (POSITION, GAP, "ping"):
                    return Resumption(asked, expected, event.id, has_gap)
        return Resumption(asked, expected, None, has_gap)

    def _leave(self, url: str) -> float | None:
        """Return the seconds that the demo takes to notice that a second client has left."""
        with self._open(url) as staying:
            found = (_count_of(event) for event in self._events(staying, 3 * _PATIENCE))
            counts = (count for count in found if count is not None)
            # The connections before this one may still be counted.
            before = _settled(counts)
            with self._open(url) as leaving:
                if before is None or next(self._events(leaving), None) is None:
                    return None
                if not any(count > before for count in counts):
                    return None
            left = time.monotonic()
            if any(count <= before for count in counts):
                return time.monotonic() - left
        return math.inf

    def _events(self, exchange: Exchange, seconds: float = _PATIENCE) -> Iterator[MessageEvent]:
        until = time.monotonic() + seconds
        head = exchange.head(seconds)
        if head is None or head.status != 200:
            return
        decoder = EventDecoder()
        for piece in exchange.pieces(until):
            yield from decoder.feed(piece)


class _Body:
    """The body of a response without its content coding."""

    def __init__(self, exchange: Exchange, coding: str) -> None:
        self._exchange = exchange
        # The first bytes say whether it is gzip or zlib.
        self._inflate = None if coding.lower() == "identity" else zlib.decompressobj(wbits=47)
        self.has_members = False

    def pieces(self, until: float) -> Iterator[bytes]:
        """Yield pieces as they arrive, and ``b""`` at the end.

        :raises ValueError: the body is not compressed as its headers say
        """
        for piece in self._exchange.pieces(until):
            data = piece if self._inflate is None else self._decode(self._inflate, piece)
            if data or not piece:
                yield data

    def _decode(self, inflate: Any, piece: bytes) -> bytes:
        # Browsers read nothing after the first member either.
        self.has_members = self.has_members or (inflate.eof and bool(piece))
        try:
            data = b"" if inflate.eof else inflate.decompress(piece)
        except zlib.error as exc:
            raise ValueError(f"the body is not compressed as its headers say: {exc}") from exc
        self.has_members = self.has_members or bool(inflate.unused_data)
        return bytes(data)


def _tried(look: Callable[[], T], failed: T) -> T:
    """Return the result of a second connection, or ``failed`` if the server did not answer it."""
    try:
        return look()
    except (OSError, ValueError):
        return failed


def _count_of(event: MessageEvent) -> int | None:
    """Return how many streams the demo says that it has."""
    if event.event != _DEMO_EVENT:
        return None
    try:
        data = event.json()
    except (ValueError, RecursionError):  # the latter for JSON that is nested too deep
        return None
    count = data.get(_DEMO_COUNT) if isinstance(data, dict) else None
    return count if type(count) is int else None


def _settled(counts: Iterator[int]) -> int | None:
    """Return the first count that comes often in a row, or None."""
    last, times = None, 0
    for count in counts:
        last, times = count, times + 1 if count == last else 1
        if times == _SETTLED:
            return last
    return None
