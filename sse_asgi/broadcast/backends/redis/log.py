"""The log in Redis: one stream, and the commands on it."""

from __future__ import annotations

import logging
import time
from collections.abc import Awaitable, Mapping
from typing import Any, Final, NamedTuple, TypeVar

from .... import checks
from ....errors import TopicEnded, TopicExists
from ...log.entry import Position, new_epoch
from ...log.lifetimes import MOST_MARKS, Mark
from .answer import Understood
from .connection import RedisConnection, Refused
from .options import Retention
from .pace import Pace
from .record import Record, kind_of, record_of
from .scripts import CHECK, CHECK_FULL, MARKS, PUBLISH, READ, TRIM

__all__ = ["Newest", "RedisLog", "State"]

T = TypeVar("T")

logger: Final = logging.getLogger("sse_asgi")

_TOKEN_MS: Final = 120_000
_CHUNK: Final = 256
_WARM_UP: Final = 2.0
"""Seconds to fill memory for before entries are followed; older ones are read in pages then."""
_TRIMS: Final = 8
"""Attempts to make room in a server at its ``maxmemory``."""
_ENDED: Final = b"ended"
_EXISTS: Final = b"exists"


class Newest(NamedTuple):
    """The newest entry that this process knows, and the life of the log that it belongs to."""

    life: str
    stretch: str
    sequence: int
    token: str


class State(NamedTuple):
    """The extent of the log: it holds every entry after the floor, up to the tip.

    :param stretch: the stretch of new entries
    :param ends: the earlier stretches, each with its last sequence
    """

    life: str
    floor: int
    tip: int
    stretch: str
    ends: Mapping[str, int]


class RedisLog:
    """Reads and writes one log over a connection that is given.

    All methods raise the exceptions of :meth:`.RedisConnection.command`.

    :param name: the log's name. In braces it is the stream's key, so that a cluster keeps all keys
        of the log in one slot
    :raises TypeError: ``name`` is not a string
    :raises ValueError: it is empty, or has braces, which say what a cluster keeps together
    """

    def __init__(self, name: str, retention: Retention) -> None:
        checks.text("name", name)
        if not name or not name.isprintable() or "{" in name or "}" in name:
            raise ValueError(f"name must be printable text without braces, not {name!r}")
        self.key: str = f"{{{name}}}"
        self.pace: Pace = Pace()
        self.publications: int = 0
        """Publications of this process that wait for an answer."""
        self._keys = (self.key.encode(),)
        # Tokens are never empty, so that no token has the key of the marks.
        self._marks_key = self._keys[0] + b":"
        self._retention = retention
        self._is_foreign_known = False

    # -- writing -----------------------------------------------------------------------------------

    async def publish(
        self,
        connection: RedisConnection,
        topic: str,
        block: bytes,
        token: str,
        marks: bytes = b"",
    ) -> Position:
        """Append an event unless its token is known; return its position.

        If the server is at its ``maxmemory``, the log's oldest entries make room.

        :param marks: see :func:`marks_of`
        :raises TopicEnded: the topic has ended
        :raises TopicExists: the event is to begin the topic, which was begun or has ended
        """
        try:
            return await self._publish(connection, topic, block, token, marks)
        except Refused as exc:
            if not exc.is_full:
                raise
        async with connection.trimming:
            for _ in range(_TRIMS):
                try:
                    return await self._publish(connection, topic, block, token, marks)
                except Refused as exc:
                    if not exc.is_full:
                        raise
                    dropped = await connection.script(TRIM, self._keys)
                    if not dropped:
                        raise
                    logger.warning(
                        "Redis is at its maxmemory: the log %s dropped its oldest %d entries",
                        self.key,
                        dropped,
                    )
        return await self._publish(connection, topic, block, token, marks)

    async def _publish(
        self, connection: RedisConnection, topic: str, block: bytes, token: str, marks: bytes
    ) -> Position:
        name = token.encode()
        keys = *self._keys, self._marks_key, self._keys[0] + b":" + name
        self.publications += 1
        try:
            answer = await connection.script(
                PUBLISH,
                keys,
                *(new_epoch(), connection.run_id, topic.encode(), block, name, kind_of(block)),
                *(*self._retention, _TOKEN_MS, marks, MOST_MARKS),
                size=len(block),
            )
        finally:
            self.publications -= 1
        if answer == _ENDED:
            raise TopicEnded(topic)
        if answer == _EXISTS:
            raise TopicExists(topic)
        with Understood(answer):
            stretch, _, sequence = answer.decode().partition("-")
            return Position(stretch, int(sequence))

    async def check(self, connection: RedisConnection, newest: Newest) -> State:
        """Return the extent of the log.

        Begins its life if there is none, and a stretch if the server has started again.
        """
        arguments = new_epoch(), connection.run_id, *newest
        keys = *self._keys, self._marks_key
        try:
            answer = await connection.script(CHECK, keys, *arguments)
        except Refused as exc:
            if not exc.is_full:
                raise
            answer = await connection.script(CHECK_FULL, keys, *arguments)
        with Understood(answer):
            life, floor, tip, stretch, *ends = answer
            names = [name.decode() for name in ends[::2]]
            earlier = dict(zip(names, map(int, ends[1::2]), strict=True))
            return State(life.decode(), int(floor), int(tip), stretch.decode(), earlier)

    # -- reading -----------------------------------------------------------------------------------

    async def newest(
        self, connection: RedisConnection, state: State, max_events: int, max_bytes: int
    ) -> list[Record]:
        """Return the newest entries, oldest first, without a hole up to the tip.

        What does not come within some seconds is left to the pages of older entries.
        """
        found: list[Record] = []
        size, tip, until = 0, state.tip, time.monotonic() + _WARM_UP
        while tip > state.floor and len(found) < max_events and time.monotonic() < until:
            count = min(_CHUNK, max_events - len(found))
            last, first = f"0-{tip}", f"0-{state.floor + 1}"
            records = await self._read(connection, b"XREVRANGE", last, first, count)
            for record in records or ():
                size += len(record.entry.block)
                if record.sequence != tip or size > max_bytes:
                    return found[::-1]
                found.append(record)
                tip -= 1
            if not records:
                break
        return found[::-1]

    async def marks(self, connection: RedisConnection) -> list[Mark]:
        """Return the topics that were begun or have ended, oldest first."""
        found: list[Mark] = []
        while True:
            # From the newest one, so that none is passed over when older ones are dropped.
            answer = await connection.script(
                MARKS, (self._marks_key,), len(found), len(found) + _CHUNK - 1
            )
            with Understood(answer):
                for member, score in zip(answer[::2], answer[1::2], strict=True):
                    topic, is_end = member[1:].decode("utf-8", "replace"), member[:1] == b"l"
                    found.append(Mark(topic, is_end, int(score)))
                if len(answer) < 2 * _CHUNK:
                    return found[::-1]

    async def range(self, connection: RedisConnection, first: int, last: int) -> list[Record]:
        """Return entries from ``first`` to ``last``: as many of the first ones as fit."""
        count = last - first + 1
        return await self._read(connection, b"XRANGE", f"0-{first}", f"0-{last}", count) or []

    async def first_after(self, connection: RedisConnection, sequence: int) -> Record | None:
        """Return the oldest entry after ``sequence``, or None if there is none."""
        records = await self._read(connection, b"XRANGE", f"(0-{sequence}", "+", 1)
        return next(iter(records or ()), None)

    async def after(self, connection: RedisConnection, sequence: int) -> list[Record] | None:
        """Return the next entries after ``sequence``, None if there are none yet."""
        return await self._read(connection, b"XRANGE", f"(0-{sequence}", "+", _CHUNK)

    async def tail(
        self, connection: RedisConnection, sequence: int, seconds: float
    ) -> list[Record] | None:
        """Wait for entries after ``sequence``; None if none came.

        A connection on which nothing comes for some time longer than that is closed: its peer may
        be gone without a word.
        """
        options: list[bytes | int] = [b"COUNT", self.pace.tail]
        if seconds:
            options += [b"BLOCK", round(seconds * 1000)]
        answer = await self._paced(
            connection.command(
                b"XREAD",
                *options,
                *(b"STREAMS", self.key, f"0-{sequence}"),
                wait=seconds + self.pace.wait,
            )
        )
        with Understood(answer):
            return self._parse(answer[self._keys[0]] if answer else ())

    def has_more(self, records: list[Record]) -> bool:
        """Tell whether an answer of :meth:`tail` or :meth:`after` may have been cut short."""
        return len(records) >= self.pace.tail

    async def _read(
        self, connection: RedisConnection, command: bytes, first: str, last: str, count: int
    ) -> list[Record] | None:
        answer = await self._paced(
            connection.script(
                READ,
                self._keys,
                *(command, first, last, count, self.pace.bytes),
                wait=self.pace.wait,
            )
        )
        with Understood(answer):
            return self._parse(answer)

    async def _paced(self, answer: Awaitable[T]) -> T:
        try:
            return await answer
        except TimeoutError:
            self.pace.timed_out()
            raise

    def _parse(self, answer: Any) -> list[Record] | None:
        """Return the entries that are ours; None if there are none at all."""
        if not answer:
            self.pace.answered(0, 0)
            return None
        records = [
            record for identifier, fields in answer if (record := record_of(identifier, fields))
        ]
        size = sum(len(value) for _, fields in answer for value in fields)
        self.pace.answered(len(answer), size)
        if len(records) < len(answer) and not self._is_foreign_known:
            self._is_foreign_known = True
            logger.warning("another program writes to the log %s: its entries are gaps", self.key)
        return records
