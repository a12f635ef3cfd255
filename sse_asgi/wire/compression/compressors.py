"""Compressors of an event stream (RFC 9110, 8.4.1) that are flushed with each message.

A client can decode each message as soon as it has arrived. A gzip stream is one member, because
browsers, curl and httpx take the end of the first member for the end of the body.
"""

from __future__ import annotations

from contextlib import suppress
from importlib import import_module
from typing import Any, Final, Protocol

from ...extras import how_to_install
from .shared import Place, SharedBlock

__all__ = [
    "BrotliCompressor",
    "Compressor",
    "GzipCompressor",
    "ZstdCompressor",
    "import_brotli",
    "import_zstd",
]

# Deflate, no flags, no time, no name, an unknown system (RFC 1952, 2.3).
_GZIP_HEADER: Final = b"\x1f\x8b\x08\0\0\0\0\0\0\xff"
# A last block that holds only the end symbol, in the fixed code (RFC 1951, 3.2.6).
_LAST_BLOCK: Final = b"\x03\0"


class Compressor(Protocol):
    """Compresses one body, message by message."""

    @property
    def coding(self) -> str:
        """The name of the content coding."""

    def compress(self, body: bytes, *, isolate: bool = False) -> bytes:
        """Return ``body`` compressed and flushed.

        :param isolate: compress this body independently of its neighbours, so that its length
            reveals nothing about them (BREACH)
        """

    def finish(self) -> bytes:
        """Return the bytes that end the compressed body. Nothing may follow them."""


class GzipCompressor:
    """gzip (RFC 1952) in about 2 ** (``window_log`` + 2) + 2 ** (``memory_level`` + 9) bytes.

    A :class:`SharedBlock` is not compressed again if the client can use the output that others got.

    :param window_log: the size of the window in bytes, as a power of 2: 9 to 15
    :param memory_level: zlib's ``memLevel``, 1 to 9
    """

    __slots__ = (
        "_begin",
        "_crc",
        "_deflate",
        "_memory_level",
        "_place",
        "_size",
        "_window_log",
        "_zlib",
    )

    coding: Final = "gzip"

    def __init__(self, window_log: int, memory_level: int) -> None:
        import zlib  # nothing but compression needs it

        self._zlib = zlib
        self._window_log = window_log
        self._memory_level = memory_level
        self._deflate: Any = None
        """Compresses for this client alone; it knows every byte since the client last shared."""
        self._place: Place | None = None
        self._begin = _GZIP_HEADER
        self._crc = self._size = 0

    def compress(self, body: bytes, *, isolate: bool = False) -> bytes:
        begin, self._begin = self._begin, b""
        self._crc = self._zlib.crc32(body, self._crc)
        self._size += len(body)
        if type(body) is SharedBlock and not isolate:
            own, shared, self._place = body.follow(self._place)
            if own:
                begin += self._compress(own, isolate=False)
            if shared:
                self._deflate = None
            return begin + shared if begin else shared
        self._place = None
        return begin + self._compress(body, isolate=isolate)

    def _compress(self, body: bytes, *, isolate: bool) -> bytes:
        zlib, deflate = self._zlib, self._deflate
        if deflate is None:
            self._deflate = deflate = zlib.compressobj(
                6, zlib.DEFLATED, -self._window_log, self._memory_level
            )
        coded: bytes
        if isolate:
            # After a full flush, zlib refers to nothing before it.
            before = deflate.flush(zlib.Z_FULL_FLUSH)
            coded = before + deflate.compress(body) + deflate.flush(zlib.Z_FULL_FLUSH)
        else:
            coded = deflate.compress(body) + deflate.flush(zlib.Z_SYNC_FLUSH)
        return coded

    def finish(self) -> bytes:
        last = _LAST_BLOCK if self._deflate is None else self._deflate.flush()
        size = self._size & 0xFFFF_FFFF
        return b"".join(
            (self._begin, last, self._crc.to_bytes(4, "little"), size.to_bytes(4, "little"))
        )


class ZstdCompressor:
    """Zstandard (RFC 8878), at its fastest level.

    :param window_log: the size of the window in bytes, as a power of 2. Clients need not accept
        more than 23 (RFC 9659)
    :param hash_log: the size of the table of repetitions, as a power of 2; None: zstd chooses
    :raises ImportError: neither :mod:`compression.zstd` (Python 3.14) nor ``backports.zstd`` is
        installed
    """

    __slots__ = ("_flush_block", "_flush_frame", "_is_isolated", "_zstd")

    coding: Final = "zstd"

    def __init__(self, window_log: int, hash_log: int | None = None) -> None:
        zstd = import_zstd()
        parameter = zstd.CompressionParameter
        options = {parameter.compression_level: 1, parameter.window_log: window_log}
        if hash_log is not None:
            options[parameter.hash_log] = hash_log
        self._zstd = zstd.ZstdCompressor(options=options)
        self._flush_block = self._zstd.FLUSH_BLOCK
        self._flush_frame = self._zstd.FLUSH_FRAME
        self._is_isolated: bool | None = None

    def compress(self, body: bytes, *, isolate: bool = False) -> bytes:
        end: bytes = b""
        if (isolate and self._is_isolated is not None) or self._is_isolated:
            # A new frame knows nothing of the frame before it. The end of the old frame is sent
            # together with the new one: httpx takes a frame that ends with a piece of the body for
            # the end of the whole body.
            end = self._zstd.compress(b"", self._flush_frame)
        self._is_isolated = isolate
        coded: bytes = self._zstd.compress(body, self._flush_block)
        return end + coded

    def finish(self) -> bytes:
        coded: bytes = self._zstd.flush()
        return coded


class BrotliCompressor:
    """Brotli (RFC 7932) at quality 4. A lower quality gains nothing if every event is flushed.

    Brotli cannot forget its window, so the bodies after an isolated one are stored uncompressed.

    :param window_log: the size of the window in bytes, as a power of 2: 10 to 24
    :raises ImportError: neither ``brotli`` nor ``brotlicffi`` is installed
    """

    __slots__ = ("_brotli", "_is_stored")

    coding: Final = "br"

    def __init__(self, window_log: int) -> None:
        self._brotli: Any = import_brotli().Compressor(quality=4, lgwin=window_log)
        self._is_stored = False

    def compress(self, body: bytes, *, isolate: bool = False) -> bytes:
        begin = b""
        if isolate and not self._is_stored:
            self._is_stored = True
            begin = self._brotli.process(b"") + self._brotli.flush()
        if self._is_stored:
            return begin + _stored(body)
        coded: bytes = self._brotli.process(body) + self._brotli.flush()
        return coded

    def finish(self) -> bytes:
        # The bits ISLAST and ISLASTEMPTY (RFC 7932, 9.2), or the end that the compressor writes.
        coded: bytes = b"\x03" if self._is_stored else self._brotli.finish()
        return coded


def _stored(body: bytes) -> bytes:
    """Return the uncompressed meta-blocks that hold ``body`` (RFC 7932, 9.2)."""
    blocks: list[bytes] = []
    for start in range(0, len(body), 1 << 24):
        piece = body[start : start + (1 << 24)]
        length = len(piece) - 1
        nibbles = max(4, (length.bit_length() + 3) // 4)
        # ISLAST 0, MNIBBLES - 4, MLEN - 1, ISUNCOMPRESSED 1, and zeros up to the next byte.
        header = (nibbles - 4) << 1 | length << 3 | 1 << (3 + 4 * nibbles)
        blocks += (header.to_bytes((11 + 4 * nibbles) // 8, "little"), piece)
    return b"".join(blocks)


def import_zstd() -> Any:
    """Return the module ``compression.zstd`` of Python 3.14, or its backport.

    :raises ImportError: neither is installed
    """
    return _import_first("zstd", "compression.zstd", "backports.zstd")


def import_brotli() -> Any:
    """Return the module ``brotli``, or ``brotlicffi``, which has the same interface for PyPy.

    :raises ImportError: neither is installed
    """
    return _import_first("brotli", "brotli", "brotlicffi")


def _import_first(extra: str, *names: str) -> Any:
    for name in names:
        with suppress(ModuleNotFoundError):
            return import_module(name)
    raise ModuleNotFoundError(f"none of {', '.join(names)} is installed: {how_to_install(extra)}")
