"""The facts about a stream that the doctor has watched, without any judgement."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import Enum

from ..wire import MessageEvent
from ..wire.names import POSITION

__all__ = ["Arrival", "Ending", "Observation", "Resumption"]


class Ending(Enum):
    """The state of the response when the doctor stopped watching."""

    OPEN = "open"
    CLEAN = "clean"
    CUT = "cut"


@dataclass(frozen=True, slots=True)
class Arrival:
    """The bytes that arrived at one time.

    :param at: seconds after the request
    :param events: the events that these bytes completed
    :param comments: how many comments they held
    :param is_whole: whether they ended where an event or a comment ends
    """

    at: float
    events: tuple[MessageEvent, ...] = ()
    comments: int = 0
    is_whole: bool = True


@dataclass(frozen=True, slots=True)
class Resumption:
    """The answer to a second request, which had the ``Last-Event-ID`` of an early event.

    :param asked: that ID
    :param expected: the ID of the event that followed it on the first connection
    :param answered: the ID of the first event on the second connection; None: no event had an ID
    :param has_gap: whether the server said that it cannot replay everything
    """

    asked: str
    expected: str
    answered: str | None
    has_gap: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Observation:
    """One stream that the doctor has watched; times are in seconds.

    :param url: the address that answered, after redirects
    :param seconds: how long the doctor watched
    :param status: the response's status; 0: there was no response
    :param headers: the response's headers; names are in lower case
    :param version: the response's version of HTTP, such as ``"1.1"``
    :param negotiated: the protocol that the server chooses in the TLS handshake (ALPN) when it is
        offered HTTP/2 and HTTP/1.1; None without TLS, ``""`` if the server chooses none
    :param head_at: when the response's head arrived
    :param arrivals: the bytes of the body, as they arrived
    :param ending: the state of the response at last
    :param retry: the reconnection time that the stream has set, in milliseconds
    :param coding: the content coding that a browser would get; ``""``: none
    :param has_members: whether the body goes on after the end of its first gzip member
    :param resumption: the answer to a second request, if the events have IDs
    :param stops: whether a client that returns with the ID of a :func:`~sse_asgi.done` event gets
        a 204; None if there was no such event, or no answer
    :param noticed: seconds until the server noticed that another client had left; None if the
        stream does not show it, infinity if it took longer than the doctor waits
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
        """The IDs that the stream has set, in order, without that of a hub's ``position`` event."""
        found: list[str] = []
        last = ""
        for event in self.events:
            if event.id != last and event.event != POSITION:
                found.append(event.id)
            last = event.id
        return found

    @property
    def lumps(self) -> list[list[Arrival]]:
        """The arrivals in groups, with no more than 50 ms between one and the next of a group."""
        lumps: list[list[Arrival]] = []
        for arrival in self.arrivals:
            if lumps and arrival.at - lumps[-1][-1].at <= 0.05:
                lumps[-1].append(arrival)
            else:
                lumps.append([arrival])
        return lumps

    @property
    def keep_alives(self) -> list[float]:
        """The times of comments and of events named ``ping``, without the stream's beginning."""
        return [
            arrival.at
            for arrival in self.arrivals[1:]
            if arrival.comments or any(event.event == "ping" for event in arrival.events)
        ]

    @property
    def longest_silence(self) -> float:
        """The longest time without a byte."""
        return max(self._silences())

    def _silences(self) -> Iterator[float]:
        before = self.head_at
        for arrival in self.arrivals:
            yield arrival.at - before
            before = arrival.at
        yield (self.seconds if self.ending is Ending.OPEN else before) - before
