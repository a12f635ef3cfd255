"""Events to the bytes of a stream, and back. Pure: nothing here waits or does I/O."""

from __future__ import annotations

from .batch import EncodedBatch, IsolatedBlock
from .compression.choice import Compression, check_compression, new_compressor
from .compression.compressors import Compressor
from .compression.shared import SharedBlock, SharedStream
from .decoder import EventDecoder, MessageEvent
from .encoder import Encoder, encode_comment, event_of
from .event import JSONServerSentEvent, ServerSentEvent
from .json import json_default, to_json

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
    "json_default",
    "new_compressor",
    "to_json",
]
