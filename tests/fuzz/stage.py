"""The stage of a schedule: a client that may block, break and leave, and content that obeys."""

from __future__ import annotations

from collections import deque
from collections.abc import AsyncIterator
from contextvars import ContextVar
from typing import Any, Final

import anyio
from anyio.lowlevel import checkpoint

from tests.harness import Message, Peer

__all__ = ["Oops", "Script", "StagePeer"]

own: Final[ContextVar[object]] = ContextVar("own", default=None)


class Oops(Exception):
    """What failing content raises."""


class StagePeer(Peer):
    """A client whose ``send`` blocks, raises, or gives the event loop a turn, as it is told."""

    def __init__(self) -> None:
        super().__init__(on_send=self._act, on_receive=self._fail)
        self.error: Exception | None = None
        self.receive_error = anyio.Event()
        self._receive_raises: Exception | None = None
        self._freed: anyio.Event | None = None
        self.was_blocked = False
        self.is_cut = False
        """A message was interrupted, so that nobody knows whether it went out."""

    async def send(self, message: Message) -> None:
        try:
            await super().send(message)
        except BaseException:
            self.is_cut = True
            raise

    async def _act(self, call: int) -> None:
        if self.error is not None:
            raise self.error
        if self._freed is not None:
            self.was_blocked = True
            await self._freed.wait()
            if self.error is not None:
                raise self.error

    async def _fail(self, call: int) -> Message | None:
        if call == 1:
            return {"type": "http.request", "body": b"", "more_body": False}
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(self._until, self._gone, tasks.cancel_scope)
            tasks.start_soon(self._until, self.receive_error, tasks.cancel_scope)
        if self._receive_raises is not None:
            raise self._receive_raises
        return None

    @staticmethod
    async def _until(event: anyio.Event, scope: anyio.CancelScope) -> None:
        await event.wait()
        scope.cancel()

    def block(self) -> None:
        """Take nothing from now on."""
        if self._freed is None:
            self._freed = anyio.Event()

    def free(self) -> None:
        """Take everything from now on."""
        freed, self._freed = self._freed, None
        if freed is not None:
            freed.set()

    def break_send(self, error: Exception) -> None:
        """Have ``send`` raise from now on."""
        self.error = error

    def break_receive(self, error: Exception) -> None:
        """Have ``receive`` raise."""
        self._receive_raises = error
        self.receive_error.set()


class Script:
    """Content that does what it is told, and notes where it ran and where it was closed.

    :param at_end: what its ``finally`` block does: nothing, "wait" in a shield, or "raise"
    """

    def __init__(self, at_end: str) -> None:
        self.items: list[str] = []
        """All that it has yielded."""
        self.begun = self.closed = 0
        self.faults: list[str] = []
        self._at_end = at_end
        self._steps: deque[object] = deque()
        self._told = anyio.Event()

    def tell(self, step: object) -> None:
        """Have it take one more step: a str is an item, None the end, an exception is raised."""
        self._steps.append(step)
        self._told.set()

    async def step(self) -> Any:
        """Return the next step, or raise it."""
        while not self._steps:
            self._told = anyio.Event()
            await self._told.wait()
        step = self._steps.popleft()
        if isinstance(step, Exception):
            raise step
        if isinstance(step, str):
            self.items.append(step)
        return step

    async def generator(self) -> AsyncIterator[str]:
        """Be an asynchronous generator."""
        self.begun += 1
        task, token = anyio.get_current_task().id, own.set(self)
        try:
            while (item := await self.step()) is not None:
                yield item
        finally:
            self.closed += 1
            if anyio.get_current_task().id != task:
                self.faults.append("it was closed in another task")
            try:
                own.reset(token)
            except ValueError:
                self.faults.append("it was closed in another context")
            await self._end()

    async def _end(self) -> None:
        if self._at_end == "raise":
            raise Oops("in finally")
        if self._at_end == "wait":
            with anyio.CancelScope(shield=True):
                for _ in range(3):
                    await checkpoint()


class ScriptIterator:
    """The same script as an iterator that is no generator."""

    def __init__(self, script: Script) -> None:
        self._script = script

    def __aiter__(self) -> ScriptIterator:
        return self

    async def __anext__(self) -> str:
        self._script.begun = 1
        item: str | None = await self._script.step()
        if item is None:
            raise StopAsyncIteration
        return item

    async def aclose(self) -> None:
        """Note that it was closed."""
        await checkpoint()
        self._script.closed += 1
