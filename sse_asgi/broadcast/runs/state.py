"""The state of a run, as its first and last events tell it."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final, Literal, TypeAlias, get_args

from ...wire import MessageEvent, ServerSentEvent
from ...wire.names import ENDED, STARTED

__all__ = [
    "LOST",
    "RESTARTING",
    "RUNNING",
    "STOPPED",
    "RunState",
    "State",
    "ended_event",
    "started_event",
]

State: TypeAlias = Literal["running", "completed", "failed", "stopped", "forgotten"]


@dataclass(frozen=True, slots=True)
class RunState:
    """The state of a run.

    ============= =================================================================
    ``running``   its producer works, as far as anybody knows
    ``completed`` its producer came to its end
    ``failed``    its producer raised an exception, or was lost with its process
    ``stopped``   somebody called :meth:`Runs.stop`
    ``forgotten`` it has ended, and the log no longer has the event that tells how
    ============= =================================================================

    :param state: one of these words
    :param reason: why a run has failed; None for every other state
    """

    state: State
    reason: str | None = None

    @property
    def has_ended(self) -> bool:
        """Whether the run has ended, in whichever way."""
        return self.state != "running"

    @classmethod
    def of(cls, events: Iterable[MessageEvent]) -> RunState:
        """Return the state that the last event of a run tells, if it is one of ``events``."""
        for event in events:
            with suppress(ValueError, TypeError, KeyError):  # another program has ended the topic
                found: Any = event.json() if event.event == ENDED else None
                state, reason = found["state"], found["reason"]
                if state in get_args(State) and (reason is None or isinstance(reason, str)):
                    return cls(state, reason)
        return cls("forgotten")


RUNNING: Final = RunState("running")
STOPPED: Final = RunState("stopped")
RESTARTING: Final = RunState("failed", "restarting")
"""The process of the producer stops."""
LOST: Final = RunState("failed", "producer lost")
"""The process of the producer was not heard of for the time of its lease."""


def ended_event(end: RunState) -> ServerSentEvent:
    """Return the last event of a run that ends in a state."""
    return ServerSentEvent({"state": end.state, "reason": end.reason}, event=ENDED)


def started_event(run: str, owner: str) -> ServerSentEvent:
    """Return the first event of a run.

    :param owner: names the process of the producer
    """
    return ServerSentEvent({"run": run, "owner": owner}, event=STARTED)
