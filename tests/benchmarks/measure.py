"""The measuring core: the columns of a row take turns, and are compared within each turn.

The machine's speed drifts by more than the differences that matter. What is reported as a cost is
therefore the median of the ratios of figures that were measured within a moment of each other,
never a ratio of two medians.
"""

from __future__ import annotations

import gc
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from statistics import median, quantiles
from time import process_time
from typing import TypeAlias

from .peers import LIMIT

__all__ = [
    "AGAIN",
    "Effort",
    "Figure",
    "Growth",
    "Quantity",
    "Row",
    "Sampler",
    "Timer",
    "clock",
    "compare",
    "repeated",
]

AGAIN = "limit again"
"""The column that measures the limit against itself: the noise of the others."""

Timer: TypeAlias = Callable[[int], Awaitable[float]]
"""Does a thing so many times, and returns the seconds of :data:`clock` that took."""

clock = process_time
"""Processor time: what other processes do meanwhile is not counted."""

Sampler: TypeAlias = Callable[[], Awaitable[Sequence[float]]]
"""Takes one sample of each quantity that is compared."""


@dataclass(frozen=True, slots=True)
class Growth:
    """How far a hub grows; the first size is the one that the others are held against.

    :param topics: numbers of topics, each with a subscriber
    :param followed: numbers of topics of one subscription
    :param histories: numbers of entries that are kept
    :param sizes: bytes of an event
    :param publishers: numbers of those that publish at the same time
    :param kept: entries that are kept where something else grows
    """

    topics: tuple[int, ...] = (1, 100, 10_000, 100_000)
    followed: tuple[int, ...] = (1, 10, 100, 1_000)
    histories: tuple[int, ...] = (1_000, 10_000, 100_000, 1_000_000)
    sizes: tuple[int, ...] = (10_000, 100, 1_000_000, 8_000_000)
    publishers: tuple[int, ...] = (1, 4, 16, 64)
    kept: int = 100_000

    @classmethod
    def quick(cls) -> Growth:
        """Just enough to see that it runs."""
        return cls((1, 50), (1, 10), (100, 1_000), (100, 100_000), (1, 4), kept=1_000)


@dataclass(frozen=True, slots=True)
class Effort:
    """How much time to spend.

    :param rounds: samples of each column
    :param batch: seconds that one sample of a repeated thing lasts
    :param further: events on the connection in process that the cost of one event is taken from
    :param burst: events on one connection of a real server
    :param connections: connections of a real server, one after the other or at once
    :param audiences: numbers of clients that an event is published to
    :param deliveries: events times clients of one sample
    :param crowds: numbers of clients that have topics of their own
    :param topics: numbers of topics of one subscription, beside one of a single topic
    :param entries: lengths of backlogs; the first is the one that the others are held against
    :param scales: numbers of clients of one worker that are counted by readers
    :param fleet: clients of several workers together
    :param patience: seconds for which events are published to so many clients
    :param silence: seconds for which idle connections are pinged
    :param simulated: clients of the simulated deploy
    :param is_whole: the figures are good enough to be shown
    :param watch: seconds for which clients are watched that get nothing but pings
    :param growth: how far a hub grows
    """

    rounds: int = 15
    batch: float = 0.03
    further: int = 500
    burst: int = 20_000
    connections: int = 1_000
    audiences: tuple[int, ...] = (100, 1_000, 3_000)
    deliveries: int = 20_000
    crowds: tuple[int, ...] = (1_000, 10_000)
    topics: tuple[int, ...] = (10, 100, 1_000)
    entries: tuple[int, ...] = (10_000, 100_000, 1_000_000)
    scales: tuple[int, ...] = (10_000, 19_000)
    fleet: int = 50_000
    patience: float = 10.0
    silence: float = 5.0
    watch: float = 15.0
    simulated: int = 100_000
    is_whole: bool = True
    growth: Growth = Growth()

    @classmethod
    def quick(cls) -> Effort:
        """Just enough to see every column at work."""
        return cls(
            rounds=3,
            batch=0.002,
            further=50,
            burst=1_000,
            connections=50,
            audiences=(10, 50),
            deliveries=1_000,
            crowds=(50, 200),
            topics=(10,),
            entries=(1_000, 5_000),
            scales=(20, 200),
            fleet=300,
            patience=0.2,
            silence=1.0,
            watch=1.0,
            simulated=1_000,
            is_whole=False,
            growth=Growth.quick(),
        )


@dataclass(frozen=True, slots=True)
class Quantity:
    """One thing that is measured: a row of a table.

    :param scale: what a figure is multiplied with to be in ``unit``
    :param rate: more is better
    :param budget: the cost against the limit that the design allows us
    """

    label: str
    unit: str
    scale: float = 1.0
    rate: bool = False
    budget: float | None = None


@dataclass(frozen=True, slots=True)
class Figure:
    """What one column costs.

    :param value: median, in the unit of the row
    :param cost: median of its ratios to the limit; above 1 is costlier, for rates too
    :param spread: half of the distance between the quartiles of these ratios
    """

    value: float
    cost: float
    spread: float


@dataclass(frozen=True, slots=True)
class Row:
    """One quantity, by column."""

    quantity: Quantity
    figures: Mapping[str, Figure]


async def compare(
    quantities: Sequence[Quantity], columns: Mapping[str, Sampler], rounds: int
) -> list[Row]:
    """Measure all columns in turns, after one turn that does not count.

    :param columns: by name; :data:`LIMIT` must be one of them
    """
    names = list(columns)
    gc.collect()
    gc.freeze()
    samples: dict[str, list[Sequence[float]]] = {name: [] for name in names}
    for turn in range(rounds + 1):
        # Nobody always follows the same neighbour.
        start = turn % len(names)
        for name in names[start:] + names[:start]:
            with _quiet():
                sample = await columns[name]()
            if turn:
                samples[name].append(sample)
    gc.unfreeze()
    return [_row(quantity, index, samples) for index, quantity in enumerate(quantities)]


def _row(quantity: Quantity, index: int, samples: Mapping[str, list[Sequence[float]]]) -> Row:
    limit = [sample[index] for sample in samples[LIMIT]]
    figures = {}
    for name, taken in samples.items():
        column = [sample[index] for sample in taken]
        pairs = zip(column, limit, strict=True)
        ratios = [_ratio(b, a) if quantity.rate else _ratio(a, b) for a, b in pairs]
        value = median(column) * quantity.scale
        figures[name] = Figure(value, median(ratios), _spread(ratios))
    return Row(quantity, figures)


def _ratio(figure: float, limit: float) -> float:
    return figure / limit if limit > 0 else float("nan")


def _spread(ratios: Sequence[float]) -> float:
    if len(ratios) < 2:
        return 0.0
    lower, _, upper = quantiles(ratios, n=4, method="inclusive")
    return (upper - lower) / 2


async def repeated(timer: Timer, batch: float) -> Sampler:
    """Return a sampler of the seconds of one repetition, in batches of ``batch`` seconds."""
    count, seconds = 1, await timer(1)
    while seconds < batch / 4:
        count *= 4
        seconds = await timer(count)
    count = max(1, round(count * batch / seconds))

    async def sample() -> tuple[float]:
        return (await timer(count) / count,)

    return sample


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep the garbage collector out, as timeit does: it would charge one column for another."""
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        gc.enable()
