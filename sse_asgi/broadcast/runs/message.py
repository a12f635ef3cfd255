"""The messages between the processes that own runs and those that follow them."""

from __future__ import annotations

from collections.abc import Callable
from secrets import token_hex
from typing import Any, Final, Literal, NamedTuple, TypeAlias, get_args

from ...wire import MessageEvent, ServerSentEvent
from ..decoded import decoded
from ..hub import Hub

__all__ = ["Kind", "Message", "MessageTopic"]

_TOPIC: Final = "sse-asgi:runs"

Kind: TypeAlias = Literal["alive", "call", "stop"]


class Message(NamedTuple):
    """One message to all processes.

    ========= ====================================================================
    ``alive`` the sender owns runs, and lives; with a run: it owns that run
    ``call``  the sender has not heard of the owner of the run, and asks it to answer
    ``stop``  the sender asks the owner of the run to cancel its producer
    ========= ====================================================================
    """

    kind: Kind
    sender: str
    run: str | None = None

    @property
    def event(self) -> ServerSentEvent:
        """The message as an event."""
        return ServerSentEvent({"sender": self.sender, "run": self.run}, event=self.kind)

    @classmethod
    def of(cls, event: MessageEvent) -> Message | None:
        """Return the message that an event of the topic is; None: it is none."""
        if event.event not in get_args(Kind):
            return None  # the hub's own events, and messages of a later version
        try:
            found: Any = event.json()
            sender, run = found["sender"], found["run"]
        except (ValueError, TypeError, KeyError):
            return None
        is_message = isinstance(sender, str) and (run is None or isinstance(run, str))
        kind: Any = event.event
        return cls(kind, sender, run) if is_message else None


class MessageTopic:
    """The topic of a hub on which one process sends messages, and reads those of all."""

    def __init__(self, hub: Hub) -> None:
        self._hub = hub
        self.sender: str = token_hex(8)
        """Names this process, from one start to the next."""

    async def send(self, kind: Kind, run: str | None = None) -> None:
        """Send a message to all processes, this one included.

        :raises PublishError: the log did not confirm it
        """
        await self._hub.publish(_TOPIC, Message(kind, self.sender, run).event)

    async def receive(self, take: Callable[[Message], object]) -> None:
        """Call ``take`` with each message that comes, until cancelled.

        :raises RuntimeError: the backend of the hub failed
        """
        async with decoded(self._hub.subscribe(_TOPIC)) as events:
            async for event in events:
                message = Message.of(event)
                if message is not None:
                    take(message)
