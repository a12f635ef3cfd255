"""The runs that one process owns: their producers, and the proof that the process lives."""

from __future__ import annotations

import logging
from collections.abc import AsyncGenerator
from typing import Any, Final

import anyio
from anyio.abc import TaskGroup

from ...errors import PublishError, RunRefused, TopicEnded
from ...runtime.change import Change
from ..hub import Hub
from .lease import BEATS
from .message import Message, MessageTopic
from .name import topic_of
from .producer import Explain, RunProducer
from .state import RESTARTING, STOPPED, RunState

__all__ = ["OwnedRuns"]

_CLOSE_TIMEOUT: Final = 10.0
"""Seconds to publish the last events of cancelled producers."""

logger: Final = logging.getLogger("sse_asgi")


class OwnedRuns:
    """Owns the producers of this process, from their start until their last event is published.

    :param tasks: runs them
    :param lease: seconds within which this process says three times that it lives
    :param grace: seconds that producers have to end
    :param most: producers at once
    """

    def __init__(
        self,
        hub: Hub,
        topic: MessageTopic,
        tasks: TaskGroup,
        *,
        lease: float,
        grace: float,
        most: int,
        explain: Explain,
    ) -> None:
        self._hub = hub
        self._topic = topic
        self._tasks = tasks
        self._beat = lease / BEATS
        self._grace = grace
        self._most = most
        self._explain = explain
        self._runs: dict[str, RunProducer] = {}
        self._changed = Change()
        self._is_draining = False

    def __contains__(self, run: str) -> bool:
        return run in self._runs

    async def start(self, run: str, producer: AsyncGenerator[Any, Any]) -> bool:
        """Start a run; False: it was begun already, here or elsewhere.

        :raises RunRefused: there are as many as there may be, or the process stops
        :raises PublishError: the log did not confirm the run
        """
        while (other := self._runs.get(run)) is not None:
            await other.settled.wait()
            if other.begun:
                return False
        if self._is_draining:
            raise RunRefused("this process stops: start the run in another one")
        if len(self._runs) >= self._most:
            raise RunRefused(f"this process has {self._most} runs already: start it later")
        self._runs[run] = owned = RunProducer(run, producer, self._hub, self._explain)
        try:
            if await owned.begin(self._topic.sender):
                self._tasks.start_soon(self._produce, owned)
                self._changed.notify()
                return True
            return False
        finally:
            if not owned.begun:
                self._let_go(owned)

    async def _produce(self, owned: RunProducer) -> None:
        try:
            await owned.produce()
        finally:
            self._let_go(owned)

    def _let_go(self, owned: RunProducer) -> None:
        del self._runs[owned.run]
        self._changed.notify()

    def take(self, message: Message) -> None:
        """Do what a message asks for."""
        owned = self._runs.get(message.run or "")
        if owned is None or not owned.begun:
            return
        if message.kind == "stop":
            self._cancel(owned, STOPPED)
        elif message.kind == "call":
            self._tasks.start_soon(self._say_alive, owned.run)

    def stop(self, run: str) -> bool:
        """Cancel the producer of a run; False: it is not here."""
        owned = self._runs.get(run)
        if owned is None or not owned.begun:
            return False
        self._cancel(owned, STOPPED)
        return True

    def _cancel(self, owned: RunProducer, cause: RunState) -> None:
        if owned.cancel(cause):
            self._tasks.start_soon(owned.insist, self._grace)

    # -- the lease ---------------------------------------------------------------------------------

    async def beat(self) -> None:
        """Say three times within a lease that this process lives, while it owns runs."""
        while True:
            while not self._runs:
                await self._changed.wait()
            self._fence()
            await self._say_alive(None)
            await anyio.sleep(self._beat)

    def _fence(self) -> None:
        """Cancel the producers of runs that others have ended: this process was silent."""
        lifetimes = self._hub.history.lifetimes
        for owned in self._runs.values():
            if lifetimes.has_ended(topic_of(owned.run)):
                owned.fence()

    async def _say_alive(self, run: str | None) -> None:
        try:
            await self._topic.send("alive", run)
        except (PublishError, TopicEnded) as exc:
            logger.warning("nobody hears that this process still owns its runs: %s", exc)

    # -- the end -----------------------------------------------------------------------------------

    async def drain(self) -> None:
        """Give the producers their grace, then end them: the process stops."""
        self._is_draining = True
        with anyio.move_on_after(self._grace):
            await self._until_empty()
        for owned in list(self._runs.values()):
            owned.close()
            self._cancel(owned, RESTARTING)
        with anyio.move_on_after(self._grace + _CLOSE_TIMEOUT):
            await self._until_empty()

    async def _until_empty(self) -> None:
        while self._runs:
            await self._changed.wait()
