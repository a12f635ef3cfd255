"""Real clients of a real server draw the times that the simulated ones draw, and all come back.

How long a busy machine takes is no test: ``nox -s bench -- fleet`` shows it beside the simulation.
"""

from __future__ import annotations

from pathlib import Path

import anyio
import pytest

from .check import SHARES, expected
from .crowd import restarted
from .outcome import quantile

CLIENTS = 400


@pytest.mark.parts
@pytest.mark.needs("uvicorn")
def test_real_clients_are_told_the_times_of_the_simulation(tmp_path: Path) -> None:
    seen = anyio.run(restarted, CLIENTS, tmp_path)
    assert len(seen.outages) == len(seen.retries) == CLIENTS
    assert all(a > b for a, b in zip(sorted(seen.outages), sorted(seen.retries), strict=True))
    # With no restart to wait for, an outage is the time that the browser was told.
    seen.restart = 0.0
    told = expected(seen)
    for share in SHARES:
        assert quantile(sorted(seen.retries), share) == pytest.approx(told.outage(share), abs=0.25)
