"""The runs that one process follows, and the end of those whose owner is lost."""

from __future__ import annotations

import logging
from contextlib import suppress
from typing import Final

import anyio

from ...errors import PublishError, TopicEnded
from ...runtime.change import Change
from ..hub import Hub
from .lease import LeaseWatch
from .message import Message, MessageTopic
from .name import topic_of
from .state import LOST, ended_event

__all__ = ["FollowedRuns"]

_LOOKS: Final = 20
"""Looks at the owners within a lease."""

_ENDS: Final = 10
"""A part of the lease, within which the log must take the end: an end that waits for the end of an
outage would come before the owner's answer.
"""

logger: Final = logging.getLogger("sse_asgi")


class FollowedRuns:
    """Ends the followed runs whose owners are silent for longer than their lease.

    Every process that follows a run may end it. The log takes one last event, so that it ends once.
    """

    def __init__(self, hub: Hub, topic: MessageTopic, *, lease: float) -> None:
        self._hub = hub
        self._topic = topic
        self._pause = lease / _LOOKS
        self._end_timeout = lease / _ENDS
        self._watch = LeaseWatch(lease)
        self._changed = Change()

    def add(self, run: str) -> None:
        """Watch the owner of a run until the run has ended."""
        if not self._hub.history.lifetimes.has_ended(topic_of(run)):
            self._watch.watch(run)
            self._changed.notify()

    def take(self, message: Message) -> None:
        """Take note of a message."""
        if message.kind == "alive":
            self._watch.heard(message.sender, message.run)
        elif message.kind == "call" and message.sender == self._topic.sender and message.run:
            self._watch.returned(message.run)

    async def look(self) -> None:
        """Call silent owners, and end the runs of lost ones, until cancelled."""
        while True:
            while not len(self._watch):
                await self._changed.wait()
            calls, lost = self._watch.due(self._is_live)
            for run in calls:
                await self._call(run)
            for run in lost:
                await self._end(run)
            await anyio.sleep(self._pause)

    def _is_live(self, run: str) -> bool:
        topic, lifetimes = topic_of(run), self._hub.history.lifetimes
        return lifetimes.has_begun(topic) and not lifetimes.has_ended(topic)

    async def _call(self, run: str) -> None:
        try:
            await self._topic.send("call", run)
        except PublishError as exc:
            logger.warning("the owner of the run %s cannot be called: %s", run, exc)
            self._watch.failed(run)

    async def _end(self, run: str) -> None:
        self._watch.failed(run)
        with anyio.move_on_after(self._end_timeout):
            try:
                with suppress(TopicEnded):  # another process was faster
                    await self._hub.publish(topic_of(run), ended_event(LOST), last=True)
                    logger.warning("the run %s has ended: its producer is lost", run)
                self._watch.forget(run)
            except PublishError as exc:
                logger.warning("the run %s cannot be ended: %s", run, exc)
