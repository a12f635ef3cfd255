"""Watching a stream, as a browser would, and asking what only a second connection can tell."""

from __future__ import annotations

import math
import ssl
import time
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import urljoin

from ..asgi import DONE_ID
from ..wire import EventDecoder, MessageEvent
from ..wire.names import GAP, POSITION
from .exchange import Exchange, negotiate, split_url
from .observation import Arrival, Ending, Observation, Resumption

__all__ = ["Examiner"]

REDIRECTS = (301, 302, 303, 307, 308)
MOST_REDIRECTS = 5

CODINGS = "gzip, deflate, br, zstd"
"""What Chromium and Firefox accept."""

READABLE = ("", "identity", "gzip", "x-gzip", "deflate")
"""What the standard library decodes."""

BLOCK_ENDS = (b"\n\n", b"\r\r", b"\r\n\r\n")

PATIENCE = 5.0
"""Seconds for each answer of a second connection."""

SETTLED = 10
"""How often in a row a count must come to be the one that stays; the demo sends ten a second."""

# How the demo of this library tells how many streams it has.
DEMO_EVENT, DEMO_COUNT = "signal", "n"


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
        """Watch the stream, then try to resume it and, with the demo, to leave it.

        :raises OSError: there is no connection
        :raises ValueError: what answers is no HTTP server
        """
        seen = self._watch()
        if split_url(seen.url).scheme == "https":
            seen = replace(seen, negotiated=negotiate(seen.url, self.context, PATIENCE))
        if seen.status != 200:
            return seen
        if seen.ids and seen.ids[-1] == DONE_ID:
            seen = replace(seen, stops=self._stops(seen.url))
        if len(seen.ids) > 1:
            seen = replace(seen, resumption=self._resume(seen.url, *seen.ids[:2]))
        if any(_count_of(event) is not None for event in seen.events):
            seen = replace(seen, noticed=self._leave(seen.url))
        return seen

    def _open(self, url: str, **more: str) -> Exchange:
        fields = {"Accept": "text/event-stream", "Cache-Control": "no-cache"}
        fields |= {name.replace("_", "-"): value for name, value in more.items()} | dict(
            self.headers
        )
        return Exchange(url, fields.items(), self.context)

    def _watch(self) -> Observation:
        url, coding = self.url, ""
        accepted = CODINGS
        for _ in range(MOST_REDIRECTS + 2):
            with self._open(url, Accept_Encoding=accepted) as exchange:
                head = exchange.head(self.seconds)
                if head is None:
                    return Observation(url=url, seconds=self.seconds, status=0)
                headers = {name.lower(): value for name, value in head.getheaders()}
                if head.status in REDIRECTS and "location" in headers:
                    url = urljoin(url, headers["location"])
                    continue
                coding = coding or headers.get("content-encoding", "").lower()
                if headers.get("content-encoding", "").lower() not in READABLE:
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
                return self._read(exchange, seen) if _is_stream(seen) else seen
        raise ValueError(f"there are more than {MOST_REDIRECTS} redirects, or no coding fits")

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
            arrivals.append(Arrival(at, events, len(comments), piece.endswith(BLOCK_ENDS)))
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
            head = exchange.head(PATIENCE)
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
        """Return how long the demo takes to see that a second client has left."""
        with self._open(url) as staying:
            found = (_count_of(event) for event in self._events(staying, 3 * PATIENCE))
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

    def _events(self, exchange: Exchange, seconds: float = PATIENCE) -> Iterator[MessageEvent]:
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
        # gzip or zlib, as its first bytes say.
        self._inflate = None if coding.lower() == "identity" else zlib.decompressobj(wbits=47)
        self.has_members = False

    def pieces(self, until: float) -> Iterator[bytes]:
        """Yield what comes as it comes, and ``b""`` at the end.

        :raises ValueError: it is not what its coding says
        """
        for piece in self._exchange.pieces(until):
            data = piece if self._inflate is None else self._decode(self._inflate, piece)
            if data or not piece:
                yield data

    def _decode(self, inflate: Any, piece: bytes) -> bytes:
        # Browsers, too, read nothing behind the first member.
        self.has_members = self.has_members or (inflate.eof and bool(piece))
        try:
            data = b"" if inflate.eof else inflate.decompress(piece)
        except zlib.error as exc:
            raise ValueError(f"the body is not compressed as its headers say: {exc}") from exc
        self.has_members = self.has_members or bool(inflate.unused_data)
        return bytes(data)


def _is_stream(seen: Observation) -> bool:
    """Tell whether the response is one that an ``EventSource`` would read."""
    kind = seen.headers.get("content-type", "").partition(";")[0].strip().lower()
    return seen.status == 200 and kind == "text/event-stream"


def _count_of(event: MessageEvent) -> int | None:
    """Return how many streams the demo says that it has."""
    if event.event != DEMO_EVENT:
        return None
    try:
        data = event.json()
    except ValueError:
        return None
    count = data.get(DEMO_COUNT) if isinstance(data, dict) else None
    return count if type(count) is int else None


def _settled(counts: Iterator[int]) -> int | None:
    """Return the count that does not change any more, as it has come often in a row."""
    last, times = None, 0
    for count in counts:
        last, times = count, times + 1 if count == last else 1
        if times == SETTLED:
            return last
    return None
