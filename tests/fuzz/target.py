"""One thing that takes input of strangers: how to make hostile input for it, and what must hold."""

from __future__ import annotations

import resource
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from time import monotonic
from typing import Any, Final

from hypothesis import HealthCheck, given, seed, settings
from hypothesis import strategies as st

__all__ = ["Excess", "Target", "fuzz"]

MOST_SECONDS: Final = 5.0
"""Seconds that one input may take: each needs milliseconds, but the machine may be busy."""

MOST_MEMORY: Final = 128 * 1_048_576
"""Bytes by which one input may raise the most memory that the process ever held."""


class Excess(AssertionError):
    """One input took more time or memory than is allowed."""


@dataclass(frozen=True)
class Target:
    """A check that must hold for each input.

    :param inputs: makes the inputs
    :param check: raises :exc:`AssertionError`, or any exception that is not documented
    :param corpus: inputs that once failed, or stand for a kind of input that must always be tried
    """

    name: str
    inputs: st.SearchStrategy[Any]
    check: Callable[[Any], object]
    corpus: Sequence[Any] = ()

    def attempt(self, value: object) -> None:
        """Check one input, and the time and memory that it takes.

        :raises Excess: it takes too much
        """
        memory, begin = peak_memory(), monotonic()
        self.check(value)
        seconds, grown = monotonic() - begin, peak_memory() - memory
        if seconds > MOST_SECONDS:
            raise Excess(f"{self.name}: one input took {seconds:.1f} s")
        if grown > MOST_MEMORY:
            raise Excess(f"{self.name}: one input took {grown / 1_048_576:.0f} MiB")


def peak_memory() -> int:
    """Return the most bytes of memory that this process ever held."""
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def fuzz(
    target: Target,
    *,
    examples: int,
    number: int,
    attempt: Callable[[Target, object], object] = Target.attempt,
) -> None:
    """Try ``examples`` inputs; one that fails is made as small as possible before it is raised.

    :param number: the seed; the same number makes the same inputs
    """

    @seed(number)
    @settings(
        max_examples=examples,
        deadline=None,  # Target.attempt has one, which a busy machine keeps
        database=None,  # what fails belongs into the corpus, which everybody has
        suppress_health_check=list(HealthCheck),
        print_blob=False,
    )
    @given(target.inputs)
    def run(value: object) -> None:
        attempt(target, value)

    run()
