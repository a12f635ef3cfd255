"""The choice of a stream's compressor, by its option and the codings that the client accepts."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import partial
from types import MappingProxyType
from typing import Final, Literal, TypeAlias, get_args

from ...checks import choice, refuse
from ..negotiation import preferred_codings
from .compressors import BrotliCompressor, Compressor, GzipCompressor, ZstdCompressor

__all__ = ["Compression", "check_compression", "new_compressor"]

Compression: TypeAlias = Literal["auto", "pages"]
"""``"auto"`` suits events of any kind and takes little memory. ``"pages"`` suits large HTML that is
sent again and again: its window is large enough to hold the page before.
"""

# In the order in which the server prefers them. gzip compresses small events best; zstd and br win
# when the repeated text is larger than gzip's 32 KiB window.
_AUTO: Final[Mapping[str, Callable[[], Compressor]]] = MappingProxyType(
    {
        "gzip": partial(GzipCompressor, window_log=13, memory_level=5),
        "zstd": partial(ZstdCompressor, window_log=15, hash_log=13),
        "br": partial(BrotliCompressor, window_log=14),
    }
)
_PAGES: Final[Mapping[str, Callable[[], Compressor]]] = MappingProxyType(
    {
        "zstd": partial(ZstdCompressor, window_log=17),
        "br": partial(BrotliCompressor, window_log=18),
        "gzip": partial(GzipCompressor, window_log=15, memory_level=8),
    }
)


def check_compression(value: object) -> None:
    """Refuse a value that is neither a :data:`Compression` nor None.

    :raises TypeError: it is neither a str nor None
    :raises ValueError: it is another str
    """
    if value is not None and not isinstance(value, str):
        raise TypeError(refuse("compression", "'auto', 'pages' or None", value))
    choice("compression", value, (*get_args(Compression), None))


def new_compressor(compression: Compression, accept_encoding: str) -> Compressor | None:
    """Return a compressor for the coding that suits client and server best, or None.

    A client that accepts neither one of these codings nor identity gets identity. RFC 9110, 12.4.1
    allows that or a 406, and a 406 would end an ``EventSource`` for good.

    :param compression: ``"auto"`` or ``"pages"``, as in :class:`sse_asgi.StreamOptions`
    :param accept_encoding: the request's ``Accept-Encoding``; ``""`` if the client sent none
    """
    makers = _AUTO if compression == "auto" else _PAGES
    for coding in preferred_codings(accept_encoding, makers):
        with suppress(ImportError):
            return makers[coding]()
    return None
