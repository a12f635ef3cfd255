"""Stations: servers, the clients that hang on them, and what these have cost so far."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import median, quantiles
from time import sleep
from typing import Final

from .process import Server
from .reader import Readers

__all__ = ["Station"]

EVENTS: Final = 100
"""Events that are published one by one at most."""

REPLACED: Final = 4
"""The part of the clients that leaves, and comes again."""

PAUSE: Final = 0.3
"""Seconds in which the last of the clients that warmed a server up goes."""


class Station:
    """Measures one step after the other: watch, connect, watch, deliver, replace.

    :param servers: those that share what is published; the first one publishes
    :param readers: hold the clients
    """

    def __init__(self, servers: Sequence[Server], readers: Readers) -> None:
        self.servers = servers
        self._readers = readers
        self._figures: list[float] = []
        self._longest = 0.0
        self._resident = self._cpu = self._bare = 0.0

    def connect(self, clients: int) -> None:
        """Have so many clients connect to each server.

        Finds the bytes that each holds, and the processor seconds of a connection.
        """
        sleep(PAUSE)
        self._resident = self._memory()
        self._cpu = self._used()
        self._longest = 0.0
        self._readers.open(clients)
        self._readers.gather(self.servers[0])
        cpu = self._used() - self._cpu
        self._note_pauses()
        self._figures = [self._held(), cpu / self._readers.count]

    def begin_watch(self) -> None:
        """Look at clients that get nothing but pings from now on."""
        self._cpu = self._used()

    def end_watch(self, seconds: float, ping: float = 15.0) -> None:
        """Find the processor seconds of a ping, and those of each second of idling.

        Before there are clients, it finds the processor seconds that a ping is no reason for.
        """
        cpu = (self._used() - self._cpu) / seconds
        self._note_pauses()
        if not self._readers.count:
            self._bare = cpu
        else:
            self._figures += [max(0.0, cpu - self._bare) * ping / self._readers.count, cpu]

    def deliver(self, seconds: float) -> None:
        """Publish for so many seconds, one event after the other.

        Finds the processor seconds of a delivery, and how long it takes to the last client.
        """
        cpu = self._used()
        reach = self._readers.burst(self.servers[0], EVENTS, seconds)
        cpu = self._used() - cpu
        self._note_pauses()
        ninety_ninth = quantiles(reach.delays, n=100, method="inclusive")[-1]
        self._figures += [cpu / reach.deliveries, median(reach.delays), ninety_ninth]

    def replace(self) -> None:
        """Have some clients leave and as many come.

        Finds the longest pause of the garbage collector in all steps, and the bytes that each
        client holds now.
        """
        self._readers.replace(max(1, self._readers.count // len(self.servers) // REPLACED))
        self._readers.gather(self.servers[0])
        self._note_pauses()
        self._figures += [self._longest, self._held()]

    def figures(self) -> list[float]:
        """Return all that was found, in the order of the steps."""
        return self._figures

    def _held(self) -> float:
        return (self._memory() - self._resident) / self._readers.count

    def _memory(self) -> int:
        resident = sum(server.memory().rss for server in self.servers)
        for server in self.servers:
            server.pauses()  # to look has taken one
        return resident

    def _used(self) -> float:
        return sum(server.cpu() for server in self.servers)

    def _note_pauses(self) -> None:
        pauses = [server.pauses() for server in self.servers]
        self._longest = max(self._longest, *(one.longest for one in pauses))
