"""One task does the deliveries of all streams, and none of them holds up another."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import anyio
import pytest
from anyio.lowlevel import checkpoint

from sse_asgi.asgi.loop import LoopState
from sse_asgi.runtime import pump as pump_module
from sse_asgi.runtime.eventloop import Spawned
from sse_asgi.runtime.pump import Pump
from sse_asgi.testing import settle
from tests.harness import until

pytestmark = pytest.mark.anyio


class Parcel:
    """A delivery that notes when it is done."""

    def __init__(
        self, done: list[object], name: object, send: Callable[[], Awaitable[Any]] | None = None
    ) -> None:
        self.task: Spawned | None = None
        self.error: BaseException | None = None
        self._done = done
        self._name = name
        self._send = send

    async def deliver(self) -> bool:
        if self._send is not None:
            await self._send()
        self._done.append(self._name)
        return True

    def ended(self, error: BaseException | None) -> None:
        self.error = error

    def break_off(self) -> None:
        task, self.task = self.task, None
        assert task is not None
        task.cancel()


class Spawns:
    """Spawns tasks as an event loop does, and counts them."""

    def __init__(self) -> None:
        self.count = 0
        self._loop = LoopState.current().event_loop

    def __call__(self, function: Any) -> Spawned:
        self.count += 1
        return self._loop.spawn(function)


async def test_deliveries_are_done_in_their_order_by_two_tasks_however_many_there_are() -> None:
    done: list[object] = []
    spawn = Spawns()
    pump = Pump(spawn)
    for number in range(200):
        pump.add(Parcel(done, number))
    assert not done
    await settle()
    assert done == list(range(200))
    assert spawn.count == 2  # the second one would have gone on, had a delivery blocked
    assert pump.is_idle


async def test_single_delivery_needs_one_task() -> None:
    done: list[object] = []
    spawn = Spawns()
    pump = Pump(spawn)
    pump.add(Parcel(done, 1))
    await settle()
    assert (done, spawn.count) == ([1], 1)
    assert pump.is_idle


async def test_blocked_deliveries_hold_up_nobody() -> None:
    done: list[object] = []
    pump = Pump(Spawns())
    let_go = anyio.Event()
    for number in range(100):
        pump.add(Parcel(done, number, let_go.wait if number % 2 else None))
    turns = 0
    while len(done) < 50:
        await checkpoint()
        turns += 1
        assert turns <= 110  # one or two for each that blocks
    assert done == list(range(0, 100, 2))
    pump.add(Parcel(done, "later"))
    await settle()
    assert done[-1] == "later"
    assert not pump.is_idle
    let_go.set()
    await settle()
    assert len(done) == 101
    assert pump.is_idle


async def test_send_that_gives_the_event_loop_a_turn_keeps_the_order_and_few_tasks() -> None:
    done: list[object] = []
    spawn = Spawns()
    pump = Pump(spawn)
    for number in range(100):
        pump.add(Parcel(done, number, checkpoint))
    await settle()
    assert sorted(done, key=str) == sorted(range(100), key=str)
    assert spawn.count <= 101
    assert pump.is_idle


async def test_delivery_that_is_broken_off_takes_no_other_with_it() -> None:
    done: list[object] = []
    pump = Pump(Spawns())
    blocked = Parcel(done, "blocked", anyio.sleep_forever)
    for parcel in (blocked, Parcel(done, 1), Parcel(done, 2)):
        pump.add(parcel)
    await settle()
    assert done == [1, 2]
    pump.add(Parcel(done, 3))
    blocked.break_off()
    pump.add(Parcel(done, 4))
    await settle()
    assert done == [1, 2, 3, 4]
    assert pump.is_idle


async def test_delivery_that_breaks_itself_off_takes_no_other_with_it() -> None:
    done: list[object] = []
    pump = Pump(Spawns())

    async def break_off() -> None:
        parcel.break_off()

    parcel = Parcel(done, "itself", break_off)
    for each in (parcel, Parcel(done, 1), Parcel(done, 2, checkpoint)):
        pump.add(each)
    await settle()
    assert done == ["itself", 1, 2]
    assert pump.is_idle


async def test_event_loop_has_a_turn_between_many_deliveries(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(pump_module, "_DELIVERIES_PER_TURN", 10)
    done: list[object] = []
    pump = Pump(Spawns())
    for number in range(35):
        pump.add(Parcel(done, number))
    while len(done) < 35:
        before = len(done)
        await checkpoint()
        assert len(done) - before <= 20  # trio runs the next task in the same turn at times
    await settle()
    assert done == list(range(35))
    assert pump.is_idle


async def test_deliveries_may_add_others_and_themselves() -> None:
    done: list[object] = []
    pump = Pump(Spawns())
    again = iter(range(3))

    async def add() -> None:
        if next(again, None) is not None:
            pump.add(parcel)
            pump.add(Parcel(done, "other"))

    parcel = Parcel(done, "itself", add)
    pump.add(parcel)
    await settle()
    assert done.count("itself") == 4
    assert done.count("other") == 3
    assert pump.is_idle


@pytest.mark.parametrize("anyio_backend", ["asyncio"])  # uvloop cannot have eager tasks
async def test_nothing_is_delivered_inside_of_add_even_if_tasks_are_eager() -> None:
    done: list[object] = []
    pump = Pump(Spawns())
    loop = asyncio.get_running_loop()
    loop.set_task_factory(getattr(asyncio, "eager_task_factory", None))  # Python 3.12
    try:
        for number in range(10):
            pump.add(Parcel(done, number))
        assert not done
        await until(lambda: pump.is_idle)
    finally:
        loop.set_task_factory(None)
    assert done == list(range(10))


@pytest.mark.parametrize(
    "error", [RuntimeError, asyncio.CancelledError, GeneratorExit, pytest.fail.Exception]
)
async def test_exception_of_one_delivery_leaves_the_others_alone(
    error: type[BaseException],
) -> None:
    async def fail() -> None:
        raise error("sorry")

    done: list[object] = []
    pump = Pump(Spawns())
    failing = Parcel(done, "failing", fail)
    pump.add(Parcel(done, 1))
    pump.add(failing)
    pump.add(Parcel(done, 2))
    await until(lambda: pump.is_idle)
    assert done == [1, 2]
    assert isinstance(failing.error, error)
