"""The advice for the garbage collector, and the reason why it is safe: objects are counted."""

from __future__ import annotations

import gc
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import anyio
import pytest
from anyio.lowlevel import checkpoint

from sse_asgi import Connection, EventSourceApp
from sse_asgi.broadcast import Hub

from .collector import THRESHOLDS, Pauses
from .crowd import Client, until

GUIDE = Path(__file__).parents[2] / "examples" / "guide" / "speed.md"
FUNCTION = "look_less_often_for_garbage"
CONNECTIONS = 50

MAKE_OBJECTS = f"""
runs = [0, 0, 0]
gc.callbacks.append(lambda phase, info: runs.__setitem__(
    info["generation"], runs[info["generation"]] + (phase == "start")))
if ADVISED:
    {FUNCTION}()
    runs[:] = [0, 0, 0]
kept = [[] for _ in range(1_000_000)]
print(sum(runs), runs[2], gc.get_freeze_count() > 0, gc.get_threshold())
"""


def advice() -> str:
    blocks = re.findall(r"^```python\n(.*?)^```", GUIDE.read_text("utf-8"), re.M | re.S)
    (block,) = (block for block in blocks if FUNCTION in block)
    return str(block)


def collected(advised: bool) -> tuple[int, int, str]:
    """Return the runs of the collector while a million objects are made, and how many were full."""
    program = f"ADVISED = {advised}\n{advice()}{MAKE_OBJECTS}"
    command = [sys.executable, "-c", program]
    printed = subprocess.run(command, check=True, capture_output=True, text=True, timeout=60).stdout
    runs, full, rest = printed.split(maxsplit=2)
    return int(runs), int(full), rest.strip()


def test_advice_of_the_guide_spares_full_runs_of_the_collector() -> None:
    few, full, settings = collected(advised=True)
    assert (full, settings) == (0, f"True {THRESHOLDS}")
    many, full, _ = collected(advised=False)
    assert many > 5 * few
    assert full > 0


def test_pauses_are_noted_since_they_were_asked_for_last() -> None:
    pauses = Pauses()
    try:
        gc.collect()
        taken = pauses.taken()
        assert taken["times"] >= 1
        assert 0 < taken["longest"] <= taken["whole"]
    finally:
        gc.callbacks.remove(pauses._note)


@contextmanager
def garbage() -> Iterator[list[Any]]:
    """Give the objects that only the garbage collector found, once the block is left."""
    found: list[Any] = []
    while gc.collect():  # of other tests, whose objects free others in turn
        pass
    gc.disable()
    try:
        yield found
        gc.set_debug(gc.DEBUG_SAVEALL)
        gc.collect()
        found += gc.garbage
    finally:
        gc.set_debug(0)
        gc.garbage.clear()
        gc.enable()


async def connect_and_leave(app: Any, hub: Hub) -> None:
    client = Client(app)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(client.run)
        await until([client], 1)
        await hub.publish("t", "x")
        await until([client], 2)
        client.leave()


@pytest.mark.anyio
@pytest.mark.parametrize("kind", ["hub", "generator"])
async def test_a_connection_that_is_over_leaves_nothing_for_the_collector(kind: str) -> None:
    hub = Hub()

    async def generator(connection: Connection) -> Any:
        yield "first"
        async for batch in hub.subscribe("t"):
            yield str(batch.events)

    app = EventSourceApp((lambda c: hub.subscribe("t")) if kind == "hub" else generator)
    for _ in range(5):
        await connect_and_leave(app, hub)
    with garbage() as found:
        for _ in range(CONNECTIONS):
            await connect_and_leave(app, hub)
        await checkpoint()
    ours = [one for one in found if type(one).__module__.startswith(("sse_asgi", "tests"))]
    assert ours == []
    assert len(found) < CONNECTIONS, "nothing for each connection"
