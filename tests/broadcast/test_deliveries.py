"""The count of what clients were sent: each kind of fault is seen as such."""

from __future__ import annotations

import pytest

from .deliveries import Tally


@pytest.mark.parametrize(
    ("received", "tally"),
    [
        ("a:0 b:0 a:1 a:2 b:1", Tally()),
        ("a:0 b:0 a:2 b:1", Tally(holes=1)),
        ("a:0 b:0 a:1 a:1 a:2 b:1", Tally(duplicates=1)),
        ("b:0 a:1 a:0 a:2 b:1", Tally(disorder=1)),
        ("a:0 b:0 a:1", Tally(unfinished=2)),
        ("a:0", Tally(unfinished=4)),
        ("", Tally(unfinished=5)),
        ("a:1 b:0 b:1 b:0", Tally(holes=1, duplicates=1, disorder=1, unfinished=1)),
    ],
)
def test_holes_duplicates_disorder_and_what_is_unfinished_are_told_apart(
    received: str, tally: Tally
) -> None:
    assert Tally.of(received.split(), {"a": 3, "b": 2}) == tally
