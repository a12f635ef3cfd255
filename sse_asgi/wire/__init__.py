"""Bytes of an event stream from and to events. Pure: nothing here waits or does I/O."""

from __future__ import annotations

from .compression import Compression, check_compression, new_compressor
from .compressor import Compressor
from .decoder import EventDecoder, MessageEvent
from .encoder import EncodedBatch, Encoder, IsolatedBlock, encode_comment, event_of
from .event import JSONServerSentEvent, ServerSentEvent
from .sharing import SharedBlock, SharedStream

__all__ = [
    "Compression",
    "Compressor",
    "EncodedBatch",
    "Encoder",
    "EventDecoder",
    "IsolatedBlock",
    "JSONServerSentEvent",
    "MessageEvent",
    "ServerSentEvent",
    "SharedBlock",
    "SharedStream",
    "check_compression",
    "encode_comment",
    "event_of",
    "new_compressor",
]
