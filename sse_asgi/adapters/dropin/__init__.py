"""The parts of the drop-in for sse-starlette that need no framework: events and AppStatus.

They keep that library's rules where they differ from this one's, so that a program may change its
imports and nothing else.
"""

from __future__ import annotations

from .event import JSONServerSentEvent, ServerSentEvent, ensure_bytes
from .status import AppStatus, ExitListener

__all__ = ["AppStatus", "ExitListener", "JSONServerSentEvent", "ServerSentEvent", "ensure_bytes"]
