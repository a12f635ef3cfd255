"""Content negotiation: the codings that a client accepts (RFC 9110, 12.4 and 12.5.3)."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

from ..headers import TOKEN

__all__ = ["preferred_codings"]

# A coding and its weight (RFC 9110, 12.4.2); without one the weight is 1.
_ELEMENT: Final = re.compile(
    rf"[ \t]*({TOKEN})[ \t]*"
    r"(?:;[ \t]*[qQ]=(0(?:\.[0-9]{0,3})?|1(?:\.0{0,3})?)[ \t]*)?"
)


def preferred_codings(accept_encoding: str, offered: Iterable[str]) -> list[str]:
    """Return the offered codings that the client accepts and does not rank below ``identity``.

    The best comes first, and codings of the same weight stay in the order in which they are
    offered. The client must name a coding, or ``*``, to get it. A malformed element is ignored. If
    several elements name one coding, the lowest weight counts.

    :param accept_encoding: the value of the header; of several, joined by commas
    :param offered: names of codings, in lower case, without ``identity``
    """
    weights = _weights(accept_encoding)
    others = weights.get("*", 0.0)
    # If the client does not name identity, it accepts it, but prefers every coding that it names.
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
