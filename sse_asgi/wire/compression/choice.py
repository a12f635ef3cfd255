"""Which compressor a stream gets: what it is told to, and what its client accepts."""

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
"""``"auto"`` for events of any kind, in little memory; ``"pages"`` for HTML that is sent again and
again, as large as it may be: the window has to hold the one before.
"""

# In the order in which a server prefers them. Of small events gzip makes less than the others do;
# they win where what is sent again is larger than its window of 32 KiB.
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
    """Refuse what is no :data:`Compression` and not None either.

    :raises TypeError: it is not a str
    :raises ValueError: it is another one
    """
    if value is not None and not isinstance(value, str):
        raise TypeError(refuse("compression", "'auto', 'pages' or None", value))
    choice("compression", value, (*get_args(Compression), None))


def new_compressor(compression: Compression, accept_encoding: str) -> Compressor | None:
    """Return a compressor for the coding that suits client and server best; None: no coding.

    A client that takes no coding that there is, nor identity, gets identity all the same: RFC 9110,
    12.4.1 leaves the choice between that and a 406, which would end an ``EventSource`` for good.

    :param accept_encoding: the request's header of that name; ``""`` if there is none
    """
    makers = _AUTO if compression == "auto" else _PAGES
    for coding in preferred_codings(accept_encoding, makers):
        with suppress(ImportError):
            return makers[coding]()
    return None
