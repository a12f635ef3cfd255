"""The simulation tells beforehand what a real restart of one server does to real clients."""

from __future__ import annotations

from pathlib import Path

import anyio
import pytest

from .crowd import FAREWELL, restarted
from .deploy import simulate
from .outcome import quantile
from .plan import Plan

CLIENTS = 400

SLACK = 0.25
"""Seconds by which a busy machine may be late."""


@pytest.mark.parts
@pytest.mark.needs("uvicorn")
def test_a_real_restart_is_as_the_simulation_says(tmp_path: Path) -> None:
    seen = anyio.run(restarted, CLIENTS, tmp_path)
    plan = Plan(
        clients=CLIENTS,
        workers=1,
        farewell=FAREWELL,
        direct=True,
        restart=seen.restart,
        handler=0.0,
    )
    expected = simulate(plan)
    found = sorted(seen.outages)
    assert len(found) == CLIENTS
    for share in (0.1, 0.5, 0.9, 0.99):
        assert quantile(found, share) == pytest.approx(expected.outage(share), abs=SLACK)
    assert seen.tries == pytest.approx(sum(expected.attempts.values()), rel=0.2)
