"""What one client got, over all of its connections: every number in order, or an honest gap."""

from __future__ import annotations

from sse_asgi.wire import MessageEvent

from .numbers import number_of

__all__ = ["Sequence"]

CONTROL = ("position", "started", "ended")
"""Names of events that hold no number."""


class Sequence:
    """Checks that no number is missing, and that none comes twice.

    :param first: the number that comes first; None: any
    """

    def __init__(self, first: int | None = None) -> None:
        self.next = first
        self.last_event_id = ""
        self.events = 0
        self.gaps = 0
        self.has_ended = False
        self.faults: list[str] = []
        self._least = 0
        """After a gap any number may come that was not there yet."""

    def take(self, event: MessageEvent) -> None:
        """Take the next event."""
        self.last_event_id = event.id
        if event.event == "gap":
            self.gaps += 1
            self.next = None
        elif event.event == "ended":
            self.has_ended = True
        elif event.event not in CONTROL:
            self._take_number(number_of(event.data))

    def _take_number(self, number: int) -> None:
        self.events += 1
        if self.next is not None and number != self.next:
            self.faults.append(f"{number} came instead of {self.next}")
        elif number < self._least:
            self.faults.append(f"{number} came again after a gap")
        self.next = self._least = number + 1
