"""What reads the content codings, none of it of this library's make."""

from __future__ import annotations

import zlib
from importlib import import_module
from typing import Any, Protocol

import pytest

__all__ = ["CODINGS", "BodyDecoder", "decoder_of"]

CODINGS = [
    pytest.param("gzip", id="gzip"),
    pytest.param("zstd", id="zstd", marks=pytest.mark.needs("zstd-module", "zstandard")),
    pytest.param("br", id="br", marks=pytest.mark.needs("brotli")),
]


class BodyDecoder(Protocol):
    """Decodes a body piece by piece."""

    def feed(self, data: bytes) -> bytes:
        """Return all that has become readable."""

    @property
    def is_complete(self) -> bool:
        """The body has come to its own end, and nothing followed."""


class _Gzip:
    """Reads the first member, as browsers do."""

    def __init__(self) -> None:
        self._inflate = zlib.decompressobj(31)

    def feed(self, data: bytes) -> bytes:
        return self._inflate.decompress(data)

    @property
    def is_complete(self) -> bool:
        return self._inflate.eof and not self._inflate.unused_data


class _Brotli:
    def __init__(self) -> None:
        self._brotli: Any = import_module("brotli").Decompressor()

    def feed(self, data: bytes) -> bytes:
        decoded = piece = bytes(self._brotli.process(data))
        # It keeps the end of what is much longer than its code.
        while piece and not self._brotli.is_finished():
            piece = bytes(self._brotli.process(b""))
            decoded += piece
        return decoded

    @property
    def is_complete(self) -> bool:
        return bool(self._brotli.is_finished())


class _Zstd:
    """Reads one frame after the other as httpx does: one that ends with a piece is the last."""

    def __init__(self) -> None:
        self._new: Any = import_module("zstandard").ZstdDecompressor().decompressobj
        self._frame = self._new()

    def feed(self, data: bytes) -> bytes:
        decoded = bytes(self._frame.decompress(data))
        while self._frame.eof and self._frame.unused_data:
            data, self._frame = self._frame.unused_data, self._new()
            decoded += self._frame.decompress(data)
        return decoded

    @property
    def is_complete(self) -> bool:
        return bool(self._frame.eof) and not self._frame.unused_data


def decoder_of(coding: str) -> BodyDecoder:
    """Return a decoder of ``coding``."""
    decoders: dict[str, type[BodyDecoder]] = {"gzip": _Gzip, "br": _Brotli, "zstd": _Zstd}
    return decoders[coding]()
