"""Clients that come back whenever they are cut off, and the count of what they were sent."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from tests.servers.http1 import Http1Connection
from tests.servers.response import TIMEOUT, WireError

__all__ = ["Client", "Tally", "clients"]

_PAUSE = 0.05


@dataclass(frozen=True)
class Tally:
    """What went wrong, each kind by itself.

    :param holes: events that were never sent, though a later one of the same publisher was
    :param duplicates: events that were sent again
    :param disorder: events that came after a later one of the same publisher
    :param unfinished: events at the end of a publisher's that had not come yet
    """

    holes: int = 0
    duplicates: int = 0
    disorder: int = 0
    unfinished: int = 0

    @classmethod
    def of(cls, received: Sequence[str], published: Mapping[str, int]) -> Tally:
        """Count what one client received, of publishers that each counted from 0."""
        holes = duplicates = disorder = unfinished = 0
        for publisher, count in published.items():
            prefix = f"{publisher}:"
            numbers = [
                int(text.removeprefix(prefix)) for text in received if text.startswith(prefix)
            ]
            newest = max(numbers, default=-1)
            duplicates += sum(times - 1 for times in Counter(numbers).values())
            disorder += sum(later < number for number, later in pairwise(numbers))
            holes += newest + 1 - len(set(numbers))
            unfinished += count - 1 - newest
        return cls(holes, duplicates, disorder, unfinished)


class Client:
    """Reads events in a thread of its own, like an ``EventSource`` with several addresses."""

    def __init__(self, ports: Sequence[int]) -> None:
        self._ports = list(ports)
        self.received: list[str] = []
        self.gaps: list[Any] = []
        self.connections = 0
        self.is_connected = threading.Event()
        self.last_event_id: str | None = None
        self.stopped = False
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        while not self.stopped:
            try:
                self._read(self._ports[0])
            except (OSError, WireError):
                # The next address, after a short pause.
                self._ports.append(self._ports.pop(0))
                time.sleep(_PAUSE)

    def _read(self, port: int) -> None:
        known = self.last_event_id
        headers = [] if known is None else [("last-event-id", known)]
        with Http1Connection(port) as connection:
            response = connection.request("GET", "/events", headers=headers)
            self.connections += 1
            while not self.stopped:
                try:
                    event = response.read_event(0.5)
                except TimeoutError:
                    continue
                if event is None:
                    raise WireError("the stream has ended")
                self.last_event_id = event.id
                if event.event == "position":
                    self.is_connected.set()
                elif event.event == "gap":
                    self.gaps.append(event.json())
                else:
                    self.received.append(event.data)

    def wait(self, count: int, timeout: float = 3 * TIMEOUT) -> None:
        """Wait until it has received ``count`` events, or until nothing comes for ``timeout``."""
        before, since = -1, time.monotonic()
        while len(self.received) < count and time.monotonic() < since + timeout:
            if len(self.received) != before:
                before, since = len(self.received), time.monotonic()
            time.sleep(0.01)

    def stop(self) -> None:
        """Leave."""
        self.stopped = True
        self._thread.join(TIMEOUT)
        assert not self._thread.is_alive()


@contextmanager
def clients(*ports: Sequence[int]) -> Iterator[list[Client]]:
    """Connect a client for each list of ports, the first port first, until the block ends."""
    found = [Client(addresses) for addresses in ports]
    try:
        for client in found:
            assert client.is_connected.wait(TIMEOUT)
        yield found
    finally:
        for client in found:
            client.stop()
