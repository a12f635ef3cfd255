"""What keeps a hub's log: the one protocol that memory, Redis and others are behind."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, Protocol, runtime_checkable

from .entry import Entry, Position
from .history import History

__all__ = ["Backend", "Page", "ReadyBackend"]


class Page(NamedTuple):
    """Older entries, read from where the log is kept.

    :param entries: oldest first; none when there is nothing after the position
    :param floor: every entry after this sequence can still be read
    """

    entries: Sequence[Entry]
    floor: int


@runtime_checkable
class Backend(Protocol):
    """Keeps one ordered log. Every process that opens the same log sees the same entries in it.

    One backend belongs to one hub. It appends the entries of the log to :attr:`history`, from where
    the hub's subscribers read, and never to two histories.

    A backend may have two more methods. ``follow()`` is called, in any thread, when somebody reads
    for the first time: until then the process only publishes, and :meth:`run` need not keep the
    history. ``after_fork()`` is called in a forked process before anything else; without it, the
    history only lets go of the parent's subscribers.
    """

    history: History
    """The newest entries, in this process."""

    needs_run: bool
    """Whether :meth:`run` must run before anything can be read or published."""

    async def run(self) -> None:
        """Keep :attr:`history` up with the log until cancelled.

        Calls :meth:`History.begin` with what the log holds, :meth:`History.append` for what comes,
        and :meth:`History.begin` again whenever the log turns out to be another one, or to have
        lost what lies between. Rides out outages of whatever keeps the log.
        """

    async def publish(
        self,
        topic: str,
        block: bytes,
        token: str | None,
        *,
        first: bool = False,
        last: bool = False,
    ) -> Position:
        """Append an encoded event, which has no ID yet, and return its position.

        A ``token`` that was published within the last two minutes is not published again: its
        position is returned. The block of its entry is an :class:`IsolatedBlock` if ``block`` is.
        The log decides in one step: an ended topic takes nothing more, and one of all publications
        that are ``first`` in a topic succeeds. The entry is then marked with ``first`` or ``last``.

        :raises TopicEnded: the topic has ended
        :raises TopicExists: ``first``, and the topic was begun so or has ended
        :raises PublishError: the log did not confirm; the event may be in it or not
        """

    async def read(self, after: Position, limit: int) -> Page:
        """Return at most ``limit`` entries after a position that memory does not reach back to.

        For a position beyond the history, wait until the history has what the log had when this
        was called, and return nothing. Waits while the log cannot be reached. Never called when the
        history is complete.
        """


@runtime_checkable
class ReadyBackend(Protocol):
    """A backend that publishes at once, in any thread."""

    def publish_nowait(
        self,
        topic: str,
        block: bytes,
        token: str | None,
        *,
        first: bool = False,
        last: bool = False,
    ) -> Position:
        """Append an encoded event and return its position, without waiting.

        Everything else is as in :meth:`Backend.publish`.
        """
