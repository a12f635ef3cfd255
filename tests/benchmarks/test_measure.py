"""The measuring core and the tables, on figures that are known."""

from __future__ import annotations

import anyio
import pytest

from .measure import AGAIN, Figure, Quantity, Row, Sampler, compare
from .peers import LIMIT, OURS
from .table import Table, verdict

THING = Quantity("thing", "µs", scale=10, budget=2)


def samples(*values: float) -> Sampler:
    """Return a sampler that gives the values one after the other."""
    remaining = iter(values)

    async def sample() -> tuple[float]:
        return (next(remaining),)

    return sample


def compared(quantity: Quantity) -> Row:
    columns = {LIMIT: samples(9, 1, 2, 4), OURS: samples(9, 2, 4, 40)}
    (row,) = anyio.run(compare, [quantity], columns, 3)
    assert isinstance(row, Row)
    return row


def row_with_cost(cost: float) -> Row:
    return Row(THING, {LIMIT: Figure(1, 1, 0), OURS: Figure(1, cost, 0)})


def test_a_cost_is_the_median_of_the_ratios_within_each_round_but_the_first() -> None:
    figures = compared(THING).figures
    assert figures[LIMIT] == Figure(value=20, cost=1, spread=0)
    assert figures[OURS] == Figure(value=40, cost=2, spread=2)


def test_a_higher_rate_is_a_lower_cost() -> None:
    figures = compared(Quantity("thing", "1/s", rate=True)).figures
    assert figures[OURS].cost == 0.5
    assert figures[OURS].spread == pytest.approx(0.1)


@pytest.mark.parametrize(("cost", "said"), [(1.9, "met"), (2.004, "met"), (2.01, "MISSED")])
def test_the_verdict_holds_the_printed_cost_against_the_budget(cost: float, said: str) -> None:
    assert verdict(row_with_cost(cost)) == said


def test_the_table_has_a_cell_for_each_column_in_line_with_its_heading() -> None:
    table = Table("section", {LIMIT: "limit", OURS: "sse_asgi", "peer": "peer", AGAIN: AGAIN})
    head, _ = table.head().splitlines()
    values, costs = table.row(row_with_cost(1.5)).splitlines()
    assert head.split() == ["section", "limit", "limit", "again", "sse_asgi", "budget", "peer"]
    assert values.split() == ["thing,", "µs", "1.00", "-", "1.00", "×2", "-"]
    assert costs.split() == ["×1.50", "±0.00", "met"]
    assert costs.index("met") + len("met") == head.index("budget") + len("budget")
