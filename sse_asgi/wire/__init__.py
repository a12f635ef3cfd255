"""Bytes of an event stream from and to events. Pure: nothing here waits or does I/O."""

from __future__ import annotations

from .decoder import EventDecoder, MessageEvent
from .encoder import EncodedBatch, Encoder, encode_comment, event_of
from .event import JSONServerSentEvent, ServerSentEvent

__all__ = [
    "EncodedBatch",
    "Encoder",
    "EventDecoder",
    "JSONServerSentEvent",
    "MessageEvent",
    "ServerSentEvent",
    "encode_comment",
    "event_of",
]
