"""The one task that keeps the deadlines of all streams of an event loop."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import anyio
import pytest

from sse_asgi.asgi.loop import LoopState
from sse_asgi.runtime.timers import NEVER, TimerQueue
from sse_asgi.testing import VirtualClock
from tests.harness import is_idle, until

pytestmark = pytest.mark.anyio


class Looked:
    """Something that wants a look at times, notes them, and may act."""

    def __init__(self, *times: float, act: Any = None) -> None:
        self.looks: list[float] = []
        self.acts: list[float] = []
        self._times = list(times)
        self._act = act
        self._now = 0.0

    def look(self, now: float) -> tuple[float, bool]:
        self._now = now
        self.looks.append(now)
        return (self._times.pop(0) if self._times else NEVER), self._act is not None

    async def act(self) -> None:
        self.acts.append(self._now)
        await self._act()


def timers_of(clock: VirtualClock) -> TimerQueue:
    state = LoopState.current()
    assert state.clock is clock
    return state.timers


async def test_looks_come_at_the_times_that_were_asked_for() -> None:
    with VirtualClock() as clock:
        timers = timers_of(clock)
        one, two = Looked(5, 6, 10), Looked(5)
        timers.add(one, 1)
        timers.add(two, 3)
        await clock.advance(20)
        assert one.looks == [1, 5, 6, 10]
        assert two.looks == [3, 5]


class CoarseClock(VirtualClock):
    """A clock by which deadlines may be late."""

    resolution = 2.0

    def __init__(self, sleeps: list[float]) -> None:
        super().__init__()
        self._sleeps = sleeps

    async def sleep_until(self, deadline: float) -> None:
        self._sleeps.append(deadline)
        await super().sleep_until(deadline)


async def test_deadlines_of_many_share_a_wake_up_within_the_clock_s_resolution() -> None:
    sleeps: list[float] = []
    with CoarseClock(sleeps) as clock:
        timers = timers_of(clock)
        many = [Looked() for _ in range(20)]
        for number, looked in enumerate(many):
            timers.add(looked, 1 + number / 10)
        await clock.advance(10)
        assert {tuple(looked.looks) for looked in many} == {(2.0,), (4.0,)}
        assert len(sleeps) <= 3
        at_once = Looked()
        timers.add(at_once, clock.now())
        await clock.advance(0)
        assert at_once.looks == [10], "what is due waits for nobody"


async def test_those_that_may_come_early_come_to_share_a_wake_up() -> None:
    class Returns(Looked):
        def look(self, now: float) -> tuple[float, bool]:
            super().look(now)
            return timers.together(now + 16, early=1), False

    with VirtualClock() as clock:
        timers = timers_of(clock)
        several = [Returns() for _ in range(9)]
        for number, looked in enumerate(several):
            timers.add(looked, 1 + number / 10)
        await clock.advance(33)
        times = [looked.looks for looked in several]
        assert len({each[0] for each in times}) == 9
        assert len({each[-1] for each in times}) <= 2
        for each in times:
            assert all(15 < after - before <= 16 for before, after in pairwise(each))
        for looked in several:
            timers.discard(looked)
        await clock.advance(0)


async def test_one_alone_comes_at_its_own_time() -> None:
    with VirtualClock() as clock:
        timers = timers_of(clock)
        assert timers.together(5.5, early=1) == 5.5
        looked = Looked()
        timers.add(looked, 5.5)
        assert timers.together(5.2, early=1) == 5.2, "not later"
        assert timers.together(5.7, early=1) in (5.2, 5.7), "nobody looks at 5.2"
        timers.discard(looked)
        await clock.advance(0)


async def test_act_that_is_broken_off_takes_no_other_with_it() -> None:
    with VirtualClock() as clock:
        timers = timers_of(clock)
        blocked = Looked(act=anyio.sleep_forever)
        other = Looked(3, act=anyio.lowlevel.checkpoint)
        timers.add(blocked, 1)
        timers.add(other, 1)
        await clock.advance(1)
        timers.break_off(blocked)
        timers.break_off(other)  # it does not act now
        await clock.advance(2)
        assert other.acts == [1, 3]
        for looked in (blocked, other):
            timers.discard(looked)
        await clock.advance(0)
        assert is_idle(LoopState.current())


async def test_act_that_breaks_itself_off_takes_no_other_with_it() -> None:
    with VirtualClock() as clock:
        timers = timers_of(clock)

        async def leave() -> None:
            timers.break_off(leaves)

        leaves = Looked(act=leave)
        others = [Looked(act=anyio.lowlevel.checkpoint) for _ in range(3)]
        for looked in (leaves, *others):
            timers.add(looked, 1)
        await clock.advance(1)
        assert [looked.acts for looked in others] == [[1]] * 3
        for looked in (leaves, *others):
            timers.discard(looked)
        await clock.advance(0)
        assert is_idle(LoopState.current())


async def test_many_acts_leave_the_event_loop_its_turns() -> None:
    with VirtualClock() as clock:
        timers = timers_of(clock)
        acts: list[int] = []

        async def act() -> None:
            acts.append(turns)

        turns = 0
        many = [Looked(act=act) for _ in range(1_000)]
        for looked in many:
            timers.add(looked, clock.now())
        while len(acts) < len(many):
            await anyio.lowlevel.checkpoint()
            turns += 1
            assert turns < 100
        assert len(set(acts)) >= 3
        for looked in many:
            timers.discard(looked)
        await clock.advance(0)


async def test_look_can_be_asked_for_sooner_but_not_later() -> None:
    with VirtualClock() as clock:
        timers = timers_of(clock)
        looked = Looked()
        timers.add(looked, 10)
        await clock.advance(1)
        timers.look_at(looked, 5)
        timers.look_at(looked, 7)
        await clock.advance(20)
        assert looked.looks == [5]
        timers.look_at(looked, 30)
        await clock.advance(20)
        assert looked.looks == [5, 30]


async def test_look_that_is_due_at_once_comes_at_once() -> None:
    with VirtualClock() as clock:
        timers = timers_of(clock)
        looked = Looked()
        timers.add(looked, NEVER)
        await clock.advance(1)
        assert not looked.looks
        timers.look_at(looked, clock.now())
        await clock.advance(0)
        assert looked.looks == [1]


async def test_what_was_discarded_is_not_looked_at() -> None:
    with VirtualClock() as clock:
        timers = timers_of(clock)
        gone, stays = Looked(), Looked()
        timers.add(gone, 5)
        timers.add(stays, 5)
        await clock.advance(1)
        timers.discard(gone)
        timers.look_at(gone, 2)
        await clock.advance(10)
        assert not gone.looks
        assert stays.looks == [5]


async def test_task_ends_when_there_is_nothing_left_and_begins_again() -> None:
    with VirtualClock() as clock:
        timers = timers_of(clock)
        for _ in range(3):
            looked = Looked()
            timers.add(looked, clock.now() + 5)
            await clock.advance(5)
            assert len(looked.looks) == 1
            timers.discard(looked)
            await clock.advance(0)
            assert is_idle(LoopState.current())


async def test_task_ends_when_the_last_one_goes_at_its_own_look() -> None:
    class Leaves(Looked):
        def look(self, now: float) -> tuple[float, bool]:
            timers.discard(self)
            return NEVER, False

    with VirtualClock() as clock:
        timers = timers_of(clock)
        timers.add(Leaves(), 5)
        await clock.advance(5)
        assert is_idle(LoopState.current())


async def test_task_ends_when_the_last_one_goes_while_it_acts() -> None:
    with VirtualClock() as clock:
        timers = timers_of(clock)

        async def leave() -> None:
            timers.discard(looked)

        looked = Looked(act=leave)
        timers.add(looked, 5)
        await clock.advance(5)
        assert looked.acts == [5]
        assert is_idle(LoopState.current())


async def test_one_that_is_added_while_the_last_one_goes_is_looked_at() -> None:
    with VirtualClock() as clock:
        timers = timers_of(clock)
        first, second = Looked(), Looked()
        timers.add(first, 5)
        await clock.advance(1)
        timers.discard(first)
        timers.add(second, 3)
        await clock.advance(10)
        assert second.looks == [3]


async def test_one_that_waits_when_it_acts_holds_up_nobody_else() -> None:
    with VirtualClock() as clock:
        timers = timers_of(clock)
        blocked = [Looked(2, 3, act=anyio.sleep_forever) for _ in range(3)]
        others = [Looked(2, 3, act=anyio.lowlevel.checkpoint) for _ in range(3)]
        for pair in zip(blocked, others, strict=True):
            for looked in pair:
                timers.add(looked, 1)
        await clock.advance(5)
        for looked in others:
            assert looked.acts == [1, 2, 3]
        for looked in (*blocked, *others):
            timers.discard(looked)
        await clock.advance(0)
        assert is_idle(LoopState.current())


async def test_deadlines_of_what_has_left_do_not_pile_up() -> None:
    with VirtualClock() as clock:
        timers = timers_of(clock)
        heap: Callable[[], list[Any]] = lambda: timers._heap  # noqa: E731
        stays = Looked()
        timers.add(stays, 1000)
        for number in range(1000):
            looked = Looked()
            timers.add(looked, 100 + number)
            timers.discard(looked)
            assert len(heap()) <= 70
        await clock.advance(1000)
        assert stays.looks == [1000]
        timers.discard(stays)
        await clock.advance(0)


async def test_failure_is_logged_and_ends_neither_the_event_loop_nor_the_next_one(
    caplog: Any,
) -> None:
    class Fails(Looked):
        def look(self, now: float) -> tuple[float, bool]:
            raise LookupError("look")

    with VirtualClock() as clock:
        timers = timers_of(clock)
        fails, looked = Fails(), Looked()
        timers.add(fails, 1)
        await clock.advance(1)
        (record,) = caplog.records
        assert "look" in record.exc_text
        timers.discard(fails)
        timers.add(looked, 2)
        await clock.advance(1)
        assert looked.looks == [2]
        timers.discard(looked)
        await clock.advance(0)


OUTSIDERS = [RuntimeError, asyncio.CancelledError, GeneratorExit, pytest.fail.Exception]


@pytest.mark.parametrize("error", OUTSIDERS)
@pytest.mark.parametrize("where", ["look", "act"])
async def test_exception_of_one_leaves_the_deadlines_of_others_alone(
    error: type[BaseException], where: str, caplog: Any
) -> None:
    class Fails(Looked):
        def look(self, now: float) -> tuple[float, bool]:
            super().look(now)
            if where == "look":
                raise error("sorry")
            return now + 1, True

        async def act(self) -> None:
            raise error("sorry")

    with VirtualClock() as clock:
        timers = timers_of(clock)
        fails, other = Fails(), Looked(2, 3, 4)
        timers.add(fails, 1)
        timers.add(other, 1)
        await clock.advance(4)
        assert other.looks == [1, 2, 3, 4]
        assert fails.looks == [1]
        assert len(caplog.records) == 1
        timers.discard(other)
        await clock.advance(0)


async def test_act_that_cannot_be_cancelled_holds_up_no_later_deadline() -> None:
    released = anyio.Event()

    async def stuck() -> None:
        with anyio.CancelScope(shield=True):
            await released.wait()

    with VirtualClock() as clock:
        timers = timers_of(clock)
        first = Looked(act=stuck)
        timers.add(first, 1)
        await clock.advance(1)
        timers.discard(first)
        await clock.advance(1)
        later = Looked(4)
        timers.add(later, 3)
        await clock.advance(2)
        assert later.looks == [3, 4]
        timers.discard(later)
        released.set()
        await clock.advance(0)
        await until(lambda: is_idle(LoopState.current()))
