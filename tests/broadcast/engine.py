"""A log as an engine keeps it, outside of the hub: here a list that several hubs share."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from contextlib import suppress

import anyio
from anyio.lowlevel import checkpoint

from sse_asgi import TopicEnded, TopicExists
from sse_asgi.broadcast import Entry, History, Page, Position
from sse_asgi.broadcast.log.lifetimes import Mark
from sse_asgi.runtime.eventloop import EventLoop


class Engine:
    """The log itself. ``stop`` and ``start`` make it unreachable and reachable again."""

    def __init__(self, *, capacity: int = 1000) -> None:
        self.capacity = capacity
        self.epoch = "one"
        self.entries: list[tuple[int, str, bytes, bool, bool]] = []
        self.marks: list[Mark] = []
        self.tip = 0
        self.tokens: dict[str, Position] = {}
        self.reads = 0
        self.failure: Exception | None = None
        self._lock = threading.Lock()
        self._followers: list[tuple[EventLoop, anyio.Event]] = []
        self._up = True

    @property
    def floor(self) -> int:
        return self.entries[0][0] - 1 if self.entries else self.tip

    def append(
        self,
        topic: str,
        block: bytes,
        token: str | None,
        first: bool = False,
        last: bool = False,
    ) -> Position:
        with self._lock:
            if token in self.tokens:
                return self.tokens[token or ""]
            marked = [mark.is_end for mark in self.marks if mark.topic == topic]
            if first and marked:
                raise TopicExists(topic)
            if any(marked):
                raise TopicEnded(topic)
            self.tip += 1
            self.marks += [Mark(topic, end, self.tip) for end in (False,) * first + (True,) * last]
            self.entries.append((self.tip, topic, block, first, last))
            del self.entries[: -self.capacity]
            position = Position(self.epoch, self.tip)
            if token is not None:
                self.tokens[token] = position
        self.changed()
        return position

    def flush(self, epoch: str = "two") -> None:
        """Lose the log and begin another one."""
        self.epoch, self.entries, self.tip, self.marks = epoch, [], 0, []
        self.changed()

    def stop(self) -> None:
        self._up = False

    def start(self) -> None:
        self._up = True
        self.changed()

    def fail(self, failure: Exception) -> None:
        """Have every backend fail for good."""
        self.failure = failure
        self.changed()

    def changed(self) -> None:
        followers, self._followers = self._followers, []
        for loop, event in followers:
            with suppress(RuntimeError):  # that event loop has ended
                loop.call_soon(event.set)

    async def reached(self) -> None:
        """Wait until the engine can be reached."""
        while not self._up:
            await self.change()

    async def change(self) -> None:
        event = anyio.Event()
        self._followers.append((EventLoop(), event))
        await event.wait()

    def after(self, sequence: int) -> Sequence[tuple[int, str, bytes, bool, bool]]:
        return [entry for entry in self.entries if entry[0] > sequence]


class EngineBackend:
    """A backend on an :class:`Engine`, whose memory holds but the newest few entries."""

    needs_run = True

    def __init__(self, engine: Engine, *, memory: int = 4) -> None:
        self.engine = engine
        self.memory = memory
        self.history = History(max_events=memory, max_bytes=1_000_000, complete=False)
        self.runs = 0

    def _entries(self, found: Sequence[tuple[int, str, bytes, bool, bool]]) -> list[Entry]:
        epoch = self.engine.epoch
        return [
            Entry(Position(epoch, number), topic, block, first=first, last=last)
            for number, topic, block, first, last in found
        ]

    async def run(self) -> None:
        engine, history = self.engine, self.history
        self.runs += 1
        while True:
            await engine.reached()
            if engine.failure is not None:
                raise engine.failure
            if history.epoch != engine.epoch:
                newest = self._entries(engine.entries[-self.memory :])
                floor = newest[0].sequence - 1 if newest else engine.tip
                history.begin(engine.epoch, floor, engine.tip, newest, marks=engine.marks)
            history.append(*self._entries(engine.after(history.tip)))
            if engine.tip == history.tip and engine.epoch == history.epoch:
                await engine.change()

    async def publish(
        self,
        topic: str,
        block: bytes,
        token: str | None,
        *,
        first: bool = False,
        last: bool = False,
    ) -> Position:
        for _ in range(3):
            await checkpoint()  # an engine takes a while
        await self.engine.reached()
        return self.engine.append(topic, block, token, first, last)

    async def read(self, after: Position, limit: int) -> Page:
        engine = self.engine
        await engine.reached()
        engine.reads += 1
        if after.epoch != engine.epoch:
            return Page((), engine.tip)
        if after.sequence > self.history.tip:
            tip = engine.tip
            with anyio.move_on_after(1):
                while self.history.tip < tip:
                    await checkpoint()
            return Page((), 0)
        return Page(self._entries(engine.after(after.sequence)[:limit]), engine.floor)
