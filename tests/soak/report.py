"""The table of a soak, and all that was wrong."""

from __future__ import annotations

import platform
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from os import cpu_count
from typing import Final

from sse_asgi import __version__

from .site import Site
from .verdict import Growth, judge

__all__ = ["faults", "table", "where"]

PACKAGES: Final = ("anyio", "uvicorn", "hypercorn", "granian", "trio")
MIB: Final = 1_048_576
MOST_FAULTS: Final = 20
"""Faults of one site that are told."""


def where() -> str:
    """Say when and on which machine and versions the soak ran."""
    versions = ", ".join(f"{name} {version(name)}" for name in PACKAGES)
    system = f"Python {platform.python_version()}, {platform.system()}, {cpu_count()} cores"
    versions = f"sse_asgi {__version__}, {versions}"
    return f"{datetime.now(UTC):%d %B %Y}, {system}; {versions}"


def table(sites: Sequence[Site], warm_up: float) -> str:
    """Return a table in Markdown: how each site's metrics moved, and what its clients got."""
    heads = ["", "RSS", "PSS", "objects", "tasks", "descriptors", "threads"]
    heads += ["connections", "numbers", "interrupted", "gaps"]
    rows = [heads, ["---"] * len(heads)]
    for site in sites:
        moves = judge(site.samples, warm_up)
        clients = [client for client, _ in site.clients]
        sequences = [sequence for client in clients for sequence in client.sequences]
        rows.append(
            [site.name]
            + [_move(move) for move in moves]
            + [f"{sum(client.connections for client in clients):,}"]
            + [f"{sum(sequence.events for sequence in sequences):,}"]
            + [f"{sum(client.interruptions for client in clients):,}"]
            + [f"{sum(sequence.gaps for sequence in sequences):,}"]
        )
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def _move(move: Growth) -> str:
    size = f"{move.first / MIB:.1f} MiB" if move.metric in ("rss", "pss") else f"{move.first:,.0f}"
    return f"{size} {move.share:+.1%}"


def faults(site: Site, warm_up: float) -> Iterator[str]:
    """Yield all that is wrong with a site."""
    for move in judge(site.samples, warm_up):
        if not move.is_flat:
            yield f"{site.name}: {move}"
    for fault in site.faults[:MOST_FAULTS]:
        yield f"{site.name}: {fault}"
    if len(site.faults) > MOST_FAULTS:
        yield f"{site.name}: and {len(site.faults) - MOST_FAULTS} more"
    tracebacks = site.process.log.count("Traceback (most recent call last)")
    if tracebacks:
        yield f"{site.name}: {tracebacks} tracebacks in its log"
