"""One connection, on raw ``scope``, ``receive`` and ``send``."""

from ..runtime.clock import Clock
from .app import EventSourceApp, Handler
from .connection import Connection, Fields, Notice
from .content.ready import ReadyContent
from .content.source import Content, ContentSource
from .cors import CORS
from .loop import drain, revoke, use_clock
from .options import StreamKeywords, StreamOptions
from .outcome import CloseReason, StreamSummary
from .reconnect import DONE_ID, busy, done
from .revocations import follow_revocations
from .stream import EventStream

__all__ = [
    "CORS",
    "DONE_ID",
    "Clock",
    "CloseReason",
    "Connection",
    "Content",
    "ContentSource",
    "EventSourceApp",
    "EventStream",
    "Fields",
    "Handler",
    "Notice",
    "ReadyContent",
    "StreamKeywords",
    "StreamOptions",
    "StreamSummary",
    "busy",
    "done",
    "drain",
    "follow_revocations",
    "revoke",
    "use_clock",
]
