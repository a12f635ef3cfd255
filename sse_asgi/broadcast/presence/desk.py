"""The part of presence that runs: what this process tells the others, and does on their messages.

::

    a client comes or leaves --> the counts of this process change --> "counts" to all
    "hello" comes, or messages were missed                          --> "again" to all
    a beat of ours comes back                                       --> "lost", for silent processes
"""

from __future__ import annotations

import logging
from collections import Counter, OrderedDict
from itertools import islice
from typing import Final, Literal, TypeAlias

import anyio

from ...errors import PublishError, TopicEnded
from ...runtime.change import Change
from ...wire import ServerSentEvent
from ...wire.names import JOINED, LEFT
from ..hub import Hub
from .message import Counts, Kind, Message, PresenceTopic
from .roster import Change as MemberChange
from .roster import Member, Roster

__all__ = ["PresenceDesk"]

_AT_ONCE: Final = 500
"""Members in one message."""

_PAUSE: Final = 0.05
"""Seconds between two messages about changes: the changes meanwhile are one message."""

_GOODBYE: Final = 2.0
"""Seconds to tell the others that this process stops."""

_Telling: TypeAlias = Literal["counts", "again"]

logger: Final = logging.getLogger("sse_asgi")


class PresenceDesk:
    """Tells the other processes who is connected here, and keeps the roster of all.

    :param beat: seconds between two beats
    :param announce: whether to publish who came and left, on the topics themselves
    """

    def __init__(self, hub: Hub, roster: Roster, *, beat: float, announce: bool) -> None:
        self._hub = hub
        self._roster = roster
        self._topic = PresenceTopic(hub)
        self._beat = beat
        self._announce = announce
        self._mine: Counter[Member] = Counter()
        self._untold: OrderedDict[Member, _Telling] = OrderedDict()
        self._events: OrderedDict[Member, str] = OrderedDict()
        self._lost: OrderedDict[str, None] = OrderedDict()
        self._has_begun = False
        """Whether messages come: what is sent before would not come back to us."""
        self._says_hello = False
        self._change = Change()
        self._has_trouble = False

    # -- the clients of this process ---------------------------------------------------------------

    def come(self, member: Member) -> None:
        """Take note of a connection."""
        self._mine[member] += 1
        self._tell(member, "counts")

    def leave(self, member: Member) -> None:
        """Take note that a connection is over."""
        self._mine[member] -= 1
        if not self._mine[member]:
            del self._mine[member]
        self._tell(member, "counts")

    def _tell(self, member: Member, kind: _Telling) -> None:
        if self._untold.get(member) != "counts":
            self._untold[member] = kind
        self._change.notify()

    def _tell_all(self, kind: _Telling) -> None:
        for member in self._mine:
            self._tell(member, kind)

    # -- the messages of all -----------------------------------------------------------------------

    def begin(self) -> None:
        """Begin anew: messages may have been missed."""
        self._roster.clear()
        self._has_begun = self._says_hello = True
        self._tell_all("again")
        self._change.notify()

    def take(self, message: Message) -> None:
        """Do what one message says."""
        roster, is_mine = self._roster, message.sender == self._topic.sender
        if message.kind == "lost":
            self._take_lost(message, is_mine)
        elif message.kind == "gone":
            changes = roster.forget(message.sender)
            if self._topic.sender == min(roster.processes, default=""):
                self._note(changes)
        elif message.kind == "beat" and is_mine:
            self._lost |= dict.fromkeys(roster.beat(message.sender))
            self._change.notify()
        else:
            roster.heard(message.sender)
            if message.kind == "hello" and not is_mine:
                self._tell_all("again")
            counted = [roster.count(message.sender, *count) for count in message.counts]
            if is_mine and message.kind == "counts":
                self._note([change for change in counted if change is not None])

    def _take_lost(self, message: Message, is_mine: bool) -> None:
        if message.process == self._topic.sender:
            self._roster.forget(message.process)
            self._tell_all("counts")  # the others have forgotten them, and say that they left
        elif self._roster.knows(message.process):
            changes = self._roster.forget(message.process)
            if is_mine:
                self._note(changes)

    def _note(self, changes: list[MemberChange]) -> None:
        if self._announce:
            for member, is_here in changes:
                self._events[member] = JOINED if is_here else LEFT
            self._change.notify()

    # -- the tasks ---------------------------------------------------------------------------------

    async def listen(self) -> None:
        """Do what the messages of all processes say, until cancelled."""
        await self._topic.receive(self)

    async def beats(self) -> None:
        """Say that this process lives, until cancelled."""
        while True:
            await anyio.sleep(self._beat)
            await self._attempt("beat")

    async def speak(self) -> None:
        """Send the messages that are due, until cancelled."""
        while True:
            while not self._is_due():
                await self._change.wait()
            if not await self._speak():
                await anyio.sleep(self._beat)
            await anyio.sleep(_PAUSE)

    def _is_due(self) -> bool:
        is_due = self._says_hello or self._untold or self._events or self._lost
        return self._has_begun and bool(is_due)

    async def _speak(self) -> bool:
        """Send what is due now; False: the log did not take it, and it stays due."""
        if self._says_hello:
            if not await self._attempt("hello"):
                return False
            self._says_hello = False
        return await self._send_counts() and await self._send_lost() and await self._publish()

    async def _send_counts(self) -> bool:
        while self._untold:
            kind = next(iter(self._untold.values()))
            same = (member for member, due in self._untold.items() if due == kind)
            members = list(islice(same, _AT_ONCE))
            for member in members:
                del self._untold[member]
            if not await self._attempt(kind, [(one, self._mine[one]) for one in members]):
                for member in members:
                    self._tell(member, kind)
                return False
        return True

    async def _send_lost(self) -> bool:
        while self._lost:
            process, _ = self._lost.popitem()
            if self._roster.is_silent(process) and not await self._attempt("lost", (), process):
                self._lost[process] = None
                return False
        return True

    async def _publish(self) -> bool:
        """Publish who came and left, on the topics themselves."""
        while self._events:
            member, name = self._events.popitem(last=False)
            event = ServerSentEvent({"key": member.key}, event=name)
            try:
                await self._hub.publish(member.topic, event)
            except TopicEnded:
                continue
            except PublishError as exc:
                self._events.setdefault(member, name)
                return self._failed(exc)
        return True

    async def _attempt(self, kind: Kind, counts: Counts = (), process: str = "") -> bool:
        """Send a message; False: the log does not take it."""
        try:
            await self._topic.send(kind, counts, process)
        except PublishError as exc:
            return self._failed(exc)
        self._has_trouble = False
        return True

    def _failed(self, error: PublishError) -> bool:
        if not self._has_trouble:
            self._has_trouble = True
            logger.warning("the other processes do not hear who is connected here: %s", error)
        return False

    async def close(self) -> None:
        """Tell the others that this process stops."""
        with anyio.move_on_after(_GOODBYE):
            await self._attempt("gone")
