"""Which coding a client gets for what it says it accepts (RFC 9110, 12.5.3)."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sse_asgi.wire.negotiation import preferred_codings

OFFERED = ("gzip", "zstd", "br")


@pytest.mark.parametrize(
    ("accept_encoding", "expected"),
    [
        # What browsers and other clients send.
        ("gzip, deflate, br, zstd", ["gzip", "zstd", "br"]),
        ("gzip, deflate, br", ["gzip", "br"]),
        ("gzip, deflate", ["gzip"]),
        ("gzip,deflate", ["gzip"]),
        ("deflate", []),
        ("identity", []),
        ("", []),
        # Weights, and names in any case.
        ("gzip;q=0.5, br;q=0.8, zstd", ["zstd", "br", "gzip"]),
        ("GZip", ["gzip"]),
        ("x-gzip", ["gzip"]),
        ("br ; Q=1.000 ,\tgzip\t;q=0.001", ["br", "gzip"]),
        ("gzip;q=0", []),
        ("gzip;q=0.0, br", ["br"]),
        # Any.
        ("*", ["gzip", "zstd", "br"]),
        ("*;q=0", []),
        ("gzip;q=0, *", ["zstd", "br"]),
        ("br, *;q=0.5", ["br", "gzip", "zstd"]),
        # Identity.
        ("gzip, identity", ["gzip"]),
        ("gzip;q=0.5, identity", []),
        ("gzip;q=0.5, identity;q=0.5", ["gzip"]),
        ("gzip;q=0.4, br;q=0.6, identity;q=0.5", ["br"]),
        ("gzip;q=0.1, identity;q=0", ["gzip"]),
        ("gzip;q=0.1, *;q=0", ["gzip"]),
        ("identity;q=0", []),
        ("identity;q=0, *", ["gzip", "zstd", "br"]),
        ("identity, *;q=0", []),
        # What contradicts itself is refused; what is malformed is not there.
        ("gzip, gzip;q=0", []),
        ("gzip;q=0, gzip", []),
        ("gzip;q=2", []),
        ("gzip;q=-1", []),
        ("gzip;q=0.1234", []),
        ("gzip;q=1.5", []),
        ("gzip;q=", []),
        ("gzip;q", []),
        ("gzip;level=9", []),
        ("gzip;q=1;q=1", []),
        ("gzip;q=nan, br;q=inf", []),
        ("gzip;q=٠", []),
        ("gzip br", []),
        (",, gzip ,", ["gzip"]),
        ("\0, gzip", ["gzip"]),
        ("gzipp, agzip", []),
    ],
)
def test_client_gets_what_it_prefers(accept_encoding: str, expected: list[str]) -> None:
    assert preferred_codings(accept_encoding, OFFERED) == expected


@given(st.text(max_size=200))
def test_any_text_is_safe_and_nothing_is_taken_that_was_not_named(accept_encoding: str) -> None:
    for coding in preferred_codings(accept_encoding, OFFERED):
        assert coding in accept_encoding.lower() or "*" in accept_encoding


@given(
    st.permutations(["gzip", "br", "zstd", "identity"]),
    st.lists(st.integers(0, 1000), min_size=4, max_size=4),
)
def test_order_is_that_of_the_weights(names: list[str], weights: list[int]) -> None:
    pairs = dict(zip(names, weights, strict=True))
    header = ", ".join(f"{name};q={weight / 1000:.3f}" for name, weight in pairs.items())
    taken = preferred_codings(header, OFFERED)
    assert [pairs[name] for name in taken] == sorted((pairs[name] for name in taken), reverse=True)
    for name in OFFERED:
        assert (name in taken) == (pairs[name] > 0 and pairs[name] >= pairs["identity"])
