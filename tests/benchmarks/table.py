"""The tables, as plain text: a line of figures per row, and their costs under it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from math import isfinite

from .measure import AGAIN, Figure, Row
from .peers import LIMIT, OURS

__all__ = ["MarkdownTable", "Table"]

LABEL_WIDTH = 38
WIDTH = 14


class Table:
    """One section's table, printed row by row as the rows come in.

    :param headings: from the key of each column to its heading, in any order
    """

    def __init__(self, title: str, headings: Mapping[str, str]) -> None:
        self._title = title
        self._headings = headings
        first = [key for key in (LIMIT, AGAIN) if key in headings]
        self._columns = first + [key for key in headings if key not in first]

    def head(self) -> str:
        """Return the line above the rows."""
        cells = []
        for key in self._columns:
            cells.append(self._headings[key])
            if key == OURS:
                cells.append("budget")
        line = _line(self._title, cells)
        return f"{line}\n{'-' * len(line)}"

    def row(self, row: Row) -> str:
        """Return the lines of one row."""
        values, costs = [], []
        for key in self._columns:
            figure = row.figures.get(key)
            values.append(_number(figure.value) if figure else "-")
            costs.append(_cost(figure) if figure and key != LIMIT else "")
            if key == OURS:
                values.append(_allowed(row))
                costs.append(verdict(row))
        label = f"{row.quantity.label}, {row.quantity.unit}"
        return f"{_line(label, values)}\n{_line('', costs)}"


class MarkdownTable:
    """One section's table, to be pasted into a guide: costs are behind the figures.

    :param headings: from the key of each column to its heading
    """

    def __init__(self, title: str, headings: Mapping[str, str]) -> None:
        self._title = title
        self._headings = headings

    def head(self) -> str:
        """Return the lines above the rows."""
        columns = [self._title, *self._headings.values()]
        return f"{_cells(columns)}\n|{'---|' * len(columns)}"

    def row(self, row: Row) -> str:
        """Return the line of one row."""
        base = next(iter(self._headings))
        cells = [f"{row.quantity.label}, {row.quantity.unit}"]
        for key in self._headings:
            figure = row.figures.get(key)
            value = _number(figure.value) if figure else ""
            has_cost = figure is not None and key != base and isfinite(figure.cost)
            cells.append(f"{value} (x{_three(figure.cost)})" if figure and has_cost else value)
        return _cells(cells)


def verdict(row: Row) -> str:
    """Say whether our own column keeps its budget; empty where there is none."""
    budget, ours = row.quantity.budget, row.figures.get(OURS)
    if budget is None or ours is None:
        return ""
    # To the digits that are printed: a task for 1000 connections is none for each.
    return "met" if round(ours.cost, 2) <= budget else "MISSED"


def _cells(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _line(label: str, cells: Iterable[str]) -> str:
    return f"{label:<{LABEL_WIDTH}}" + "".join(f"{cell:>{WIDTH}}" for cell in cells)


def _allowed(row: Row) -> str:
    return "" if row.quantity.budget is None else f"×{row.quantity.budget:g}"


def _cost(figure: Figure) -> str:
    return f"×{_three(figure.cost)} ±{_three(figure.spread)}"


def _number(value: float) -> str:
    return f"{value:,.0f}" if value >= 1000 else _three(value)


def _three(value: float) -> str:
    """Three digits that mean something, and no more than two after the point."""
    if value >= 100:
        return f"{value:.0f}"
    return f"{value:.1f}" if value >= 10 else f"{value:.2f}"
