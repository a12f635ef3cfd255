"""A position is its event ID and nothing else is."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sse_asgi import ServerSentEvent
from sse_asgi.broadcast import Position
from sse_asgi.broadcast.log.entry import new_epoch

EPOCHS = st.text("0123456789abcdefghijklmnopqrstuvwxyz", min_size=1, max_size=16)
SEQUENCES = st.integers(0, 10**16 - 1)


@given(EPOCHS, SEQUENCES)
def test_position_is_parsed_from_its_event_id(epoch: str, sequence: int) -> None:
    position = Position(epoch, sequence)
    assert Position.parse(str(position)) == position
    assert ServerSentEvent("", id=str(position)).id == str(position)


@given(st.text())
def test_whatever_else_is_parsed_is_written_the_same(text: str) -> None:
    position = Position.parse(text)
    assert position is None or str(position) == text


@pytest.mark.parametrize(
    "text",
    [
        "",
        "-",
        "a",
        "a-",
        "-1",
        "a-01",
        "a--1",
        "a-+1",
        "a-1 ",
        " a-1",
        "a-1\n",
        "A-1",
        "a-1-1",
        "a-1.0",
        "a-1e3",
        "a-\N{ARABIC-INDIC DIGIT ONE}",
        "\N{FULLWIDTH DIGIT ONE}-1",
        "a" * 17 + "-1",
        "a-" + "9" * 17,
        "a-" + "9" * 1_000_000,
        "*-1",
        "a-1\0",
    ],
)
def test_anything_else_is_no_position(text: str) -> None:
    assert Position.parse(text) is None


def test_every_life_of_a_log_has_its_own_name() -> None:
    epochs = {new_epoch() for _ in range(100)}
    assert len(epochs) == 100
    assert all(Position.parse(f"{epoch}-1") for epoch in epochs)
