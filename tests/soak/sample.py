"""What a server process holds at one moment: it looks at itself, on Linux."""

from __future__ import annotations

import gc
import json
import re
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Final

import anyio

__all__ = ["METRICS", "Sample", "answer_sample", "take_sample"]

PROCESS: Final = Path("/proc/self")


@dataclass(frozen=True, slots=True)
class Sample:
    """One look at a server.

    :param streams: open streams, as the application counts them
    :param runs: producers of runs that work
    :param events: numbers that it has published so far
    """

    streams: int
    runs: int
    events: int
    rss: int
    pss: int
    objects: int
    tasks: int
    descriptors: int
    threads: int

    @classmethod
    def parse(cls, text: str) -> Sample:
        """Read the answer of a server."""
        return cls(**json.loads(text))


METRICS: Final = tuple(
    field.name for field in fields(Sample) if field.name not in ("streams", "runs", "events")
)
"""The names of all that must stay flat."""


def take_sample(*, streams: int, runs: int = 0, events: int) -> Sample:
    """Collect the garbage, and look at this process."""
    gc.collect()
    rollup = (PROCESS / "smaps_rollup").read_text("ascii")
    kilobytes = dict(re.findall(r"^(\w+): +(\d+) kB$", rollup, re.MULTILINE))
    return Sample(
        streams=streams,
        runs=runs,
        events=events,
        rss=int(kilobytes["Rss"]) * 1024,
        pss=int(kilobytes["Pss"]) * 1024,
        objects=len(gc.get_objects()),
        tasks=len(anyio.get_running_tasks()),
        descriptors=sum(1 for _ in (PROCESS / "fd").iterdir()),
        threads=sum(1 for _ in (PROCESS / "task").iterdir()),
    )


def answer_sample(*, streams: int, runs: int = 0, events: int) -> str:
    """Return a sample as JSON."""
    return json.dumps(asdict(take_sample(streams=streams, runs=runs, events=events)))
