"""A peer: one way to serve an event stream, which becomes one column of the tables."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

__all__ = ["ASGIApp", "Encoders", "MakeApp", "Peer", "Plan", "hold"]

ASGIApp: TypeAlias = Callable[[Any, Any, Any], Awaitable[object]]

Encoders: TypeAlias = Mapping[str, Callable[..., object]]
"""From the label of a row of the encode section to what encodes one event of that row."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What each connection of an app streams.

    :param events: number of events
    :param text: data of each event
    :param sync: take the events from a synchronous generator
    :param pause: awaited before the first event, as content does that has to wait for its events
    :param window: the seconds whose events may go out together, where the peer can do that
    :param ping: the seconds of silence after which a comment follows, where the peer can do that
    :param open_ended: once the events are sent, wait until the client leaves
    """

    events: int = 1
    text: str = "01234567890123456789"
    sync: bool = False
    pause: Callable[[], Awaitable[object]] | None = None
    open_ended: bool = False
    window: float | None = None
    ping: float | None = None

    @property
    def block(self) -> bytes:
        """One event as it looks on the wire."""
        return f"data: {self.text}\n\n".encode()


MakeApp: TypeAlias = Callable[[Plan], ASGIApp]


@dataclass(frozen=True, slots=True)
class Peer:
    """A way to serve an event stream, in the idiom its own documentation shows.

    :param name: heading of the column
    :param app: makes the smallest ASGI app that can answer with a stream, for calls in process
    :param served: makes the app as its users would serve it, with routing; None: ``app``
    :param encoders: from an item as it is yielded to bytes; a row that is missing stays empty
    :param backends: the event loops it runs on, as anyio names them
    :param pings: whether it has a column in the rows with a ping: it can send a comment after a
        time that the user chooses, or is the limit
    :param windows: whether it has a column in the rows with a window: it can send the events of
        some milliseconds together, or is the limit
    """

    name: str
    app: MakeApp
    served: MakeApp | None = None
    encoders: Encoders | None = None
    backends: tuple[str, ...] = ("asyncio",)
    pings: bool = False
    windows: bool = False

    def serve(self, plan: Plan) -> ASGIApp:
        """Return the app for a real server."""
        return (self.served or self.app)(plan)


async def hold() -> None:
    """Wait until cancelled, for everybody at the price of one future (server sections: asyncio)."""
    from asyncio import get_running_loop

    await get_running_loop().create_future()
