"""Presence: how many clients are connected to a topic, and who, over all processes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import Final, NamedTuple, Self

import anyio
from anyio.abc import TaskGroup

from ... import checks
from ...runtime.eventloop import EventLoop
from ..hub import Hub
from ..publication import check_topic
from ..subscription import Subscription
from .attended import Attended
from .desk import PresenceDesk
from .roster import LOST_AFTER, Member, Roster

__all__ = ["Presence"]

_MOST: Final = 200
"""Characters of a key."""


class _Process(NamedTuple):
    """The presence of this process, while the block is entered."""

    loop: EventLoop
    tasks: TaskGroup
    desk: PresenceDesk
    roster: Roster

    def call(self, function: Callable[[Member], object], member: Member) -> None:
        """Call ``function`` in the event loop of the block."""
        if self.loop.is_running_here:
            function(member)
        else:
            self.loop.call_soon(function, member)


class Presence:
    """Knows how many clients are connected to a topic, and who they are, in all processes of a hub.

    ``async with presence:`` in the application's lifespan, inside of ``async with hub:``, makes the
    process one of those that tell each other. A client is present while its stream is open. The
    clients of a process that dies are present for ``lease`` seconds more.

    What a process knows is a moment old: clients that come and go within 50 ms are one message.

    :param hub: carries the messages of the processes, and the topics
    :param lease: seconds of silence after which a process counts as dead, from 0.2 on; the same in
        all processes
    :param announce: publish an event named ``joined`` on the topic when a member has its first
        connection, and ``left`` when its last one is over: ``{"key": "ann"}``
    :raises TypeError: a parameter is of the wrong type
    :raises ValueError: ``lease`` is out of its range
    """

    def __init__(self, hub: Hub, *, lease: float = 8.0, announce: bool = False) -> None:
        if not isinstance(hub, Hub):
            raise TypeError(checks.refuse("hub", "a Hub", hub))
        self.hub: Hub = hub
        self._beat = checks.seconds("lease", lease, least=0.2) / LOST_AFTER
        self._announce = checks.flag("announce", announce)
        self._process: _Process | None = None

    # -- clients -----------------------------------------------------------------------------------

    def attend(self, topic: str, key: str, subscription: Subscription) -> Attended:
        """Return the content of ``subscription``, for a client that is present while it streams.

        :param topic: the topic in which the client is present
        :param key: names the client's user, device or session: 1 to 200 characters
        :raises TypeError: a parameter is of the wrong type; for content that is no subscription,
            use :meth:`enter` inside it
        :raises ValueError: ``topic`` is empty, or ``key`` is empty or too long
        :raises RuntimeError: the block of ``async with`` was not entered
        """
        if not isinstance(subscription, Subscription):
            rule = "a subscription of the hub (other content uses enter() inside)"
            raise TypeError(checks.refuse("subscription", rule, subscription))
        process, member = self._entered(), _member(topic, key)
        return Attended(
            subscription,
            lambda: process.call(process.desk.come, member),
            lambda: process.call(process.desk.leave, member),
        )

    @contextmanager
    def enter(self, topic: str, key: str) -> Iterator[None]:
        """Have a client present within a ``with`` block, such as one around a generator's events.

        The parameters and exceptions are those of :meth:`attend`.
        """
        process, member = self._entered(), _member(topic, key)
        process.call(process.desk.come, member)
        try:
            yield
        finally:
            process.call(process.desk.leave, member)

    # -- looking -----------------------------------------------------------------------------------

    def who(self, topic: str) -> dict[str, int]:
        """Return the keys of the clients that are present in a topic, with their connections.

        :raises RuntimeError: the block of ``async with`` was not entered in this event loop
        """
        process = self._entered()
        if not process.loop.is_running_here:
            raise RuntimeError("'async with presence:' was entered in another event loop")
        return process.roster.members(topic)

    def count(self, topic: str) -> int:
        """Return how many connections a topic has.

        :raises RuntimeError: the block of ``async with`` was not entered in this event loop
        """
        return sum(self.who(topic).values())

    # -- running -----------------------------------------------------------------------------------

    async def __aenter__(self) -> Self:
        """Tell the other processes who is connected here, until the block is left.

        :raises RuntimeError: the block was entered already
        """
        if self._process is not None:
            raise RuntimeError("'async with presence:' was entered already")
        roster = Roster()
        desk = PresenceDesk(self.hub, roster, beat=self._beat, announce=self._announce)
        tasks = anyio.create_task_group()
        await tasks.__aenter__()
        self._process = _Process(EventLoop(), tasks, desk, roster)
        for task in (desk.listen, desk.beats, desk.speak):
            tasks.start_soon(task)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> bool | None:
        """Tell the other processes that nobody is connected here any more."""
        process, self._process = self._entered(), None
        process.tasks.cancel_scope.cancel()
        try:
            return await process.tasks.__aexit__(kind, error, trace)
        finally:
            with anyio.CancelScope(shield=True):
                await process.desk.close()

    def _entered(self) -> _Process:
        if self._process is None:
            raise RuntimeError("enter 'async with presence:' first, in the application's lifespan")
        return self._process


def _member(topic: str, key: str) -> Member:
    check_topic(topic)
    checks.text("key", key, empty=False)
    if len(key) > _MOST:
        raise ValueError(checks.refuse("key", f"at most {_MOST} characters", key))
    return Member(topic, key)
