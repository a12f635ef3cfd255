"""A soak of a few seconds: all kinds of clients, a server that is flat, and one that is not."""

from __future__ import annotations

from pathlib import Path

import anyio
import pytest

from .report import faults, table
from .site import Site
from .soak import Course, soak

pytestmark = [pytest.mark.needs("uvicorn", "uvloop"), pytest.mark.parts]

SHORT = Course(whole=3.0, phase=1.5)


def soaked(site: Site) -> None:
    with site.process:
        site.wait_ready()
        anyio.run(soak, [site], SHORT)
        site.stop()


@pytest.mark.parametrize("app", ["app", "bare"])
def test_short_soak_is_complete_and_leaves_nothing(app: str, tmp_path: Path) -> None:
    site = Site(
        "uvicorn",
        "memory",
        app=app,
        clients=30,
        seed=1,
        directory=tmp_path,
        environment={"SOAK_PAUSE": "0.2"},
    )
    soaked(site)
    assert not site.faults
    assert "Traceback" not in site.process.log
    assert site.samples
    assert all(sample.streams == site.steady for _, sample in site.samples)
    stays = [client for client, _ in site.clients if client.name.startswith("stay")]
    assert all(client.sequence.events > 10 for client in stays)
    assert sum(client.connections for client, _ in site.clients) > len(site.clients)
    assert "uvicorn, memory" in table([site], 0.0)


def test_client_that_misses_a_number_fails_the_soak(tmp_path: Path) -> None:
    site = Site(
        "uvicorn",
        "memory",
        app="bare",
        clients=10,
        seed=1,
        directory=tmp_path,
        environment={"SOAK_PAUSE": "0.2"},
    )
    client, _ = site.clients[0]
    client.sequence.next = -1
    soaked(site)
    assert any(f"{client.name}: " in fault for fault in faults(site, 0.0))
