"""A place in the log, and how it moves: on with what comes, or over a gap."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Final, Literal, TypeAlias

from ..wire import EncodedBatch, ServerSentEvent
from .feed import Feed, LoopFeeds, join
from .log.backend import Page
from .log.entry import Entry, Position
from .selection import Selection

if TYPE_CHECKING:
    from .hub import Hub

__all__ = ["Cursor", "GapReason", "OnGap"]

OnGap: TypeAlias = Literal["oldest", "now", "close"]
GapReason: TypeAlias = Literal["expired", "unknown", "reset", "too-slow"]

_AT_ONCE: Final = 512
"""Entries that a filter is asked about at a time."""

_UNKNOWN: Final = -1


class Cursor:
    """The place of one subscriber in the log of a hub.

    The methods that begin with an underscore are called under the lock of the hub's history.
    """

    __slots__ = (
        "_asked_ahead",
        "_asking",
        "_at",
        "_audience",
        "_begun",
        "_channel",
        "_ended",
        "_epoch",
        "_expired_to",
        "_forgiven",
        "_hub",
        "_last_seen",
        "_live",
        "_on_gap",
        "_page",
        "_resumes",
        "_seen",
        "_selection",
        "topics",
    )

    def __init__(
        self, hub: Hub, selection: Selection, last_event_id: str | None, on_gap: OnGap
    ) -> None:
        self.topics = selection.topics
        self._hub = hub
        self._selection = selection
        # Parsed at once: the text may be anything, and of any length.
        self._resumes = last_event_id is not None
        self._last_seen = None if last_event_id is None else Position.parse(last_event_id)
        self._on_gap = on_gap
        position = hub.history.position
        # Where it is made is where it begins, whenever somebody asks for the first event.
        self._epoch: str | None = None if position is None else position.epoch
        self._at = 0 if position is None else position.sequence
        self._begun = False
        self._ended = False
        self._live = False
        """Whether it takes all that comes, and nothing but that is to come."""
        self._audience: LoopFeeds | None = None
        self._channel: Feed | None = None
        self._seen = _UNKNOWN  # of the channel's total
        # What lies before this process's memory comes in pages.
        self._asking = False
        self._page: list[Entry] = []
        self._expired_to: int | None = None
        self._forgiven = False
        self._asked_ahead = False

    @property
    def place(self) -> Position | None:
        """The position after which it goes on."""
        return None if self._epoch is None else Position(self._epoch, self._at)

    @property
    def backlog(self) -> int:
        """How many entries of the log it has not passed yet, of whatever topic."""
        return max(0, self._hub.history.tip - self._at) if self._begun else 0

    def _has_more(self, channel: Feed) -> bool:
        """Whether there is something to look at without being woken; without the lock."""
        if self._ended:
            return True
        if self._asking or not self._begun:
            return False
        history = self._hub.history
        return (
            self._at < channel.newest
            or self._expired_to is not None
            or self._epoch != history.epoch
            or history.failure is not None
        )

    # -- on with what comes ------------------------------------------------------------------------

    def _look(self, channel: Feed) -> EncodedBatch | list[Entry] | None:
        """Return what comes next, or entries to select from; None when there is nothing."""
        history = self._hub.history
        if history.epoch is None:
            return None
        if not self._begun:
            if self._is_ahead():
                return None
            self._begun = True
            return self._begin(channel)
        if self._epoch != history.epoch:
            return self._gap("reset")
        if self._expired_to is not None:
            return self._gap("expired", floor=self._expired_to) or self._look(channel)
        if self._page:
            return self._page
        if not history.is_whole_after(self._at, self.topics):
            return self._overtaken(channel)
        return self._look_in_memory(channel)

    def _look_in_memory(self, channel: Feed) -> EncodedBatch | list[Entry] | None:
        if self._seen == _UNKNOWN:
            self._recount(channel)
        if self._at >= channel.newest:
            return None
        if self._selection.takes_all:
            self._live = True
            batch, self._at = channel.batch_after(self._at)
            self._seen += batch.events
            return batch
        entries = self._hub.history.after(self._at, self.topics)
        return entries if self._selection.looks_ahead else entries[:_AT_ONCE]

    def _is_ahead(self) -> bool:
        """Whether another process may have sent what this one has yet to hear of: have it asked."""
        history = self._hub.history
        position = self._last_seen
        if history.complete or position is None or self._asked_ahead:
            return self._asking
        if position.epoch != history.epoch or position.sequence <= history.tip:
            return False
        self._epoch, self._at = position
        self._asking = self._asked_ahead = True
        self._hub.ask_for_page(self)
        return True

    def _begin(self, channel: Feed) -> EncodedBatch | None:
        """Find the place to begin at, and return the first event."""
        history = self._hub.history
        history.trim()
        assert history.epoch is not None
        if self._resumes:
            position = self._last_seen
            if position is None:
                return self._gap("unknown")
            if position.epoch != history.epoch:
                return self._gap("reset")
            if position.sequence > history.tip:
                return self._gap("unknown")
            self._at = position.sequence
        elif self._epoch is None:  # it was made before the log was reached
            self._at = history.tip
        elif self._epoch != history.epoch:
            return self._gap("reset")
        self._epoch = history.epoch
        missed: int | None = None
        if history.is_whole_after(self._at, self.topics):
            missed = self._recount(channel)
        elif history.complete:
            return self._gap("expired")
        return self._event("position", {"resumed": self._resumes, "missed": missed})

    def _recount(self, channel: Feed) -> int:
        """Note how many of the channel's entries lie behind, and return how many lie before it."""
        missed = len(self._hub.history.after(self._at, self.topics))
        self._seen = channel.total - missed
        return missed

    def _event(self, name: str, data: object) -> EncodedBatch:
        event = ServerSentEvent(data, event=name, id=str(self.place))
        return EncodedBatch(self._hub.encode(event), 1)

    def select(self, entries: list[Entry]) -> EncodedBatch | None:
        """Join those of ``entries`` that are wanted, and move on; not under the lock.

        A filter is the user's own code, and may take its time.
        """
        chosen = self._selection.of(entries)
        batch, at = None, entries[-1].sequence
        if chosen:
            batch, last = join(chosen)
            if batch.events < len(chosen):
                at = last
        history = self._hub.history
        with history.lock:
            if self._epoch == history.epoch:
                self._at = at
                self._page = [entry for entry in self._page if entry.sequence > at]
                self._seen = _UNKNOWN
                if self._channel is not None and history.is_whole_after(at, self.topics):
                    self._recount(self._channel)
        return batch

    # -- over a gap --------------------------------------------------------------------------------

    def _gap(
        self, reason: GapReason, lost: int | None = None, floor: int | None = None
    ) -> EncodedBatch | None:
        """Go on where the policy says, and tell the client, unless it was told already."""
        history = self._hub.history
        forgiven, self._forgiven = self._forgiven, False
        self._epoch, self._page, self._expired_to, self._seen = history.epoch, [], None, _UNKNOWN
        self._live = False
        if self._on_gap == "oldest":
            self._at = history.floor if floor is None else floor
            if forgiven and reason == "expired":
                return None
            if not history.complete and floor is None:
                # Only the first page shows where the log begins: not another gap.
                self._at, self._forgiven = 0, True
        else:
            self._at = history.tip
            self._ended = self._on_gap == "close"
        self._hub.count_gap(lost)
        return self._event("gap", {"reason": reason, "lost": lost})

    def _overtaken(self, channel: Feed) -> EncodedBatch | None:
        """Go on where memory begins, or have read what lies before it."""
        history = self._hub.history
        if history.complete:
            lost = None
            if self._seen != _UNKNOWN:
                lost = channel.total - self._seen - history.retained(self.topics)
            return self._gap("too-slow", lost)
        if not self._asking:
            self._asking, self._live = True, False
            self._hub.ask_for_page(self)
        return None

    def deliver(self, place: Position, page: Page) -> None:
        """Take older entries, which were read after ``place``; not under the lock, any thread."""
        history = self._hub.history
        with history.lock:
            self._asking = False
            if place == self.place:
                self._page = list(page.entries)
                if page.floor > self._at:
                    self._page, self._expired_to = [], page.floor
                elif not self._page:  # nothing is left between there and memory
                    self._at = max(self._at, history.floor)
        if self._audience is not None:
            with suppress(RuntimeError):  # that event loop is gone
                self._audience.event_loop.call_soon(self.wake)

    def wake(self) -> None:
        """Tell whoever waits that there is something; in the subscriber's event loop."""
