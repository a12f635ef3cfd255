"""The producer of one run, in the process that owns the run, from its first event to its last."""

from __future__ import annotations

import logging
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import aclosing
from inspect import isawaitable
from secrets import token_hex
from typing import Any, Final, TypeAlias

import anyio
from anyio.lowlevel import checkpoint

from ...checks import refuse
from ...errors import PublishError, TopicEnded, TopicExists
from ..hub import Hub
from .name import topic_of
from .state import RESTARTING, RunState, ended_event, started_event

__all__ = ["Explain", "Producer", "RunProducer", "check_producer"]

Producer: TypeAlias = AsyncIterator[Any]
"""An asynchronous generator, as functions with ``yield`` are often annotated."""
Explain: TypeAlias = Callable[[Exception], str]

_END_TIMEOUT: Final = 10.0
"""Seconds for one attempt to publish the last event."""

_PAUSE: Final = 1.0
"""Seconds between two attempts."""

logger: Final = logging.getLogger("sse_asgi")


def check_producer(producer: object) -> AsyncGenerator[Any, Any]:
    """Return ``producer`` if it is an asynchronous generator.

    :raises TypeError: it is not, with the reason
    """
    if isinstance(producer, AsyncGenerator):
        return producer
    rule = "an asynchronous generator"
    if isawaitable(producer):
        getattr(producer, "close", int)()  # a coroutine that nobody awaits would warn
        raise TypeError(f"producer must be {rule}, not a coroutine: write 'yield' in the function")
    hint = ": call the function" if callable(producer) else ""
    raise TypeError(refuse("producer", rule, producer) + hint)


class RunProducer:
    """Publishes the events of one run, and its end, whatever ends it.

    :param explain: says what clients may be told of an exception of the producer
    """

    def __init__(
        self, run: str, producer: AsyncGenerator[Any, Any], hub: Hub, explain: Explain
    ) -> None:
        self.run: str = run
        self.begun: bool | None = None
        """Whether this process has begun the run; None until that is known."""
        self.settled: anyio.Event = anyio.Event()
        """Set as soon as that is known."""
        self.ended: anyio.Event = anyio.Event()
        """Set when nothing more will be done for the run."""
        self._producer = producer
        self._hub = hub
        self._explain = explain
        self._scope = anyio.CancelScope()
        self._cause: RunState | None = None
        self._is_closing = False

    @property
    def topic(self) -> str:
        """The topic of its events."""
        return topic_of(self.run)

    async def begin(self, owner: str) -> bool:
        """Publish the first event; False: the run was begun already, here or elsewhere.

        :raises PublishError: the log did not confirm
        """
        first = started_event(self.run, owner)
        try:
            # A request that is cancelled now leaves no run without a producer.
            with anyio.CancelScope(shield=True):
                await self._publish(first, first=True)
            self.begun = True
        except TopicExists:
            self.begun = False
        finally:
            self.settled.set()
        return self.begun

    async def produce(self) -> None:
        """Publish the producer's events, and the last event."""
        end: RunState | None = RESTARTING
        try:
            with self._scope:
                end = await self._run()
            if self._scope.cancelled_caught:
                end = self._cause
        finally:
            # Only a cancellation from outside leaves the block with an exception: we are stopping.
            with anyio.CancelScope(shield=True):
                await self._end(end)
            self.ended.set()

    async def _run(self) -> RunState | None:
        """Run the producer; return the state in which the run ends, None if it was ended."""
        try:
            async with aclosing(self._producer):
                async for event in self._producer:
                    await self._publish(event)
                    await checkpoint()  # a hub in memory never waits, and the producer may not
                    if self._scope.cancel_called:
                        return self._cause  # it has swallowed its cancellation
        except TopicEnded as exc:
            if exc.topic == self.topic:
                logger.warning("the run %s was ended elsewhere: its producer is closed", self.run)
                return None
            return self._failed(exc)
        except Exception as exc:
            return self._failed(exc)
        return RunState("completed")

    def _failed(self, exc: Exception) -> RunState:
        logger.error("the producer of the run %s failed", self.run, exc_info=exc)
        try:
            return RunState("failed", str(self._explain(exc)))
        except Exception:
            logger.exception("the error of the run %s could not be explained", self.run)
            return RunState("failed", "error")

    async def _publish(self, event: object, *, first: bool = False) -> None:
        try:
            await self._hub.publish(self.topic, event, first=first)
        except PublishError as exc:  # once more: the log has it once
            await self._hub.publish(self.topic, event, first=first, token=exc.token)

    # -- the end -----------------------------------------------------------------------------------

    def cancel(self, cause: RunState) -> bool:
        """Cancel the producer; the run then ends in the state ``cause``. False: it was before."""
        if self._scope.cancel_called:
            return False
        self._cause = cause
        self._scope.cancel()
        return True

    def fence(self) -> None:
        """Cancel the producer of a run that was ended by another process."""
        if not self._scope.cancel_called:
            logger.warning("the run %s was ended elsewhere: its producer is cancelled", self.run)
            self._scope.cancel()

    async def insist(self, grace: float) -> None:
        """End the run, whose producer was cancelled, if the producer has not ended in time."""
        with anyio.move_on_after(grace):
            await self.ended.wait()
            return
        logger.warning("the producer of the run %s does not end: its events do", self.run)
        await self._end(self._cause)

    def close(self) -> None:
        """Make no further attempt to publish the last event than the one that is under way."""
        self._is_closing = True

    async def _end(self, end: RunState | None) -> None:
        """Publish the last event until the log has it."""
        token = token_hex(16)
        while end is not None:
            with anyio.move_on_after(_END_TIMEOUT):
                try:
                    await self._hub.publish(self.topic, ended_event(end), last=True, token=token)
                    return
                except TopicEnded:
                    return
                except PublishError as exc:
                    logger.warning("the end of the run %s is not published: %s", self.run, exc)
            if self._is_closing:
                return  # those who follow the run end it when the lease is over
            await anyio.sleep(_PAUSE)
