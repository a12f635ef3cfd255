"""Keeps a history up with the log in Redis."""

from __future__ import annotations

from contextlib import suppress
from typing import Final

from ....runtime.change import Change
from ...log.entry import Position
from ...log.history import History
from .connection import RedisConnection
from .log import Newest, RedisLog, State
from .record import Record

__all__ = ["Follower"]

_BURST_READS: Final = 4
"""Entries that have come wait for so many further answers at most."""


class Follower:
    """Appends new entries to the history, and begins it anew when they do not follow on.

    Sequences have no holes. So a hole is always visible: entries were trimmed before we read them,
    someone deleted them, another program wrote its own, or this is a different log.

    :param memory: events and bytes that the history holds
    """

    def __init__(self, log: RedisLog, history: History, *, memory: tuple[int, int]) -> None:
        self._log = log
        self._history = history
        self._memory = memory
        self._moved = Change()
        self._newest = Newest("", "", 0, "")
        self._in_bursts = False
        """Entries came in bursts lately: several, one right after the other."""

    async def read(self, connection: RedisConnection, seconds: float) -> bool:
        """Append the entries that come within some seconds; 0 asks for those that are there.

        Returns whether any came.

        :raises Exception: as for :meth:`.RedisConnection.command`
        """
        history = self._history
        records = await self._tail(connection, seconds)
        if records is None:
            history.heard()
            if seconds:
                await self.check(connection)
            return False
        while records is not None:
            if not records or not self._append(records):
                await self._begin(connection, await self._log.check(connection, self._newest))
                break
            if not self._log.has_more(records):
                break
            records = await self._log.after(connection, history.tip)
        return True

    async def _tail(self, connection: RedisConnection, seconds: float) -> list[Record] | None:
        """Return the entries that come within some seconds; None if none came.

        XREAD that waits answers with the first entry of a burst alone. Subscribers would get that
        entry in one message and the others in another, at twice the cost. So in times of bursts,
        and while this process publishes several entries, the log is read again at once, until the
        burst is over.
        """
        records = await self._log.tail(connection, self._history.tip, seconds)
        if not records or not seconds:
            return records
        if not self._in_bursts and self._log.publications < 2:
            self._in_bursts = len(records) > 1
            return records
        self._in_bursts = False
        for _ in range(_BURST_READS):
            more = await self._log.tail(connection, records[-1].sequence, 0)
            if not more:
                break
            self._in_bursts = True
            records += more
        return records

    def _append(self, records: list[Record]) -> bool:
        """Append the entries that continue the history; tell whether all of them did."""
        tip = self._history.tip
        going = [
            record
            for at, record in enumerate(records, 1)
            if record.sequence == tip + at and self._history.end_of(record.epoch) is not None
        ]
        if going:
            self._history.append(*(record.entry for record in going))
            last = going[-1]
            self._newest = Newest(self._newest.life, last.epoch, last.sequence, last.token)
            self._notify()
        return len(going) == len(records)

    async def check(self, connection: RedisConnection) -> None:
        """Begin the history anew if the log is another one, or lost what lies between."""
        history = self._history
        state = await self._log.check(connection, self._newest)
        if state.life == history.epoch and state.floor <= history.tip:
            if state.stretch != history.stretch:
                history.renew(state.stretch, state.ends)
                self._notify()
            return
        await self._begin(connection, state)

    async def _begin(self, connection: RedisConnection, state: State) -> None:
        # Read after the state, so that an end is in one of the two: here, or in a newer entry.
        marks = await self._log.marks(connection)
        records = await self._log.newest(connection, state, *self._memory)
        floor = records[0].sequence - 1 if records else state.tip
        if records:
            last = records[-1]
            self._newest = Newest(state.life, last.epoch, last.sequence, last.token)
        else:
            self._newest = Newest(state.life, state.stretch, state.tip, "")
        self._history.begin(
            state.life,
            floor,
            state.tip,
            [record.entry for record in records],
            stretch=state.stretch,
            ends=state.ends,
            marks=marks,
        )
        self._notify()

    def _notify(self) -> None:
        with suppress(RuntimeError):  # the event loop of the tasks that waited is gone
            self._moved.notify()

    async def reach(self, position: Position) -> None:
        """Wait until the history knows a position, or is another life's."""
        history = self._history
        life = history.epoch
        while history.epoch == life and history.knows(position) is None:
            await self._moved.wait()
