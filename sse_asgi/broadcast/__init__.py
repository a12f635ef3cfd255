"""One event to many clients: topics, history, resume."""

from .backend import Backend, Page
from .backends.memory import MemoryBackend
from .entry import Entry
from .history import History
from .hub import Hub
from .position import Position
from .snapshot import HubSnapshot
from .subscription import Subscription

__all__ = [
    "Backend",
    "Entry",
    "History",
    "Hub",
    "HubSnapshot",
    "MemoryBackend",
    "Page",
    "Position",
    "Subscription",
]
