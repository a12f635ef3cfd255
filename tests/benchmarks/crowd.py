"""A crowd: many clients of one hub in process, each with topics of its own or all with the same.

``python -m tests.benchmarks.crowd uvloop own 10000 gzip`` prints the bytes that each idle client of
a crowd holds, in a process that has done nothing else.
"""

from __future__ import annotations

import argparse
import gc
import os
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

import anyio
from anyio.lowlevel import checkpoint

from sse_asgi import EventSourceApp
from sse_asgi.broadcast import Hub, MemoryBackend

from .bench import Bench
from .broadcaster import EVENT
from .exchange import Exchange, request_scope
from .measure import clock

__all__ = ["COMMON", "KINDS", "Client", "Crowd", "crowd", "until"]

COMMON: Final = "everybody"
ALONE: Final = "alone"

HISTORY: Final = 100_000
"""Entries that are kept: so many that no client is sent a newer position."""

WARM_UP: Final = 20
EVENTS: Final = 30
"""Events that a crowd has got before its memory is looked at."""


class Client(Exchange):
    """A client that accepts the codings that it is given, and counts messages."""

    __slots__ = ("_accepted", "_app", "bodies")

    def __init__(self, app: Any, accepted: Sequence[str] = ()) -> None:
        super().__init__(anyio.Event())
        self._app = app
        self._accepted = ",".join(accepted).encode()
        self.bodies = 0

    async def run(self) -> None:
        """Make the request."""
        scope = request_scope()
        if self._accepted:
            scope["headers"].append((b"accept-encoding", self._accepted))
        await self._app(scope, self.receive, self.send)

    def leave(self) -> None:
        """Be there no more."""
        self.disconnected = True
        self._wake.set()

    async def send(self, message: dict[str, Any]) -> None:
        """Count the message."""
        await super().send(message)
        self.bodies += "body" in message


async def until(audience: Iterable[Client], bodies: int) -> None:
    """Wait until each has as many bodies; one after the other, so that few are asked again."""
    for client in audience:
        while client.bodies < bodies:
            await checkpoint()


class Crowd:
    """The clients of one hub, and the topics of each."""

    def __init__(self, hub: Hub, clients: list[Client], topics: list[tuple[str, ...]]) -> None:
        self._hub = hub
        self.clients = clients
        self._topics = topics

    async def to_everybody(self, times: int, text: str = EVENT) -> tuple[float, float]:
        """Publish to the common topic, each time as soon as all clients have the event.

        :return: seconds of a publication, and seconds of a delivery with its share of that
        """
        publishing = whole = 0.0
        for _ in range(times):
            before = [client.bodies for client in self.clients]
            begin = clock()
            await self._hub.publish(COMMON, text)
            publishing += clock() - begin
            for client, bodies in zip(self.clients, before, strict=True):
                while client.bodies == bodies:
                    await checkpoint()
            whole += clock() - begin
        return publishing / times, whole / times / len(self.clients)

    async def in_full(self, times: int, text: str) -> None:
        """Publish to the common topic, each time as soon as all clients have the whole event."""
        for _ in range(times):
            expected = [client.received + len(text) for client in self.clients]
            await self._hub.publish(COMMON, text)
            for client, received in zip(self.clients, expected, strict=True):
                while client.received < received:
                    await checkpoint()

    async def to_one(self, times: int) -> float:
        """Publish to a topic that one client follows, so many times; return the seconds of each.

        It is another client's topic each time, if there are several such topics.
        """
        ones = [place for place, topics in enumerate(self._topics) if len(topics) > 1]
        step = max(1, len(ones) // times)
        whole = 0.0
        for number in range(times):
            place = ones[number * step % len(ones)]
            client, topic = self.clients[place], self._topics[place][-1]
            before = client.bodies
            begin = clock()
            await self._hub.publish(topic, EVENT)
            while client.bodies == before:
                await checkpoint()
            whole += clock() - begin
        return whole / times


def shared(count: int, topics: int = 2) -> list[tuple[str, ...]]:
    """Return the same topic for each client. Only the last client has a topic of its own, too."""
    return [(COMMON,)] * (count - 1) + [(COMMON, ALONE)]


def own(count: int, topics: int = 2) -> list[tuple[str, ...]]:
    """Return ``topics`` topics for each client: the common one and topics of its own."""
    return [(COMMON, *(f"{n} {m}" for m in range(topics - 1))) for n in range(count)]


KINDS: Final[dict[str, Callable[..., list[tuple[str, ...]]]]] = {"shared": shared, "own": own}


@asynccontextmanager
async def crowd(
    kind: str, count: int, *, topics: int = 2, accepted: Sequence[str] = ()
) -> AsyncIterator[Crowd]:
    """Hold ``count`` connected clients of a new hub in the block.

    :param kind: of :data:`KINDS`
    :param accepted: the codings that the clients accept
    """
    hub = Hub(MemoryBackend(max_events=HISTORY))
    wanted = KINDS[kind](count, topics)
    remaining = iter(wanted)
    app = EventSourceApp(
        lambda connection: hub.subscribe(*next(remaining)), compression="auto", ping=None
    )
    clients = [Client(app, accepted) for _ in range(count)]
    async with anyio.create_task_group() as tasks:
        for client in clients:
            tasks.start_soon(client.run)
        await until(clients, 1)
        yield Crowd(hub, clients, wanted)
        tasks.cancel_scope.cancel()


# -- in a process of its own -----------------------------------------------------------------------


def resident() -> int:
    """Return the bytes of memory that the process holds once its garbage is gone."""
    gc.collect()
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


async def idle_memory(kind: str, count: int, accepted: Sequence[str]) -> float:
    """Return the bytes of each client of a crowd that has got some events and waits for others."""
    from .sections.compression import patch

    async with crowd(kind, WARM_UP, accepted=accepted) as warm:
        await warm.to_everybody(EVENTS, patch(0))
    before = resident()
    async with crowd(kind, count, accepted=accepted) as held:
        for number in range(EVENTS):
            await held.to_everybody(1, patch(number))
        return (resident() - before) / count


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("loop")
    parser.add_argument("kind", choices=KINDS)
    parser.add_argument("count", type=int)
    parser.add_argument("codings", nargs="*")
    options = parser.parse_args()
    bench = Bench(loop=options.loop)
    found = anyio.run(
        idle_memory,
        *(options.kind, options.count, options.codings),
        backend=bench.backend,
        backend_options=bench.backend_options,
    )
    print(found)


if __name__ == "__main__":
    main()
