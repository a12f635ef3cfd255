"""Try hostile input until the time is up: ``python -m tests.fuzz --seconds 3600 decoder``.

The targets take turns. The first input that fails ends the program, in its smallest form and with
the seed that makes it again. Add it to the target's corpus: the tests try the corpus each time.
"""

from __future__ import annotations

import argparse
import logging
import random
import resource
import signal
from collections import Counter
from contextlib import suppress
from time import monotonic
from typing import Final, NoReturn

from .target import Excess, Target, fuzz, peak_memory
from .targets import TARGETS

__all__ = ["main"]

SLICE: Final = 10.0
"""Seconds of one target before the next one has its turn."""

EXAMPLES: Final = 1000
"""Inputs of one seed; Hypothesis learns from the earlier ones of them."""

STUCK: Final = 30.0
"""Seconds after which an input is stopped."""

ADDRESS_SPACE: Final = 8 * 2**30
"""Bytes of addresses that the process may use, so that a bomb does not take the machine along."""


class TimeIsUp(KeyboardInterrupt):
    """Ends a turn; Hypothesis lets nothing else through at once."""


class Turn:
    """One target's turn, which ends when its time is up, but not while an input is made smaller."""

    def __init__(self, end: float) -> None:
        self._end = end
        self._has_failed = False
        self.inputs = 0

    def attempt(self, target: Target, value: object) -> None:
        """Check one input.

        :raises TimeIsUp: the time is up
        """
        if monotonic() > self._end and not self._has_failed:
            raise TimeIsUp
        self.inputs += 1
        signal.setitimer(signal.ITIMER_REAL, STUCK)
        try:
            target.attempt(value)
        except Exception:
            self._has_failed = True
            raise
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)


def raise_stuck(*args: object) -> NoReturn:
    """Raise where the program is stuck."""
    raise Excess(f"one input took more than {STUCK:g} s")


def run(targets: list[Target], seconds: float, numbers: random.Random) -> Counter[str]:
    """Try each target in turn until the time is up; return the number of inputs of each."""
    tried: Counter[str] = Counter()
    end = monotonic() + seconds
    while monotonic() < end:
        for target in targets:
            share = min(SLICE, seconds / len(targets))
            turn = Turn(min(end, monotonic() + share))
            number = numbers.randrange(2**32)
            try:
                with suppress(TimeIsUp):
                    fuzz(target, examples=EXAMPLES, number=number, attempt=turn.attempt)
            except BaseException as exc:
                exc.add_note(f"target {target.name}, seed {number}")
                raise
            tried[target.name] += turn.inputs
    return tried


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--seed", type=int, default=random.randrange(2**32))
    parser.add_argument("targets", nargs="*", help=f"of {', '.join(t.name for t in TARGETS)}")
    options = parser.parse_args()
    targets = [t for t in TARGETS if t.name in options.targets or not options.targets]
    if len(targets) < len(options.targets):
        parser.error(f"targets are {', '.join(t.name for t in TARGETS)}")
    logging.disable(logging.CRITICAL)  # failing content is logged, and most of it fails
    signal.signal(signal.SIGALRM, raise_stuck)
    resource.setrlimit(resource.RLIMIT_AS, (ADDRESS_SPACE, resource.RLIM_INFINITY))
    print(f"seed {options.seed}", flush=True)
    tried = run(targets, options.seconds, random.Random(options.seed))
    for name, inputs in tried.items():
        print(f"{name:16} {inputs:9,} inputs")
    print(f"nothing found; the most memory was {peak_memory() / 1_048_576:.0f} MiB")


if __name__ == "__main__":
    main()
