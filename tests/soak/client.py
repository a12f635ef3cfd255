"""A client with a habit: what it does on each of its visits, again and again."""

from __future__ import annotations

import random
from collections.abc import Awaitable, Callable
from math import inf
from typing import Final

import anyio

from .numbers import COUNTED
from .sequence import Sequence
from .stream import LOST, Stream, ask

__all__ = ["HABITS", "Client", "Habit"]

LONGEST_VISIT: Final = 12.0
LONGEST_PAUSE: Final = 2.0
STALL: Final = 12.0
"""Seconds without reading; the server takes 5 of them."""


class Client:
    """One client, with all that it remembers between its visits.

    :param name: of all names of clients, no other one is like it
    """

    def __init__(self, name: str, port: int, numbers: random.Random) -> None:
        self.name = name
        self.port = port
        self.sequence = Sequence()
        self.random = numbers
        self.gzip = numbers.random() < 0.25
        self.connections = 0
        self.interruptions = 0
        """Connections that the server or the network has ended."""
        self.past: list[Sequence] = []
        self.run = ""
        """The run that this client follows; empty: none yet."""
        self.is_run_started = False

    async def visit(self, habit: Habit) -> None:
        """Act by the habit once; a lost connection is only counted, and a refusal is a fault."""
        try:
            await habit(self)
        except RuntimeError as exc:
            self.sequence.faults.append(str(exc))
            await anyio.sleep(0.2)
        except LOST:
            self.interruptions += 1
            await anyio.sleep(0.2)

    async def read(self, target: str, seconds: float, *, gzip: bool = False) -> bool:
        """Read a stream, from where this client knows it; return whether it came to its end."""
        self.connections += 1
        stream = await Stream.open(
            self.port, target, last_event_id=self.sequence.last_event_id, gzip=gzip
        )
        is_complete = False
        try:
            if stream.status not in (200, 204):
                self.sequence.faults.append(f"{target} was answered with {stream.status}")
            with anyio.move_on_after(seconds):
                async for event in stream.events():
                    self.sequence.take(event)
                is_complete = True
            return is_complete
        finally:
            stream.leave(reset=not is_complete and self.random.random() < 0.5)

    def begin_anew(self) -> None:
        """Follow another sequence from now on, from its first number."""
        self.past.append(self.sequence)
        if len(self.past) > 1 and not self.past[0].faults:  # a count of them is enough
            done = self.past.pop(0)
            self.past[0].events += done.events
            self.past[0].gaps += done.gaps
        self.sequence = Sequence(0)

    @property
    def sequences(self) -> list[Sequence]:
        """All that it got."""
        return [*self.past, self.sequence]


Habit = Callable[[Client], Awaitable[object]]


async def stay(client: Client) -> None:
    """Follow the numbers to the end."""
    await client.read("/numbers", inf, gzip=client.gzip)


async def come_and_go(client: Client) -> None:
    """Follow the numbers for a while, and come back soon."""
    await client.read("/numbers", client.random.uniform(0.1, LONGEST_VISIT), gzip=client.gzip)
    await anyio.sleep(client.random.uniform(0, LONGEST_PAUSE))


async def count_up(client: Client) -> None:
    """Read numbers of a generator until they end, with interruptions."""
    if client.sequence.next == COUNTED or client.sequence.next is None:
        client.begin_anew()
    target = "/counted?thread=1" if client.gzip else "/counted"
    await client.read(target, client.random.uniform(0.1, LONGEST_VISIT))


async def follow_runs(client: Client) -> None:
    """Start a run and follow it to its end, with interruptions; every fourth is stopped."""
    if client.sequence.has_ended or not client.run:
        client.begin_anew()
        client.run = f"{client.name}-{client.connections}"
        client.is_run_started = False
    if not client.is_run_started:  # perhaps it is, and the answer was lost: then it is the same run
        await ask(client.port, f"/runs/{client.run}", "POST")
        client.is_run_started = True
    await client.read(f"/runs/{client.run}", client.random.uniform(0.1, LONGEST_VISIT))
    if client.random.random() < 0.25:
        await ask(client.port, f"/runs/{client.run}", "DELETE")


async def stall(client: Client) -> None:
    """Ask for more than fits, read a little of it, and no more: the client has vanished."""
    client.connections += 1
    stream = await Stream.open(client.port, "/flood")
    try:
        taken = 0
        async for _ in stream.chunks():
            taken += 1
            if taken > 2:
                break
        await anyio.sleep(client.random.uniform(0, STALL))
    finally:
        stream.leave(reset=True)


HABITS: Final[tuple[tuple[Habit, float], ...]] = (
    (stay, 0.4),
    (come_and_go, 0.4),
    (count_up, 0.08),
    (follow_runs, 0.08),
    (stall, 0.04),
)
"""Each habit, and the share of the clients that have it."""
