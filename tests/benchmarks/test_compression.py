"""The section about compression runs, and every coding has a figure that makes sense."""

from __future__ import annotations

import anyio
import pytest

from tests.benchmarks.sections.compression import COLUMNS, MANY

from .bench import Bench
from .measure import Effort, Row
from .peers import LIMIT, OURS
from .sections import load_rows

TINY = Effort(rounds=1, batch=0.0001, further=20, connections=4)


@pytest.mark.parts
@pytest.mark.needs("brotli", "zstd-module", "uvloop")
def test_every_coding_has_a_figure_and_makes_less_of_the_bytes() -> None:
    bench = Bench((OURS,), "uvloop", TINY)

    async def rows() -> list[Row]:
        with anyio.fail_after(40):
            return [row async for row in load_rows("compression")(bench)]

    for row in anyio.run(rows, backend=bench.backend, backend_options=bench.backend_options):
        columns = MANY if "clients" in row.quantity.label else COLUMNS
        assert set(row.figures) == set(columns), row.quantity.label
        if row.quantity.unit == "bytes":
            plain = row.figures[LIMIT].value
            assert all(
                row.figures[it].value < plain for it, accepted in columns.items() if accepted
            )
