"""Tests of endless event streams that end: run any ASGI app in process and read what it streams."""

from ..asgi.types import ASGIApp, Message, ReceiveHook, SendHook
from .client import EventClient
from .clock import VirtualClock, settle
from .connect import ConnectOptions, connect
from .errors import (
    AppLeaked,
    ASGIViolation,
    BodyTruncated,
    LifespanFailed,
    NotAnEventStream,
    StreamEnded,
    StreamError,
    StreamTimeout,
)
from .headers import ResponseHeaders
from .lifespan import lifespan
from .server.profile import (
    ASGI_2_4,
    DAPHNE,
    GRANIAN,
    HYPERCORN,
    HYPERCORN_H2,
    UVICORN,
    ServerProfile,
)
from .sync import SyncEventClient, connect_sync

__all__ = [
    "ASGI_2_4",
    "DAPHNE",
    "GRANIAN",
    "HYPERCORN",
    "HYPERCORN_H2",
    "UVICORN",
    "ASGIApp",
    "ASGIViolation",
    "AppLeaked",
    "BodyTruncated",
    "ConnectOptions",
    "EventClient",
    "LifespanFailed",
    "Message",
    "NotAnEventStream",
    "ReceiveHook",
    "ResponseHeaders",
    "SendHook",
    "ServerProfile",
    "StreamEnded",
    "StreamError",
    "StreamTimeout",
    "SyncEventClient",
    "VirtualClock",
    "connect",
    "connect_sync",
    "lifespan",
    "settle",
]
