"""The log in the engine: one stream, and the commands on it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final, NamedTuple

from ....wire import IsolatedBlock
from ...log.entry import Entry, Position, new_epoch
from .connection import Link
from .scripts import CHECK, PUBLISH

__all__ = ["Log", "Record", "State"]

_TOKEN_MS: Final = 120_000
_JOINABLE: Final = b"b"
_ISOLATED: Final = b"i"
"""The name of the field that holds the block says whether it is an :class:`IsolatedBlock`."""
_CHUNK: Final = 256


class Record(NamedTuple):
    """An entry as the engine keeps it."""

    sequence: int
    epoch: str
    token: str
    entry: Entry


class State(NamedTuple):
    """What the log holds: every entry from the floor, which is not among them, to the tip."""

    epoch: str
    floor: int
    tip: int


class Log:
    """Reads and writes one log over a link that is given.

    All methods raise what :meth:`.Link.command` does.

    :param name: the log's name; it is the stream's key, in braces, so that a cluster keeps all that
        belongs to it in one slot
    :param max_events: entries to keep; the engine drops them in chunks, so some more are there
    :param max_age: seconds to keep entries for; None: no limit
    """

    def __init__(self, name: str, max_events: int, max_age: float | None) -> None:
        self.key = f"{{{name}}}"
        self._max_events = max_events
        self._max_age_ms = max(1, round(max_age * 1000)) if max_age is not None else 0

    async def publish(self, link: Link, topic: str, block: bytes, token: str) -> Position:
        """Append an event unless its token is known; return its position."""
        kind = _ISOLATED if type(block) is IsolatedBlock else _JOINABLE
        options = self._max_events, self._max_age_ms, _TOKEN_MS, kind
        name = token.encode()
        keys = self.key.encode(), self.key.encode() + b":" + name
        answer = await link.script(
            PUBLISH, keys, new_epoch(), topic.encode(), block, name, *options
        )
        epoch, _, sequence = answer.decode().partition("-")
        return Position(epoch, int(sequence))

    async def check(self, link: Link, newest: tuple[str, int, str]) -> State:
        """Return what the log holds, and begin its life if there is none.

        :param newest: epoch, sequence and token of the newest entry that we know
        """
        epoch, floor, tip = await link.script(CHECK, (self.key.encode(),), new_epoch(), *newest)
        return State(epoch.decode(), floor, tip)

    async def newest(
        self, link: Link, state: State, max_events: int, max_bytes: int
    ) -> list[Record]:
        """Return the newest entries, oldest first, without a hole up to the tip."""
        found: list[Record] = []
        size, tip = 0, state.tip
        while tip > state.floor and len(found) < max_events:
            count = min(_CHUNK, max_events - len(found))
            last, first = f"0-{tip}", f"0-{state.floor + 1}"
            answer = await link.command(b"XREVRANGE", self.key, last, first, b"COUNT", count)
            for record in _records(answer):
                size += len(record.entry.block)
                if record.sequence != tip or record.epoch != state.epoch or size > max_bytes:
                    return found[::-1]
                found.append(record)
                tip -= 1
            if not answer:
                break
        return found[::-1]

    async def range(self, link: Link, first: int, last: int) -> list[Record]:
        """Return the entries from ``first`` to ``last``."""
        answer = await link.command(b"XRANGE", self.key, f"0-{first}", f"0-{last}")
        return list(_records(answer))

    async def first_after(self, link: Link, sequence: int) -> Record | None:
        """Return the oldest entry after ``sequence``, or None if there is none."""
        answer = await link.command(b"XRANGE", self.key, f"(0-{sequence}", "+", b"COUNT", 1)
        return next(iter(_records(answer)), None)

    async def tip(self, link: Link) -> Position:
        """Return the position of the newest entry; before the first of no life without any."""
        answer = await link.command(b"XREVRANGE", self.key, "+", "-", b"COUNT", 1)
        return next((record.entry.position for record in _records(answer)), Position("", 0))

    async def tail(self, link: Link, sequence: int, block: float) -> list[Record]:
        """Wait for entries after ``sequence``, at most ``block`` seconds.

        A connection on which nothing comes for some time longer than that is closed: its peer may
        be gone without a word.
        """
        options = b"COUNT", _CHUNK, b"BLOCK", round(block * 1000), b"STREAMS"
        answer = await link.command(b"XREAD", *options, self.key, f"0-{sequence}", wait=block)
        return [] if answer is None else list(_records(answer[self.key.encode()]))


def _records(answer: Any) -> Iterable[Record]:
    for identifier, fields in answer:
        sequence = int(identifier.partition(b"-")[2])
        _, epoch, _, token, _, _, _, topic, kind, block = fields
        if kind == _ISOLATED:
            block = IsolatedBlock(block)
        position = Position(epoch.decode(), sequence)
        yield Record(
            sequence, position.epoch, token.decode(), Entry(position, topic.decode(), block)
        )
