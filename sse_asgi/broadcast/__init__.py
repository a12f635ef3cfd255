"""One event to many clients: topics, history, resume."""

from .backends.memory import MemoryBackend
from .decoded import decoded
from .hub import Hub
from .log.backend import Backend, Page, ReadyBackend
from .log.entry import Entry, Position
from .log.history import History
from .log.lifetimes import Mark
from .presence import Presence
from .runs import Runs, RunState
from .snapshot import HubSnapshot
from .subscription import Subscription

__all__ = [
    "Backend",
    "Entry",
    "History",
    "Hub",
    "HubSnapshot",
    "Mark",
    "MemoryBackend",
    "Page",
    "Position",
    "Presence",
    "ReadyBackend",
    "RunState",
    "Runs",
    "Subscription",
    "decoded",
]
