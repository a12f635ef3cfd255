"""The messages by which processes tell each other who is connected to them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from secrets import token_hex
from typing import Any, Final, Literal, NamedTuple, Protocol, TypeAlias, get_args

from ...wire import MessageEvent, ServerSentEvent
from ...wire.names import GAP, POSITION
from ..decoded import decoded
from ..hub import Hub
from .roster import Member

__all__ = ["Counts", "Kind", "Listener", "Message", "PresenceTopic"]

_TOPIC: Final = "sse-asgi:presence"

Kind: TypeAlias = Literal["hello", "beat", "counts", "again", "lost", "gone"]
Counts: TypeAlias = Sequence[tuple[Member, int]]


class Message(NamedTuple):
    """One message to all processes.

    ========== ======================================================================
    ``hello``  the sender knows nothing, and asks the others for their members
    ``beat``   the sender lives
    ``counts`` the sender has so many connections of these members; others as before
    ``again``  the same, for members of whom it has told already
    ``lost``   the sender has not heard of the process for long
    ``gone``   the sender has no connections any more, and stops
    ========== ======================================================================
    """

    kind: Kind
    sender: str
    counts: Counts = ()
    process: str = ""

    @property
    def event(self) -> ServerSentEvent:
        """The message as an event."""
        counts = [[*member, connections] for member, connections in self.counts]
        data = {"sender": self.sender, "counts": counts, "process": self.process}
        return ServerSentEvent(data, event=self.kind)

    @classmethod
    def of(cls, event: MessageEvent) -> Message | None:
        """Return the message that an event of the topic is; None: it is none."""
        if event.event not in get_args(Kind):
            return None  # a message of a later version
        kind: Any = event.event
        try:
            found: Any = event.json()
            counts = [
                (Member(str(topic), str(key)), int(number))
                for topic, key, number in found["counts"]
            ]
            return cls(kind, str(found["sender"]), counts, str(found["process"]))
        except (ValueError, TypeError, KeyError):
            return None


class Listener(Protocol):
    """Takes the messages."""

    def begin(self) -> None:
        """Take note that every message comes from now on, and that earlier ones may be missing."""

    def take(self, message: Message) -> None:
        """Do what one message says."""


class PresenceTopic:
    """The topic of a hub on which one process sends messages, and reads those of all."""

    def __init__(self, hub: Hub) -> None:
        self._hub = hub
        self.sender: str = token_hex(8)
        """Names this process, from one start to the next."""

    async def send(
        self, kind: Kind, counts: Iterable[tuple[Member, int]] = (), process: str = ""
    ) -> None:
        """Send a message to all processes, this one included.

        :raises PublishError: the log did not confirm it
        """
        await self._hub.publish(_TOPIC, Message(kind, self.sender, tuple(counts), process).event)

    async def receive(self, listener: Listener) -> None:
        """Give each message that comes to ``listener``, until cancelled.

        :raises RuntimeError: the backend of the hub failed
        """
        has_begun = False
        async with decoded(self._hub.subscribe(_TOPIC)) as events:
            async for event in events:
                if event.event == GAP or (event.event == POSITION and not has_begun):
                    has_begun = True
                    listener.begin()
                elif (message := Message.of(event)) is not None:
                    listener.take(message)
