"""One connection, on raw ``scope``, ``receive`` and ``send``."""

from .app import EventSourceApp, Handler
from .clock import Clock
from .connection import Connection, Fields
from .content import Content, ContentSource
from .cors import CORS
from .loop import drain, use_clock
from .notice import Notice
from .options import StreamKeywords, StreamOptions
from .ready import ReadyContent
from .reconnect import DONE_ID, busy, done
from .stream import EventStream
from .summary import CloseReason, StreamSummary

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
    "use_clock",
]
