"""The log as it looks from one event loop, through one set of topics."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Final
from weakref import WeakSet

from ..runtime.eventloop import EventLoop
from ..wire import EncodedBatch, IsolatedBlock, SharedBlock, SharedStream
from ..wire.batch import batch_of
from .log.entry import Entry
from .log.history import History

if TYPE_CHECKING:
    from .subscription import Subscription

__all__ = ["Feed", "LoopFeeds", "join"]

_BATCH_BYTES: Final = 65_536
_SWEEP_FROM: Final = 64
"""Channels from which on it is worth while to look for deserted ones."""

_KEPT_BATCHES: Final = 16


class Feed:
    """What all subscriptions of one event loop to the same topics share.

    It is a :class:`~.history.View`. Those that stand at the same place get the same bytes.
    """

    __slots__ = (
        "_audience",
        "_batches",
        "_stream",
        "_touched",
        "latest",
        "newest",
        "subscribers",
        "topics",
        "total",
        "waiting",
    )

    def __init__(self, audience: LoopFeeds, topics: frozenset[str]) -> None:
        self._audience = audience
        self._batches: dict[int, tuple[EncodedBatch, int]] = {}
        self._stream = SharedStream()
        self._touched = False
        self.topics = topics
        self.subscribers: WeakSet[Subscription] = WeakSet()
        self.waiting: dict[Subscription, Callable[[], object]] = {}
        """What to call for those who have all there is, in the order in which they get more."""
        self.latest: tuple[int, EncodedBatch, int] | None = None
        """What was joined last, with the sequences before and at its end: most want the same."""
        self.total = 0
        """Entries of these topics so far, as far as anybody here knows of them."""
        self.newest = 0
        """The sequence of the newest entry of these topics."""
        self._count()

    def _count(self) -> None:
        history = self._audience.history
        self.total = history.retained(self.topics)
        self.newest = history.newest(self.topics)

    # -- under the history's lock, in any thread ---------------------------------------------------

    def note(self, entry: Entry) -> bool:
        """Take note of a new entry, and have those who wait woken; False: nobody is there."""
        self.newest = entry.sequence
        self.total += 1
        self.latest = None
        self._batches.clear()
        return self._touch()

    def restart(self) -> None:
        """Take note that the history begins anew, and have those who wait woken."""
        self.latest = None
        self._batches.clear()
        self._stream = SharedStream()
        self._count()
        self._touch()

    def _touch(self) -> bool:
        if not self._touched:
            self._touched = bool(self.subscribers) and self._audience.touch(self)
            if not self._touched:
                self._audience.forget(self)
        return self._touched

    def batch_after(self, sequence: int) -> tuple[EncodedBatch, int]:
        """Join the entries after ``sequence``, about 64 KiB of them; return the last one's, too."""
        known = self._batches.get(sequence)
        if known is None:
            if len(self._batches) >= _KEPT_BATCHES:
                self._batches.clear()
            entries = self._audience.history.after(sequence, self.topics)
            known = self._batches[sequence] = self._share(sequence, entries)
        self.latest = (sequence, *known)
        return known

    def _share(self, sequence: int, entries: Sequence[Entry]) -> tuple[EncodedBatch, int]:
        batch, last = join(entries)
        if not batch.isolated:
            blocks = [(entry.sequence, entry.block) for entry in entries[: batch.events]]
            shared = SharedBlock.of(batch.body, self._stream, sequence, blocks)
            batch = EncodedBatch(shared, batch.events)
        return batch, last

    # -- in the event loop's thread ----------------------------------------------------------------

    def wake(self) -> None:
        """Tell those who wait that there is something, or was."""
        self._touched = False
        waiting, self.waiting = self.waiting, {}
        for wake in waiting.values():
            wake()


class LoopFeeds:
    """All that follow one history in one event loop."""

    def __init__(self, history: History) -> None:
        self.history = history
        self.event_loop = EventLoop()
        self._channels: dict[frozenset[str], Feed] = {}
        self._touched: list[Feed] = []
        self._sweep_at = _SWEEP_FROM

    def join(self, subscription: Subscription, topics: frozenset[str]) -> Feed:
        """Return the channel of ``topics`` with ``subscription`` among those who follow it."""
        channel = self._channels.get(topics)
        if channel is None:
            if len(self._channels) >= self._sweep_at:
                self._sweep()
            channel = self._channels[topics] = Feed(self, topics)
            self.history.follow(channel)
        channel.subscribers.add(subscription)
        return channel

    def leave(self, subscription: Subscription, channel: Feed) -> None:
        """Let go of one subscription, and of its channel with the last one."""
        channel.waiting.pop(subscription, None)
        channel.subscribers.discard(subscription)
        if not channel.subscribers and self._channels.get(channel.topics) is channel:
            self.forget(channel)
            self.history.leave(channel)

    def _sweep(self) -> None:
        """Let go of the channels whose subscriptions were all dropped without being closed.

        Publishing to their topics would do so, too, but nobody may ever publish there again.
        """
        for channel in self.channels:
            if not channel.subscribers:
                self.forget(channel)
                self.history.leave(channel)
        self._sweep_at = max(_SWEEP_FROM, 2 * len(self._channels))

    def forget(self, channel: Feed) -> None:
        """Let go of a channel that nobody follows any more."""
        self._channels.pop(channel.topics, None)

    def touch(self, channel: Feed) -> bool:
        """Have the channel woken in its event loop; under the lock, in any thread.

        However much is published meanwhile, each subscription is woken once and gets it all.
        """
        self._touched.append(channel)
        if len(self._touched) == 1:
            try:
                self.event_loop.call_soon(self._wake)
            except RuntimeError:  # that event loop is gone, and its subscriptions with it
                self._touched.clear()
                return False
        return True

    def _wake(self) -> None:
        with self.history.lock:
            touched, self._touched = self._touched, []
        for channel in touched:
            channel.wake()

    @property
    def channels(self) -> list[Feed]:
        """The channels that are followed."""
        return list(self._channels.values())


def join(entries: Sequence[Entry]) -> tuple[EncodedBatch, int]:
    """Join the blocks of the first ``entries``, about 64 KiB; return the last one's sequence.

    What is to be isolated is not joined with others.
    """
    if len(entries) == 1:
        return batch_of(entries[0].block), entries[0].sequence
    blocks: list[bytes] = []
    size = 0
    for entry in entries:
        if type(entry.block) is IsolatedBlock:
            if not blocks:
                return batch_of(entry.block), entry.sequence
            break
        blocks.append(entry.block)
        size += len(entry.block)
        if size >= _BATCH_BYTES:
            break
    return EncodedBatch(b"".join(blocks), len(blocks)), entries[len(blocks) - 1].sequence
