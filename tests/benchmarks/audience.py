"""Many clients of one server in one process: raw sockets, of which only the events are counted."""

from __future__ import annotations

import select
import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from time import perf_counter
from typing import NamedTuple

from .broadcaster import MARK
from .client import open_stream, read_head
from .process import Server
from .resources import open_files

__all__ = ["Audience", "Delivery", "audience"]

AT_ONCE = 100
"""Clients that connect before the first of them is waited for."""

QUIET = 1.0
"""Seconds without any byte after which a client that got no event has missed it."""

TIMEOUT = 60.0
"""Seconds that anything may take."""


class Delivery(NamedTuple):
    """How events reached all clients.

    :param deliveries: events times clients
    :param seconds: from the first event that was published to the last that was read
    :param delays: of each delivery, in seconds from the call that published its event
    """

    deliveries: int
    seconds: float
    delays: list[float]


class Audience:
    """The clients of one server, who all follow what it publishes."""

    def __init__(self, server: Server, connections: list[socket.socket]) -> None:
        self._server = server
        self._count = len(connections)
        self._poll = select.epoll(self._count)
        self._receive = {connection.fileno(): connection.recv_into for connection in connections}
        self._seen = dict.fromkeys(self._receive, 0)
        self._published: list[float] = []
        self._delays: list[float] = []
        self._buffer = bytearray(1 << 16)
        for descriptor in self._receive:
            self._poll.register(descriptor, select.EPOLLIN)

    def close(self) -> None:
        """Watch the connections no more."""
        self._poll.close()

    def gather(self) -> None:
        """Publish until everybody has got an event.

        A server may send the head of a response before the client follows what is published.
        """
        deadline = perf_counter() + TIMEOUT
        while not all(self._seen.values()):
            if perf_counter() > deadline:
                raise TimeoutError("some clients never get an event")
            self._publish(1)
            while not all(self._seen.values()) and self._read(QUIET):
                pass
        while self._read(QUIET / 10):
            pass
        self._begin()

    def burst(self, times: int, count: int = 1) -> Delivery:
        """Publish ``count`` events at once, so many times, each time as soon as all have them."""
        self._begin()
        for turn in range(1, times + 1):
            self._publish(count)
            self._await(turn * count)
        return self._end()

    def paced(self, times: int, interval: float) -> Delivery:
        """Publish so many events, one each ``interval`` seconds."""
        self._begin()
        start = perf_counter()
        for turn in range(times):
            while (left := start + turn * interval - perf_counter()) > 0:
                self._read(left)
            self._publish(1)
        self._await(times)
        return self._end()

    def _begin(self) -> None:
        self._seen = dict.fromkeys(self._receive, 0)
        self._published, self._delays = [], []

    def _end(self) -> Delivery:
        published, delays = self._published, self._delays
        if set(self._seen.values()) != {len(published)}:
            raise RuntimeError(f"not everybody got each of {len(published)} events once")
        return Delivery(len(delays), perf_counter() - published[0], delays)

    def _publish(self, count: int) -> None:
        self._published += [perf_counter()] * count
        self._server.publish(count)

    def _await(self, events: int) -> None:
        deliveries = events * self._count
        while len(self._delays) < deliveries:
            if not self._read(TIMEOUT):
                raise TimeoutError(f"{len(self._delays)} of {deliveries} deliveries came")

    def _read(self, timeout: float) -> bool:
        """Read what has come, or comes within ``timeout`` seconds, once from each connection."""
        buffer, seen, published = self._buffer, self._seen, self._published
        delays, receive, now = self._delays, self._receive, perf_counter
        ready = self._poll.poll(timeout, self._count)
        for descriptor, _ in ready:
            if not (size := receive[descriptor](buffer)):
                raise ConnectionError("the server ended a stream")
            if events := buffer.count(MARK, 0, size):
                first = seen[descriptor]
                seen[descriptor] = last = first + events
                time = now()
                delays += [time - since for since in published[first:last]]
        return bool(ready)


@contextmanager
def audience(server: Server, count: int) -> Iterator[Audience]:
    """Hold ``count`` clients in the block, all of whom follow what the server publishes."""
    with ExitStack() as stack:
        stack.enter_context(open_files(count))
        connections: list[socket.socket] = []
        while len(connections) < count:
            size = min(AT_ONCE, count - len(connections))
            group = [stack.enter_context(open_stream(server.port)) for _ in range(size)]
            for connection in group:
                read_head(connection)
            connections += group
        held = Audience(server, connections)
        stack.callback(held.close)
        held.gather()
        yield held
