"""Where a subscription begins, and how it goes on over a gap.

::

    beginning --position or gap--> behind memory --a page at a time--> in memory
                                        |                                 |
                                        +--------- gap: moved on ---------+

A subscription begins at the client's last event ID, or where it was made. If memory does not reach
back to that place, older entries are read in pages. Where neither has them, the client is told of a
gap, and the policy ``on_gap`` says how to go on. A client that has everything of topics that have
ended is refused with a 204, so that it stays away.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, Literal, NamedTuple, TypeAlias, get_args

from .. import checks
from ..errors import Refusal
from ..wire import EncodedBatch, ServerSentEvent
from ..wire.names import GAP, POSITION
from .cursor import Cursor
from .log.backend import Page
from .log.entry import Entry, Position
from .log.reader import LogReader

__all__ = ["Beginning", "GapReason", "OnGap", "Replay", "Start"]

Start: TypeAlias = Literal["now", "oldest"]
OnGap: TypeAlias = Literal["oldest", "now", "close"]
GapReason: TypeAlias = Literal["expired", "unknown", "reset", "too-slow"]

_NO_IDS: Final = frozenset({None, "", "None", "null"})
"""No position, as a page has it that was rendered before the log was reached."""


class Beginning(NamedTuple):
    """Where a subscription begins, by the request of one client.

    :param last_event_id: as the client sent it; without one it begins where ``start`` says
    :param start: "now", where the cursor stands, or "oldest", where its topics begin
    :param on_gap: how it goes on where something cannot be replayed
    :param absent: raised if a topic was never begun; None waits for its events
    """

    last_event_id: str | None
    start: Start
    on_gap: OnGap
    absent: Refusal | None

    def check(self) -> None:
        """Refuse a value that is none.

        :raises TypeError: a value is of the wrong type
        :raises ValueError: there is no such ``start`` or ``on_gap``
        """
        checks.text("last_event_id", self.last_event_id, optional=True)
        checks.choice("start", self.start, get_args(Start))
        checks.choice("on_gap", self.on_gap, get_args(OnGap))
        if self.absent is not None and not isinstance(self.absent, Refusal):
            raise TypeError(checks.refuse("absent", "a Refusal or None", self.absent))


class Replay:
    """Brings a cursor to a place from which it goes on in memory.

    :param beginning: where to begin, which :meth:`Beginning.check` has let pass
    :param counts_missed: whether every entry will be sent, so that their number is known
    :param wake: called, in any thread, when a page has come
    """

    __slots__ = (
        "_absent",
        "_ahead",
        "_counts_missed",
        "_cursor",
        "_expired_to",
        "_forgiven",
        "_made_at",
        "_on_gap",
        "_reader",
        "_resume",
        "_resumes",
        "_start",
        "_wake",
        "epoch",
        "has_begun",
        "has_ended",
        "is_asking",
        "page",
    )

    def __init__(
        self,
        reader: LogReader,
        cursor: Cursor,
        beginning: Beginning,
        counts_missed: bool,
        wake: Callable[[], object],
    ) -> None:
        position = reader.history.position
        self._reader = reader
        self._cursor = cursor
        last_event_id, self._start, self._on_gap, self._absent = beginning
        # Parsed at once: the text may be anything, and of any length.
        self._resumes = last_event_id not in _NO_IDS
        self._resume = Position.parse(last_event_id or "")
        self._counts_missed = counts_missed
        self._wake = wake
        self.epoch: str | None = None if position is None else position.epoch
        """The life of the log in which the cursor stands."""
        self.has_begun: bool = False
        self.has_ended: bool = False
        self.is_asking: bool = False
        """Whether a page is on its way."""
        self.page: list[Entry] = []
        """Older entries, of every topic."""
        self._expired_to: int | None = None
        self._forgiven = False
        self._ahead: Position | None = None  # up to which the log was asked before it begins
        self._made_at = self.epoch, cursor.at

    @property
    def place(self) -> Position | None:
        """The position after which it goes on."""
        if self._ahead is not None and not self.has_begun:
            return self._ahead
        history = self._reader.history
        return None if self.epoch is None else history.position_at(self._cursor.at)

    # All of the following is called under the lock, but for :meth:`deliver`.

    def step(self) -> EncodedBatch | None:
        """Return the next event of the hub itself, if one is due now.

        :raises Refusal: a 204 for a client that has the last event of its topics, or ``absent``
        """
        history = self._reader.history
        if not self.has_begun:
            if history.epoch is None or self._is_ahead():
                return None
            self.has_begun = True
            self._refuse_absent()
            return self._begin()
        if self.epoch != history.epoch:
            return self._gap("reset")
        if self._expired_to is not None:
            return self._gap("expired", floor=self._expired_to)
        return None

    def is_in_memory(self) -> bool:
        """Tell whether memory has every entry after the cursor; mark what it has, if so."""
        history, cursor = self._reader.history, self._cursor
        if self.page or self.is_asking or not history.is_whole_after(cursor.at, cursor.topics):
            return False
        cursor.settle()
        return True

    def overtaken(self) -> EncodedBatch | None:
        """Go on where memory begins, or have the entries before it read."""
        if self._reader.history.complete:
            return self._gap("too-slow", self._lost())
        if not self.is_asking:
            self._ask()
        return None

    def position(self, missed: int | None) -> EncodedBatch:
        """Return the event that says where the client stands."""
        return self._event(POSITION, {"resumed": self._resumes, "missed": missed})

    def deliver(self, place: Position, page: Page) -> None:
        """Take older entries, which were read after ``place``; not under the lock, any thread."""
        history = self._reader.history
        with history.lock:
            self.is_asking = False
            if place == self.place:
                self.page = list(page.entries)
                if page.floor > self._cursor.at:
                    self.page, self._expired_to = [], page.floor
                elif not self.page:  # nothing is left between there and memory
                    self._cursor.at = max(self._cursor.at, history.floor)
        self._wake()

    # ----------------------------------------------------------------------------------------------

    def _ask(self) -> None:
        self.is_asking = True
        self._reader.backfill.ask(self)

    def _is_ahead(self) -> bool:
        """Whether the client may know an entry that this process has yet to hear of.

        Another process may have sent it. The log is asked before the client is refused.
        """
        history, position = self._reader.history, self._resume
        if history.complete or self._ahead is not None:
            return self.is_asking
        if position is None or history.knows(position) is not None:
            if not self._is_absent():
                return False
            position = history.beyond  # all that the log has now
        self._ahead = position
        self.epoch, self._cursor.at = history.epoch, 0 if position is None else position.sequence
        self._ask()
        return True

    def _is_absent(self) -> bool:
        """Whether the client is refused if a topic was never begun, and one was not."""
        lifetimes, topics = self._reader.history.lifetimes, self._cursor.topics
        return self._absent is not None and not all(map(lifetimes.has_begun, topics))

    def _refuse_absent(self) -> None:
        """Refuse a client of a topic that was never begun, now that the log was asked."""
        if self._ahead is not None:
            self.epoch, self._cursor.at = self._made_at
            if self._ahead is not self._resume:
                self.page, self._expired_to = [], None  # they are not the client's next ones
        if self._absent is not None and self._is_absent():
            self.has_ended = True
            raise self._absent

    def _begin(self) -> EncodedBatch | None:
        """Find the place to begin at, and return the first event."""
        history, cursor = self._reader.history, self._cursor
        history.trim()
        position = self._resume
        if self._resumes:
            if position is None:
                return self._gap("unknown")
            if not history.knows(position):
                return self._gap("unknown" if position.epoch == history.stretch else "reset")
            self._go_on_after(position)
        elif self._start == "oldest":
            self._find_oldest()
        elif self.epoch is None:  # it was made before the log was reached
            cursor.at = history.tip
        elif self.epoch != history.epoch:
            return self._gap("reset")
        self.epoch = history.epoch
        missed: int | None = None
        if history.is_whole_after(cursor.at, cursor.topics):
            missed = cursor.settle()
            if missed and not self._counts_missed:
                missed = None
        elif history.complete:
            return self._gap("expired")
        return self.position(missed)

    def _go_on_after(self, position: Position) -> None:
        """Move the cursor to the client's position, unless there is nothing to come back for."""
        self._cursor.at = position.sequence
        last = self._reader.history.lifetimes.last_of(self._cursor.topics)
        if last is not None and last <= position.sequence:
            self.has_ended = True
            raise Refusal(204)

    def _find_oldest(self) -> None:
        """Move the cursor before the first entry of its topics that can be read."""
        history, cursor = self._reader.history, self._cursor
        first = history.lifetimes.first_of(cursor.topics)
        if first is not None:
            cursor.at = max(0, first - 1)
        elif history.complete:
            cursor.at = history.floor
        else:  # only the first page shows where the log begins
            cursor.at, self._forgiven = 0, True

    def _lost(self) -> int | None:
        if not self._counts_missed:
            return None
        return self._cursor.lost(all_of_it=self._on_gap != "oldest")

    def _gap(
        self, reason: GapReason, lost: int | None = None, floor: int | None = None
    ) -> EncodedBatch | None:
        """Go on where the policy says, and tell the client, unless it was told already."""
        history, cursor = self._reader.history, self._cursor
        forgiven, self._forgiven = self._forgiven, False
        self.epoch, self.page, self._expired_to = history.epoch, [], None
        cursor.clear()
        if self._on_gap == "oldest":
            cursor.at = history.floor if floor is None else floor
            if forgiven and reason == "expired":
                return None
            if not history.complete and floor is None:
                # The first page shows where the log begins, and that is not another gap.
                cursor.at, self._forgiven = 0, True
        else:
            cursor.at = history.tip
            self.has_ended = self._on_gap == "close"
        self._reader.count_gap(lost)
        return self._event(GAP, {"reason": reason, "lost": lost})

    def _event(self, name: str, data: object) -> EncodedBatch:
        self._cursor.sent = self._cursor.at
        event = ServerSentEvent(data, event=name, id=str(self.place))
        return EncodedBatch(self._reader.encode(event), 1)
