"""Encoded blocks, joined so that many go out in one message."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Final, NamedTuple

__all__ = [
    "BATCH_BYTES",
    "EncodedBatch",
    "IsolatedBlock",
    "as_batch",
    "batch_of",
    "encode_batch",
    "is_isolated",
    "joined",
]

BATCH_BYTES: Final = 65_536
"""Bytes after which a batch is full. A batch is larger only if its last block is."""


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


def as_batch(item: object, encode: Callable[[object], bytes]) -> EncodedBatch:
    """Return an item of content as a batch."""
    return item if isinstance(item, EncodedBatch) else batch_of(encode(item))


def is_isolated(item: object, block: bytes) -> bool:
    """Tell whether the block of an item of content must be compressed by itself.

    :param item: the item, which is often a batch
    :param block: the body of that batch, or the block that an encoder made of another item
    """
    return item.isolated if isinstance(item, EncodedBatch) else type(block) is IsolatedBlock


def encode_batch(
    items: Iterable[object], encode: Callable[[object], bytes]
) -> Iterator[EncodedBatch]:
    """Encode ``items`` and join them, in bodies of about 64 KiB; an isolated block stays alone.

    An item that cannot be encoded, or an iterator that raises, ends it with that error, after the
    batch of everything that came before.
    """
    batch = _Batch()
    try:
        for item in items:
            yield from batch.add(encode(item))
    except Exception:
        yield from batch.rest()
        raise
    yield from batch.rest()


def joined(blocks: Iterable[bytes]) -> EncodedBatch:
    """Return the first batch of encoded ``blocks``, of which there is at least one."""
    batch = _Batch()
    for block in blocks:
        for full in batch.add(block):
            return full
    return next(batch.rest())


class _Batch:
    """Blocks that are collected until they fill a batch."""

    __slots__ = ("_blocks", "_size")

    def __init__(self) -> None:
        self._blocks: list[bytes] = []
        self._size = 0

    def add(self, block: bytes) -> Iterator[EncodedBatch]:
        """Add a block; return the batches that are complete by that."""
        if type(block) is IsolatedBlock:
            yield from self.rest()
            yield batch_of(block)
            return
        self._blocks.append(block)
        self._size += len(block)
        if self._size >= BATCH_BYTES:
            yield from self.rest()

    def rest(self) -> Iterator[EncodedBatch]:
        """Return the blocks that no batch has yet."""
        if self._blocks:
            blocks, self._blocks, self._size = self._blocks, [], 0
            body = blocks[0] if len(blocks) == 1 else b"".join(blocks)
            yield EncodedBatch(body, len(blocks))
