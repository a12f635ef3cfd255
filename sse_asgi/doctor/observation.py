"""What was seen of a stream, without any judgement."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import Enum

from ..wire import MessageEvent
from ..wire.names import POSITION

__all__ = ["Arrival", "Ending", "Observation", "Resumption"]


class Ending(Enum):
    """How the response was when nobody looked any more."""

    OPEN = "open"
    CLEAN = "clean"
    CUT = "cut"


@dataclass(frozen=True, slots=True)
class Arrival:
    """What came at one time.

    :param at: seconds after the request
    :param events: the events that it completed
    :param comments: how many comments it had
    :param is_whole: whether it ended where an event, or a comment, ends
    """

    at: float
    events: tuple[MessageEvent, ...] = ()
    comments: int = 0
    is_whole: bool = True


@dataclass(frozen=True, slots=True)
class Resumption:
    """What a second connection brought, with the ``Last-Event-ID`` of an early event.

    :param asked: that ID
    :param expected: the ID of the event that came after it, the first time
    :param answered: the ID of the first event that came, the second time; None: none had one
    :param has_gap: the server said that it cannot replay everything
    """

    asked: str
    expected: str
    answered: str | None
    has_gap: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Observation:
    """One stream, watched for a while; times are in seconds.

    :param url: where it was at last, after redirects
    :param seconds: how long it was watched
    :param status: the response's status; 0: there was no response
    :param headers: the response's headers, in lower case
    :param version: the response's version of HTTP, as ``"1.1"``
    :param negotiated: what the server would have chosen from HTTP/2 and HTTP/1.1 in the TLS
        handshake (ALPN); None without TLS, ``""`` if it chose nothing
    :param head_at: when the response's head was there
    :param retry: the reconnection time that the stream has set, in milliseconds
    :param coding: the content coding that a browser would have got; ``""``: none
    :param has_members: the body goes on after the end of its first gzip member
    :param stops: whether who has seen the last event, made by :func:`~sse_asgi.done`, is answered
        with 204 when it comes back; None: there was no such event
    :param noticed: how long after another client had left the server knew; None: not to be seen;
        infinity: it did not within some seconds
    """

    url: str
    seconds: float
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    version: str = "1.1"
    negotiated: str | None = None
    head_at: float = 0.0
    arrivals: tuple[Arrival, ...] = ()
    ending: Ending = Ending.OPEN
    retry: int | None = None
    coding: str = ""
    has_members: bool = False
    resumption: Resumption | None = None
    stops: bool | None = None
    noticed: float | None = None

    @property
    def events(self) -> list[MessageEvent]:
        """Every event, in order."""
        return [event for arrival in self.arrivals for event in arrival.events]

    @property
    def ids(self) -> list[str]:
        """The IDs that the stream has set, in order; not that of a hub's ``position``."""
        found: list[str] = []
        last = ""
        for event in self.events:
            if event.id != last and event.event != POSITION:
                found.append(event.id)
            last = event.id
        return found

    @property
    def lumps(self) -> list[list[Arrival]]:
        """The arrivals that came together: with no more than 50 ms between one and the next."""
        lumps: list[list[Arrival]] = []
        for arrival in self.arrivals:
            if lumps and arrival.at - lumps[-1][-1].at <= 0.05:
                lumps[-1].append(arrival)
            else:
                lumps.append([arrival])
        return lumps

    @property
    def keep_alives(self) -> list[float]:
        """When comments, or events named ``ping``, came; the one at the stream's start is none."""
        return [
            arrival.at
            for arrival in self.arrivals[1:]
            if arrival.comments or any(event.event == "ping" for event in arrival.events)
        ]

    @property
    def longest_silence(self) -> float:
        """The longest time for which nothing came."""
        return max(self._silences())

    def _silences(self) -> Iterator[float]:
        before = self.head_at
        for arrival in self.arrivals:
            yield arrival.at - before
            before = arrival.at
        yield (self.seconds if self.ending is Ending.OPEN else before) - before
