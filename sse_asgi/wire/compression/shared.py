"""One compressed stream for all clients that get the same bytes.

Deflate (RFC 1951) refers to earlier text by its distance in bytes. A client can use the shared
output only if it received every byte of it since that compressor was created, with nothing of its
own in between. We call that stretch a run. Runs are short, so a client that joined late or was sent
something of its own can join the next one.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple, TypeAlias

__all__ = ["Piece", "Place", "Run", "SharedBlock", "SharedStream"]

RUN_BLOCKS: Final = 100
RUN_BYTES: Final = 1_048_576
"""A run ends after so many blocks, or compressed bytes. They are kept for clients that lag."""


class Run:
    """Blocks that one compressor has compressed, one after the other."""

    __slots__ = ("_deflate", "_flush", "_size", "end", "pieces")

    def __init__(self) -> None:
        import zlib  # nothing but compression needs it

        self._deflate = zlib.compressobj(6, zlib.DEFLATED, -15, 8)
        self._flush = zlib.Z_SYNC_FLUSH
        self._size = 0
        self.pieces: dict[int, Piece] = {}
        self.end: int = 0
        """The number of the last block."""

    @property
    def is_full(self) -> bool:
        """Whether the next block must begin another run."""
        return len(self.pieces) >= RUN_BLOCKS or self._size >= RUN_BYTES

    def add(self, number: int, block: bytes) -> Piece:
        """Compress one more block."""
        coded = self._deflate.compress(block) + self._deflate.flush(self._flush)
        piece = self.pieces[number] = Piece(self, len(self.pieces), coded)
        self._size += len(coded)
        self.end = number
        return piece


class Piece(NamedTuple):
    """One block, compressed as a part of a run."""

    run: Run
    order: int
    coded: bytes


Place: TypeAlias = tuple[Run, int]
"""Where a client stands: the run, and the number of the block that it can decode next."""


class SharedStream:
    """Compresses numbered blocks once for all clients, when the first client asks for them."""

    __slots__ = ("_before", "_run")

    def __init__(self) -> None:
        self._run: Run | None = None
        self._before: Run | None = None  # some clients still take from it

    def pieces(self, after: int, blocks: Sequence[tuple[int, bytes]]) -> list[Piece | None]:
        """Return the compressed ``blocks``; None for each that is older than the kept runs.

        :param after: the number of the block just before them
        :param blocks: the blocks with their numbers, which rise
        """
        found = []
        for number, block in blocks:
            found.append(self._piece(after, number, block))
            after = number
        return found

    def _piece(self, after: int, number: int, block: bytes) -> Piece | None:
        for run in (self._run, self._before):
            if run is not None and number in run.pieces:
                return run.pieces[number]
        run = self._run
        if run is not None and number < run.end:
            return None
        if run is None or run.is_full or after != run.end:
            self._before, self._run = run, Run()
            run = self._run
        return run.add(number, block)


class SharedBlock(bytes):
    """Joined blocks that many clients get, and that are compressed once for all of them."""

    _after: int
    _blocks: Sequence[tuple[int, bytes]]
    _coded: tuple[int, list[Piece], bytes] | None
    _stream: SharedStream

    @classmethod
    def of(
        cls, body: bytes, stream: SharedStream, after: int, blocks: Sequence[tuple[int, bytes]]
    ) -> SharedBlock:
        """Return ``body``, the joined ``blocks``; see :meth:`SharedStream.pieces`."""
        shared = cls(body)
        shared._stream, shared._after, shared._blocks, shared._coded = stream, after, blocks, None
        return shared

    def follow(self, place: Place | None) -> tuple[bytes, bytes, Place | None]:
        """Return the bytes for this client alone, the shared bytes after them, and its new place.

        :param place: where the client stands; None: in no run
        """
        if self._coded is None:
            pieces = self._stream.pieces(self._after, self._blocks)
            # The pieces after the last gap follow one another, within a run or into the next run.
            gaps = [number for number, piece in enumerate(pieces, 1) if piece is None]
            begin = gaps[-1] if gaps else 0
            whole = [piece for piece in pieces[begin:] if piece is not None]
            self._coded = begin, whole, b"".join(piece.coded for piece in whole)
        begin, whole, coded = self._coded
        if not whole:
            return self, b"", None
        first, last = whole[0], whole[-1]
        then = last.run, last.order + 1
        if not begin and (not first.order or place == (first.run, first.order)):
            return b"", coded, then
        for number, piece in enumerate(whole):
            if not piece.order:
                own = b"".join(block for _, block in self._blocks[: begin + number])
                return own, b"".join(piece.coded for piece in whole[number:]), then
        return self, b"", None
