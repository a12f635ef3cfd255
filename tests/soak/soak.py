"""The course of a soak: phases with all clients, looks at equal load, an engine that is killed."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Protocol

import anyio
from anyio import to_thread

from .gate import Gate
from .site import Site

__all__ = ["Course", "Killable", "soak"]

KILLED_AT: Final = 0.35
"""The share of a phase after which the engine is killed."""
BACK_AT: Final = 0.5
"""The share of a phase after which it is started again."""


class Killable(Protocol):
    """An engine."""

    def start(self) -> object:
        """Start it, and wait until it answers."""

    def stop(self) -> None:
        """Kill it."""


@dataclass(frozen=True)
class Course:
    """Times in seconds.

    :param whole: from the first client to the last
    :param phase: from one look to the next
    """

    whole: float
    phase: float


async def soak(sites: Sequence[Site], course: Course, engine: Killable | None = None) -> None:
    """Run the clients of all sites, and take samples, until the time is up."""
    gate, begin = Gate(), time.monotonic()
    async with anyio.create_task_group() as tasks:
        for site in sites:
            site.start(tasks, gate)
        while time.monotonic() - begin < course.whole:
            gate.open()
            await _pass_phase(course.phase, engine)
            gate.close()
            await _all(sites, begin)
        gate.open()
        async with anyio.create_task_group() as ends:
            for site in sites:
                ends.start_soon(site.finish)
        tasks.cancel_scope.cancel()


async def _pass_phase(seconds: float, engine: Killable | None) -> None:
    await anyio.sleep(KILLED_AT * seconds)
    if engine is not None:
        await to_thread.run_sync(engine.stop)
    await anyio.sleep((BACK_AT - KILLED_AT) * seconds)
    if engine is not None:
        await to_thread.run_sync(engine.start)
    await anyio.sleep((1 - BACK_AT) * seconds)


async def _all(sites: Sequence[Site], begin: float) -> None:
    async with anyio.create_task_group() as looks:
        for site in sites:
            looks.start_soon(site.take_sample, begin)
