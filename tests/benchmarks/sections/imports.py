"""imports: what an import costs a new process.

The limit here is anyio: alone, and with its low level and asyncio, which nobody does without.
"""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator, Mapping

from anyio import run_process

from tests.benchmarks.bench import Bench
from tests.benchmarks.measure import AGAIN, Quantity, Row, Sampler, compare
from tests.benchmarks.peers import LIMIT, OURS

__all__ = ["headings", "rows"]

BUDGETS = {"anyio": None, "anyio.lowlevel, asyncio": 1.3}
"""From what is the limit to the cost that is allowed us."""

MODULES = {
    OURS: "sse_asgi",
    "sse_starlette": "sse_starlette",
    "fastapi": "fastapi.sse",
    "litestar": "litestar.response",
    "starlette": "starlette.responses",
}

PROGRAM = "from time import process_time as t; s = t(); import {}; print(t() - s)"


def headings(bench: Bench) -> Mapping[str, str]:
    """Return the name of each column as it is printed."""
    return {key: name for key, name in bench.headings().items() if key in (LIMIT, AGAIN, *MODULES)}


async def rows(bench: Bench) -> AsyncIterator[Row]:
    """Yield the processor time of each import against those of anyio."""
    for limit, budget in BUDGETS.items():
        modules = {LIMIT: limit, AGAIN: limit}
        modules |= {name: MODULES[name] for name in bench.peers if name in MODULES}
        columns = {name: _sampler(module) for name, module in modules.items()}
        quantity = Quantity(f"against {limit}", "ms", scale=1e3, budget=budget)
        for row in await compare([quantity], columns, bench.effort.rounds):
            yield row


def _sampler(module: str) -> Sampler:
    command = [sys.executable, "-c", PROGRAM.format(module)]

    async def sample() -> tuple[float]:
        return (float((await run_process(command)).stdout),)

    return sample
