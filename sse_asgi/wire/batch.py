"""Encoded blocks, joined so that many go out in one message."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple

__all__ = ["EncodedBatch", "IsolatedBlock", "batch_of", "encode_batch", "is_isolated"]

BATCH_BYTES = 65_536


class IsolatedBlock(bytes):
    """An encoded block that is compressed by itself, so it is not joined with others either."""

    __slots__ = ()


class EncodedBatch(NamedTuple):
    """Hold several encoded blocks, joined.

    :param body: the blocks, which are sent as they are
    :param events: how many events they are
    :param isolated: compress the body independently of its neighbours, so that its length reveals
        nothing about them (BREACH)
    """

    body: bytes
    events: int
    isolated: bool = False


def batch_of(block: bytes) -> EncodedBatch:
    """Return the batch that holds one encoded block alone."""
    return EncodedBatch(block, 1, type(block) is IsolatedBlock)


def is_isolated(item: object, block: bytes) -> bool:
    """Tell whether the block of an item of content must be compressed by itself.

    :param block: the body of an :class:`EncodedBatch`, or what an encoder made of another item
    """
    return item.isolated if isinstance(item, EncodedBatch) else type(block) is IsolatedBlock


def encode_batch(
    items: Iterator[object], encode: Callable[[object], bytes]
) -> Iterator[EncodedBatch]:
    """Encode ``items`` and join them, in bodies of about 64 KiB; what is to be isolated stays so.

    An item that cannot be encoded, or an iterator that raises, ends it with that error, after all
    that came before it.
    """
    blocks: list[bytes] = []
    size = 0
    try:
        for item in items:
            block = encode(item)
            if type(block) is IsolatedBlock:
                if blocks:
                    yield EncodedBatch(b"".join(blocks), len(blocks))
                    blocks, size = [], 0
                yield batch_of(block)
                continue
            blocks.append(block)
            size += len(block)
            if size >= BATCH_BYTES:
                yield EncodedBatch(b"".join(blocks), len(blocks))
                blocks, size = [], 0
    except Exception:
        if blocks:
            yield EncodedBatch(b"".join(blocks), len(blocks))
        raise
    if blocks:
        yield EncodedBatch(b"".join(blocks), len(blocks))
