"""Each target's corpus is tried, and some input at random; the program itself finds what is bad."""

from __future__ import annotations

import random

import pytest
from hypothesis import strategies as st

from .__main__ import run
from .target import Excess, Target, fuzz
from .targets import TARGETS

EACH = pytest.mark.parametrize("target", TARGETS, ids=[target.name for target in TARGETS])


@EACH
@pytest.mark.needs("trio")
def test_corpus_holds(target: Target) -> None:
    for value in target.corpus:
        target.attempt(value)


@EACH
@pytest.mark.needs("trio")
def test_some_random_input_holds(target: Target) -> None:
    fuzz(target, examples=10, number=random.randrange(2**32))


def refuse_seven(value: int) -> None:
    assert value < 7, f"found {value}"


def test_failing_input_is_made_small_and_told_with_its_seed() -> None:
    bad = Target("numbers", st.integers(0, 1000), refuse_seven)
    with pytest.raises(AssertionError, match="found 7") as caught:
        run([bad], 5, random.Random(1))
    assert any("target numbers, seed " in note for note in caught.value.__notes__)


def test_input_that_takes_too_long_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tests.fuzz.target.MOST_SECONDS", 0.0)
    with pytest.raises(Excess, match="took"):
        Target("slow", st.none(), refuse_seven).attempt(1)


def test_input_that_takes_too_much_memory_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tests.fuzz.target.MOST_MEMORY", -1)
    with pytest.raises(Excess, match="MiB"):
        Target("large", st.none(), refuse_seven).attempt(1)


def test_run_ends_in_time_and_counts_the_inputs_of_each() -> None:
    target = Target("numbers", st.integers(0, 6), refuse_seven)
    other = Target("others", st.integers(0, 6), refuse_seven)
    tried = run([target, other], 0.2, random.Random(1))
    assert tried["numbers"] > 0
    assert tried["others"] > 0
