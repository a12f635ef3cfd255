"""The tables of the simulation, and its plot."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from .capacity import loads
from .deploy import simulate
from .outcome import STEP, Outcome
from .plan import Plan
from .scenarios import scenarios

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["PLOT", "draw", "report"]

PLOT = Path(__file__).parents[3] / "examples" / "guide" / "fleet.svg"

SHOWN = (
    "all at once, no retry sent",
    "all at once, 5 to 30 s",
    "one by one, 1 to 5 s",
    "new one first, 5 to 30 s",
)
"""The ways that the plot shows."""

_HEAD = (
    *("most tries in 1 s", "all back after", "outage: half, 99 %, longest", "lost for good"),
    *("dropped", "told to wait", "moves of a client", "queue of a worker", "streams of a worker"),
)


def report(clients: int, workers: int = 20, plot: Path | None = PLOT) -> Iterator[str]:
    """Yield the lines of the tables, and draw the plot.

    :param plot: where; None: it is not drawn
    """
    yield f"{clients:,} clients of {workers} workers; figures of tests/benchmarks/fleet/figures.py"
    yield ""
    yield "| deploy | " + " | ".join(_HEAD) + " |"
    yield "|---" * (len(_HEAD) + 1) + "|"
    plans = scenarios(clients, workers)
    outcomes: dict[str, Outcome] = {}
    for name, plan in plans.items():
        outcomes[name] = simulate(plan)
        yield _row(name, plan, outcomes[name])
    yield ""
    needed = max(outcome.history(1.0) for outcome in outcomes.values())
    yield f"History for one event a second, to resume all: {needed:,} events at most."
    yield ""
    yield "| events a second | clients a worker | their memory | reads a worker | from Redis |"
    yield "|---|---|---|---|---|"
    for load in loads(workers):
        yield (
            f"| {load.rate:g} | {load.clients:,} | {load.memory / 2**20:,.0f} MiB"
            f" | {load.reads:g}/s | {load.traffic / 1024:,.1f} KiB/s |"
        )
    if plot is not None:
        draw(plans, outcomes, plot)
        yield ""
        yield f"drawn: {plot.name}"


def _row(name: str, plan: Plan, outcome: Outcome) -> str:
    cells = (
        f"{outcome.peak:,}",
        f"{outcome.back_at:.0f} s",
        f"{', '.join(f'{outcome.outage(share):.1f}' for share in (0.5, 0.99, 1))} s",
        f"{outcome.lost:,}",
        f"{outcome.dropped:,}",
        f"{outcome.refused:,}",
        f"{len(outcome.outages) / plan.clients:.1f}, at most {outcome.moves}",
        f"{outcome.longest_wait:.1f} s",
        f"{min(outcome.streams):,} to {max(outcome.streams):,}",
    )
    return f"| {name} | " + " | ".join(cells) + " |"


def draw(plans: Mapping[str, Plan], outcomes: Mapping[str, Outcome], path: Path) -> None:
    """Draw the tries of each second, and the outages, of the ways that are shown."""
    from matplotlib import rc_context
    from matplotlib.backends.backend_svg import FigureCanvasSVG
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 4), layout="constrained")
    FigureCanvasSVG(figure)
    tries, outages = figure.subplots(1, 2)
    for name in SHOWN:
        _draw_tries(tries, name, outcomes[name])
        ordered = sorted(outcomes[name].outages)
        # As many points as the eye can tell apart.
        points = [ordered[len(ordered) * part // 200] for part in range(200)] if ordered else []
        outages.plot(points, [part / 2 for part in range(len(points))], label=name)
    clients = next(iter(plans.values())).clients
    tries.set(title=f"{clients:,} clients: tries a second", xlabel="s after the deploy began")
    tries.set_yscale("log")
    tries.set_ylim(bottom=10)
    outages.set(title="% of the outages that are over", xlabel="s without a stream")
    outages.legend(loc="lower right", fontsize="small")
    # Text stays text, and the same figures make the same file.
    with rc_context({"svg.fonttype": "none", "svg.hashsalt": path.stem}):
        figure.savefig(path, metadata={"Date": None})


def _draw_tries(axes: Axes, name: str, outcome: Outcome) -> None:
    per_second: dict[int, int] = {}
    for step, number in outcome.attempts.items():
        second = int(step * STEP)
        per_second[second] = per_second.get(second, 0) + number
    last = max(per_second, default=0)
    axes.step(
        range(last + 2), [per_second.get(at, 0) for at in range(last + 2)], where="post", label=name
    )
