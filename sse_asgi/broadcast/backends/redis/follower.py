"""Keeps a history up with the log in the engine."""

from __future__ import annotations

from ...log.history import History
from .connection import Link
from .lease import Bell
from .log import Log, Record, State

__all__ = ["Follower"]


class Follower:
    """Appends what comes to the history, and begins it anew when it does not follow on.

    Sequences have no holes. So whatever was missed shows, be it that it was trimmed before it was
    read, that somebody deleted it, or that the log is another one.

    :param block: seconds to wait for an entry before the log is checked
    :param memory: events and bytes that the history holds
    """

    def __init__(
        self, log: Log, history: History, *, block: float, memory: tuple[int, int]
    ) -> None:
        self._log = log
        self._history = history
        self._block = block
        self._memory = memory
        self._moved = Bell()
        self._newest = ("", 0, "")  # epoch, sequence and token of the history's newest entry

    async def follow(self, link: Link) -> None:
        """Append what comes until the connection is lost.

        :raises Exception: what :meth:`.Link.command` raises
        """
        while True:
            records = await self._log.tail(link, self._history.tip, self._block)
            if not records:
                await self.check(link)
            elif not self._append(records):
                await self._begin(link, await self._log.check(link, self._newest))

    def _append(self, records: list[Record]) -> bool:
        """Append what continues the history; tell whether all of it did."""
        epoch, tip = self._history.epoch, self._history.tip
        going = [
            record
            for at, record in enumerate(records, 1)
            if record.sequence == tip + at and record.epoch == epoch
        ]
        if going:
            self._history.append(*(record.entry for record in going))
            self._newest = going[-1].epoch, going[-1].sequence, going[-1].token
            self._moved.ring()
        return len(going) == len(records)

    async def check(self, link: Link) -> None:
        """Begin the history anew if the log is another one, or lost what lies between."""
        history = self._history
        state = await self._log.check(link, self._newest)
        if state.epoch == history.epoch and state.floor <= history.tip:
            history.heard()
            return
        await self._begin(link, state)

    async def _begin(self, link: Link, state: State) -> None:
        records = await self._log.newest(link, state, *self._memory)
        floor = records[0].sequence - 1 if records else state.tip
        token = records[-1].token if records else ""
        self._newest = state.epoch, state.tip, token
        self._history.begin(state.epoch, floor, state.tip, [record.entry for record in records])
        self._moved.ring()

    async def reach(self, epoch: str, sequence: int) -> None:
        """Wait until the history has an entry, or is another life's."""
        while self._history.epoch == epoch and self._history.tip < sequence:
            await self._moved.wait()
