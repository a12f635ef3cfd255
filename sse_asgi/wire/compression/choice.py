"""Which compressor a stream gets: what it is told to, and what its client accepts."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from functools import partial
from types import MappingProxyType
from typing import Final, Literal, TypeAlias, get_args

from ...checks import choice, refuse
from ...headers import TOKEN
from .compressors import BrotliCompressor, Compressor, GzipCompressor, ZstdCompressor

__all__ = ["Compression", "check_compression", "new_compressor", "preferred_codings"]

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


# A coding and its weight (RFC 9110, 12.4.2); without one the weight is 1.
_ELEMENT: Final = re.compile(
    rf"[ \t]*({TOKEN})[ \t]*"
    r"(?:;[ \t]*[qQ]=(0(?:\.[0-9]{0,3})?|1(?:\.0{0,3})?)[ \t]*)?"
)


def preferred_codings(accept_encoding: str, offered: Iterable[str]) -> list[str]:
    """Return what of ``offered`` the client takes at least as gladly as no coding, the best first.

    Codings of the same weight stay in the order in which they are offered. Nothing is taken that
    was not asked for, by its name or by ``*``. An element that is malformed counts as not there,
    and of several for one coding the lowest counts.

    :param accept_encoding: the value of the header; of several, joined by commas
    :param offered: names of codings, in lower case, without ``identity``
    """
    weights = _weights(accept_encoding)
    others = weights.get("*", 0.0)
    # Without a word on it, identity is acceptable but not preferred to what was named.
    identity = weights.get("identity", others)
    taken = [(weights.get(coding, others), coding) for coding in offered]
    taken = [(weight, coding) for weight, coding in taken if 0 < weight >= identity]
    return [coding for _, coding in sorted(taken, key=lambda pair: -pair[0])]


def _weights(accept_encoding: str) -> dict[str, float]:
    weights: dict[str, float] = {}
    for element in accept_encoding.split(","):
        matched = _ELEMENT.fullmatch(element)
        if matched is None:
            continue
        coding = matched[1].lower()
        if coding == "x-gzip":  # RFC 9110, 8.4.1.3: equivalent
            coding = "gzip"
        weight = float(matched[2] or 1)
        weights[coding] = min(weight, weights.get(coding, 1.0))
    return weights
