"""The demo's log: the last few hundred events, each with its position, and who follows them."""

from __future__ import annotations

import re
import secrets
from collections import deque
from dataclasses import dataclass
from typing import Literal

import anyio

from sse_asgi import ServerSentEvent

__all__ = ["Feed", "Gap", "Reader"]

POSITION = re.compile(r"([0-9a-z]{1,16})-([0-9]{1,15})", re.ASCII)


@dataclass(frozen=True, slots=True)
class Gap:
    """Why a reader cannot go on where it was, and how many events it lost (``None``: not known)."""

    reason: Literal["restarted", "expired", "unknown"]
    lost: int | None


class Feed:
    """A bounded log of events that any number of readers follow, each at its own pace.

    An event's ID is its position, ``epoch-sequence``. The epoch is drawn when the log is made, so
    that a position of an earlier run is recognised and never answered with the wrong events.

    :param capacity: how many events are kept for those who come back
    :raises ValueError: ``capacity`` is less than 1
    """

    def __init__(self, *, capacity: int = 600, epoch: str | None = None) -> None:
        if capacity < 1:
            raise ValueError(f"capacity must be at least 1, not {capacity}")
        self.epoch = secrets.token_hex(3) if epoch is None else epoch
        self.newest = 0
        self.readers: set[Reader] = set()
        self._log: deque[ServerSentEvent] = deque(maxlen=capacity)
        self._changed: anyio.Event | None = None

    @property
    def oldest(self) -> int:
        """The sequence number of the oldest event kept; ``newest + 1`` when there is none."""
        return self.newest - len(self._log) + 1

    def __getitem__(self, sequence: int) -> ServerSentEvent:
        if not self.oldest <= sequence <= self.newest:
            raise IndexError(f"the log holds {self.oldest} to {self.newest}, not {sequence}")
        return self._log[sequence - self.oldest]

    def publish(self, data: object, *, event: str) -> ServerSentEvent:
        """Append one event and wake the readers that wait for it; never waits."""
        self.newest += 1
        entry = ServerSentEvent(data, event=event, id=f"{self.epoch}-{self.newest}")
        self._log.append(entry)
        self.wake()
        return entry

    def follow(self, last_event_id: str | None, page: str | None = None) -> Reader:
        """Return a reader that starts after ``last_event_id``, or with the next event for ``None``.

        :param page: the name under which :meth:`cut` finds it
        """
        return Reader(self, last_event_id, page)

    def locate(self, last_event_id: str | None) -> tuple[int, Gap | None]:
        """Return the sequence number after which to go on, and the gap before it, if any."""
        if last_event_id is None:
            return self.newest, None
        match = POSITION.fullmatch(last_event_id)
        if match is None:
            return self.oldest - 1, Gap("unknown", None)
        epoch, sequence = match[1], int(match[2])
        if epoch != self.epoch:
            return self.oldest - 1, Gap("restarted", None)
        if sequence > self.newest:
            return self.oldest - 1, Gap("unknown", None)
        if sequence < self.oldest - 1:
            return self.oldest - 1, Gap("expired", self.oldest - 1 - sequence)
        return sequence, None

    def cut(self, page: str) -> int:
        """End the streams of one page and return how many they were."""
        readers = [reader for reader in self.readers if reader.page == page]
        for reader in readers:
            reader.was_cut = True
        self.wake()
        return len(readers)

    def wake(self) -> None:
        """Let everybody who waits in :meth:`changed` look again."""
        if self._changed is not None:
            self._changed.set()
            self._changed = None

    async def changed(self) -> None:
        """Wait until something was published, a reader came or went, or a page was cut."""
        if self._changed is None:
            self._changed = anyio.Event()
        await self._changed.wait()


class Reader:
    """One client's place in the feed: an iterator over what it missed, then over what comes.

    It counts as an open connection while its ``with`` block lasts.
    """

    def __init__(self, feed: Feed, last_event_id: str | None, page: str | None) -> None:
        self.page = page
        self.was_cut = False
        self._feed = feed
        self._resumed = last_event_id is not None
        self._position, self._gap = feed.locate(last_event_id)

    def __enter__(self) -> Reader:
        self._feed.readers.add(self)
        self._feed.wake()
        return self

    def __exit__(self, *_: object) -> None:
        self._feed.readers.discard(self)
        self._feed.wake()

    def welcome(self) -> ServerSentEvent:
        """Return the first event of the stream; it says what follows and carries no ID."""
        missed = self._feed.newest - self._position
        comment = f"{missed} events from the log, then live" if self._resumed else "live from here"
        data = {
            "epoch": self._feed.epoch,
            "after": self._position,
            "missed": missed,
            "resumed": self._resumed,
        }
        return ServerSentEvent(data, event="welcome", comment=comment)

    def __aiter__(self) -> Reader:
        return self

    async def __anext__(self) -> ServerSentEvent:
        feed = self._feed
        while not self.was_cut:
            behind = feed.oldest - 1 - self._position
            if behind > 0:  # the log was faster than this client
                self._position += behind
                self._gap = Gap("expired", behind)
            if self._gap is not None:
                gap, self._gap = self._gap, None
                return ServerSentEvent({"reason": gap.reason, "lost": gap.lost}, event="gap")
            if self._position < feed.newest:
                self._position += 1
                return feed[self._position]
            await feed.changed()
        raise StopAsyncIteration
