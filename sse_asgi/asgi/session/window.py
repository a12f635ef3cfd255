"""The delivery window: the events of some milliseconds go out as one message.

The first event after a silence is sent at once, and opens the window. The events that follow
within it wait, in order, for its end. 64 KiB of events, an isolated event, the end of the content
and an error send all that waits. Most of an event's cost is the call of ``send`` (a system call, a
packet, a wake-up of the browser), so a message of ten events costs little more than one event.

The content runs on in its own task and *holds* its events here. The content's task writes what is
held when it sees that it is due. While the content waits for its next event, the timers do so. Only
one message is with ``send`` at a time, and the content waits until it is through, so a slow client
slows the content down as it does without a window.

Content that tells when it has something ready, such as a hub's subscription, holds its events
itself. It is just not asked for them before the window is over: see :class:`Pause`.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from ...wire.batch import BATCH_BYTES, EncodedBatch
from .deadlines import NEVER

if TYPE_CHECKING:
    from .writer import ResponseWriter

__all__ = ["Pause", "Window"]

_FULL_EVENTS: Final = 512
"""Events of a full message of a hub's subscription."""


class Window:
    """Holds the events of one stream until they are due.

    An isolated event is a message by itself: it closes the group of those before it, and is due.

    :param seconds: the time from one message of events to the next
    :param first: the bytes that go before the first event, with the head
    """

    __slots__ = (
        "_blocks",
        "_closed",
        "_events",
        "_first",
        "_now",
        "_seconds",
        "_sent_at",
        "_size",
        "_writer",
        "due_at",
    )

    def __init__(self, writer: ResponseWriter, seconds: float, first: bytes) -> None:
        self._writer = writer
        self._now = writer.now
        self._seconds = seconds
        self._first = first
        self._closed: deque[EncodedBatch] = deque()
        """Messages that nothing more may join."""
        self._blocks: list[bytes] = []
        """The message that still grows, after those."""
        self._events = self._size = 0
        self._sent_at = -NEVER
        self.due_at: float = NEVER
        """When the held events must go out; NEVER: none are held."""

    def hold(self, body: bytes, events: int, isolated: bool = False) -> bool:
        """Hold one event, or several that are joined; return whether they are due."""
        if isolated:
            if self._blocks:
                self._closed.append(self._join())
            self._closed.append(EncodedBatch(body, events, True))
            self.due_at = -NEVER
            return True
        self._blocks.append(body)
        self._events += events
        self._size = size = self._size + len(body)
        if self.due_at == NEVER:
            self.due_at = self._sent_at + self._seconds
        return size >= BATCH_BYTES or self._now() >= self.due_at

    def take(self) -> EncodedBatch | None:
        """Return the next message of held events; None if nothing is held."""
        if self._closed:
            batch = self._closed.popleft()
        elif self._blocks:
            batch = self._join()
        else:
            return None
        self._sent_at = self._now()
        self.due_at = NEVER
        if self._closed:
            self.due_at = -NEVER
        elif self._blocks:
            self.due_at = self._sent_at + self._seconds
        return batch

    async def write_batch(self, batch: EncodedBatch, first: bytes) -> bool:
        """Hold a batch, and write what is due; as :meth:`ResponseWriter.write_batch`."""
        self.hold(*batch)
        return await self.settle()

    async def settle(self) -> bool:
        """Wait for a message that is on its way, then write what is due.

        Returns False once the content may write no more.

        :raises ClientGone: ``send`` raised an :exc:`OSError`
        """
        if self._writer.busy:
            await self._writer.wait_until_free()
        return await self.flush() if self._is_due() else not self._writer.is_halted

    async def flush(self) -> bool:
        """Write the next message of held events, and all those that nothing may join.

        Returns False, and keeps them for the end of the response, once the content may write no
        more.

        :raises ClientGone: ``send`` raised an :exc:`OSError`
        """
        writer = self._writer
        while True:
            if writer.busy:
                await writer.wait_until_free()
            if writer.is_halted:
                return False
            # From here to the call of ``send`` nothing waits, so that the order holds and a
            # cancellation loses nothing.
            batch = self.take()
            if batch is None:
                return True
            if not await writer.write_batch(batch, self._first):
                return False
            if not self._closed:
                return True

    def _is_due(self) -> bool:
        return self._size >= BATCH_BYTES or self._now() >= self.due_at

    def _join(self) -> EncodedBatch:
        blocks, events = self._blocks, self._events
        self._blocks, self._events, self._size = [], 0, 0
        return EncodedBatch(blocks[0] if len(blocks) == 1 else b"".join(blocks), events)


class Pause:
    """Holds back the question for more that follows a message of ready content.

    All that is ready then comes as one message, already joined, and shared with the other clients.

    :param seconds: the time from one message of events to the next
    :param look_at: has the timers look at the stream at that time, or before
    """

    __slots__ = ("_look_at", "_now", "_seconds", "_sent_at", "_wake", "due_at")

    def __init__(
        self, seconds: float, now: Callable[[], float], look_at: Callable[[float], object]
    ) -> None:
        self._seconds = seconds
        self._now = now
        self._look_at: Callable[[float], object] | None = look_at
        self._sent_at = -NEVER
        self._wake: Callable[[], object] | None = None
        self.due_at: float = NEVER
        """When the content must be asked; NEVER: it has nothing ready."""

    def begin(self, batch: EncodedBatch | None, wake: Callable[[], object]) -> Callable[[], object]:
        """Return the function that ready content calls when it has more.

        :param batch: the message that was sent; a full one has no pause after it
        :param wake: asks the content
        """
        self._wake = wake
        if batch is not None:
            if batch.events >= _FULL_EVENTS or len(batch.body) >= BATCH_BYTES:
                return wake
            self._sent_at = self._now()
        return self._ready

    def _ready(self) -> None:
        self.due_at = self._sent_at + self._seconds
        if self._now() >= self.due_at:
            self.wake()
        elif self._look_at is not None:
            self._look_at(self.due_at)

    def wake(self) -> None:
        """Have the content asked now."""
        self.due_at = NEVER
        if self._wake is not None:
            self._wake()

    async def flush(self) -> bool:
        """Have the content asked now, since the window is over."""
        self.wake()
        return True

    def take(self) -> None:
        """Return None: nothing is held here."""

    def end(self) -> None:
        """Ask nothing any more, and let go of the stream."""
        self.due_at = NEVER
        self._wake = self._look_at = None
