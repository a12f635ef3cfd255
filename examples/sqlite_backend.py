"""A hub's log in an SQLite file, for the processes of one machine: a backend of one's own.

Try: see examples/guide/writing_a_backend.md
"""

import sqlite3
import threading
from collections.abc import Callable, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any, TypeVar

import anyio
import anyio.to_thread

from sse_asgi import PublishError, TopicEnded, TopicExists
from sse_asgi.broadcast import Entry, History, Mark, Page, Position
from sse_asgi.wire import IsolatedBlock

T = TypeVar("T")

SCHEMA = """
CREATE TABLE IF NOT EXISTS life (id INTEGER PRIMARY KEY, epoch TEXT);
INSERT OR IGNORE INTO life VALUES (1, lower(hex(randomblob(4))));
CREATE TABLE IF NOT EXISTS entry (
    sequence INTEGER PRIMARY KEY AUTOINCREMENT, topic TEXT, block BLOB, isolated INTEGER,
    first INTEGER, last INTEGER, token TEXT UNIQUE
);
CREATE TABLE IF NOT EXISTS mark (
    topic TEXT, is_end INTEGER, sequence INTEGER, PRIMARY KEY (topic, is_end)
);
"""


class SQLiteBackend:
    """Every process that opens the file has the same log, and asks it for news now and then."""

    needs_run = True

    def __init__(
        self, path: Path, *, max_events: int = 10_000, memory_events: int = 1000, poll: float = 0.1
    ) -> None:
        self.history = History(max_events=memory_events, max_bytes=64 * 1024 * 1024, complete=False)
        self._max_events, self._memory_events, self._poll = max_events, memory_events, poll
        self._lock = threading.Lock()
        self._path, self._file = path, self._open(path)
        self._file.execute("PRAGMA journal_mode = WAL")
        self._file.executescript(f"BEGIN IMMEDIATE; {SCHEMA} COMMIT;")
        self._file.close()

    @staticmethod
    def _open(path: Path) -> sqlite3.Connection:
        return sqlite3.connect(path, isolation_level=None, check_same_thread=False)

    # -- what a backend does -----------------------------------------------------------------------

    async def run(self) -> None:
        self._file = self._open(self._path)
        with closing(self._file):
            await self._keep(self.history)

    async def _keep(self, history: History) -> None:
        while True:
            epoch, tip = await self._in_thread(self._end)
            if history.epoch != epoch:
                floor = max(0, tip - self._memory_events)
                entries = await self._in_thread(self._entries, floor, tip - floor)
                marks = [
                    Mark(*row) for row in await self._in_thread(self._rows, "SELECT * FROM mark")
                ]
                history.begin(epoch, floor, tip, entries, marks=marks)
            elif tip > history.tip:
                history.append(*await self._in_thread(self._entries, history.tip, 1000))
            history.heard()
            await anyio.sleep(self._poll)

    async def publish(
        self,
        topic: str,
        block: bytes,
        token: str | None,
        *,
        first: bool = False,
        last: bool = False,
    ) -> Position:
        try:
            return await self._in_thread(self._append, topic, block, token, first, last)
        except sqlite3.OperationalError as exc:  # the file is locked, or the disk is full
            raise PublishError(str(exc), token or "") from exc

    async def read(self, after: Position, limit: int) -> Page:
        epoch, tip = await self._in_thread(self._end)
        floor = max(0, tip - self._max_events)
        if after.epoch != epoch:
            return Page((), tip)
        while after.sequence > self.history.tip:  # this process has not heard of it: wait
            await anyio.sleep(self._poll)
            if self.history.tip >= tip:
                return Page((), floor)
        return Page(await self._in_thread(self._entries, after.sequence, limit), floor)

    # -- in threads --------------------------------------------------------------------------------

    async def _in_thread(self, function: Callable[..., T], *arguments: Any) -> T:
        def locked() -> T:
            with self._lock:
                return function(*arguments)

        return await anyio.to_thread.run_sync(locked)

    def _rows(self, query: str, *values: Any) -> list[Any]:
        return self._file.execute(query, values).fetchall()

    def _end(self) -> tuple[str, int]:
        """Return the log's epoch, and the sequence of its newest entry."""
        query = "SELECT epoch, (SELECT coalesce(max(sequence), 0) FROM entry) FROM life"
        ((epoch, tip),) = self._rows(query)
        return epoch, tip

    def _entries(self, after: int, limit: int) -> Sequence[Entry]:
        ((epoch,),) = self._rows("SELECT epoch FROM life")
        rows = self._rows(
            "SELECT sequence, topic, block, isolated, first, last FROM entry"
            " WHERE sequence > ? ORDER BY sequence LIMIT ?",
            after,
            limit,
        )
        return [
            Entry(
                Position(epoch, sequence),
                topic,
                IsolatedBlock(block) if isolated else block,
                first=bool(first),
                last=bool(last),
            )
            for sequence, topic, block, isolated, first, last in rows
        ]

    def _append(
        self, topic: str, block: bytes, token: str | None, first: bool, last: bool
    ) -> Position:
        with self._file:  # one transaction: it is kept whole, or not at all
            self._file.execute("BEGIN IMMEDIATE")
            epoch, tip = self._end()
            for (sequence,) in self._rows("SELECT sequence FROM entry WHERE token = ?", token):
                return Position(epoch, sequence)
            marks = self._rows("SELECT is_end FROM mark WHERE topic = ?", topic)
            if first and marks:
                raise TopicExists(topic)
            if (1,) in marks:
                raise TopicEnded(topic)
            isolated = isinstance(block, IsolatedBlock)
            row = (tip + 1, topic, bytes(block), isolated, first, last, token)
            self._file.execute("INSERT INTO entry VALUES (?, ?, ?, ?, ?, ?, ?)", row)
            for is_end in [False] * first + [True] * last:
                self._file.execute("INSERT INTO mark VALUES (?, ?, ?)", (topic, is_end, tip + 1))
            oldest = tip + 1 - self._max_events
            self._file.execute("DELETE FROM entry WHERE sequence <= ?", (oldest,))
        return Position(epoch, tip + 1)
