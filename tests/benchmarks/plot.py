"""The plot of the scale section: what a client costs, from a few clients to many thousands."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from .measure import Row
from .peers import LIMIT, OURS

__all__ = ["SIZES", "draw", "lines_of"]

SIZES: Final = (10, 100, 1_000, 3_000, 10_000, 19_000)
"""Numbers of clients that the plot shows unless others are asked for."""

PANELS: Final = {
    "a delivery": ("a delivery, CPU µs", 0),
    "a ping": ("a ping to an idle client, CPU µs", 1_000),
    "each holds": ("memory of an idle client, KiB", 0),
}
"""From the labels of rows to the titles of the panels, and the fewest clients that are shown.

The pings of few clients take no more than what a server without clients takes now and then.
"""

COLORS: Final = {
    LIMIT: "#888888",
    OURS: "#0a6ebd",
    "sse_starlette": "#c2410c",
    "better_sse": "#4d7c0f",
}
"""From the columns that are shown to the colours of their lines."""

INCHES: Final = (9.6, 3.2)


def lines_of(rows: Sequence[Row], what: str) -> Mapping[str, list[tuple[int, float]]]:
    """Return the points of each column: numbers of clients, and figures.

    :param what: of :data:`PANELS`
    """
    lines: dict[str, list[tuple[int, float]]] = {}
    for row in rows:
        clients, _, label = row.quantity.label.partition(" clients, ")
        if label == what:
            for key, figure in row.figures.items():
                lines.setdefault(key, []).append((int(clients.replace(",", "")), figure.value))
    return lines


def draw(rows: Sequence[Row], names: Mapping[str, str], caption: str, path: Path) -> None:
    """Draw the rows of the scale section as an SVG file.

    :param names: from the columns to their names
    :param caption: says when and where the figures were measured
    :raises SystemExit: matplotlib is not installed
    """
    try:
        from matplotlib import rc_context
        from matplotlib.figure import Figure
    except ModuleNotFoundError as exc:
        raise SystemExit(f"a plot needs {exc.name!r}: pip install -e '.[bench]'") from exc
    # Text stays text, and two drawings of the same figures are the same file.
    with rc_context({"svg.fonttype": "none", "svg.hashsalt": "scale", "font.size": 9}):
        figure = Figure(figsize=INCHES, layout="constrained", facecolor="white")
        panels = zip(figure.subplots(1, len(PANELS)), PANELS, strict=True)
        for axes, what in panels:
            _draw_panel(axes, lines_of(rows, what), names, *PANELS[what])
        figure.legend(
            *axes.get_legend_handles_labels(), loc="outside lower center", ncols=len(COLORS)
        )
        figure.suptitle(caption, fontsize=8)
        figure.savefig(path, format="svg", metadata={"Date": None, "Creator": None})


def _draw_panel(
    axes: Any,
    lines: Mapping[str, Sequence[tuple[int, float]]],
    names: Mapping[str, str],
    title: str,
    fewest: int,
) -> None:
    from matplotlib.ticker import LogLocator, NullLocator

    has_points = False
    for key, color in COLORS.items():
        # A logarithm has no place for what was too little to be measured.
        points = [point for point in lines.get(key, ()) if point[0] >= fewest and point[1] > 0]
        clients, values = zip(*points, strict=True) if points else ((), ())
        if key in lines:
            axes.plot(clients, values, color=color, label=names[key], marker=".", linewidth=1.5)
        has_points = has_points or bool(points)
    axes.set_title(title, fontsize=9)
    axes.set_xlabel("clients")
    if not has_points:
        return  # it stays empty
    axes.set_xscale("log")
    axes.set_yscale("log")
    for axis, formatter in ((axes.xaxis, "{x:,.0f}"), (axes.yaxis, "{x:g}")):
        axis.set_minor_locator(NullLocator())
        axis.set_major_formatter(formatter)
    axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axes.grid(linewidth=0.3)
