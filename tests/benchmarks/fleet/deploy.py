"""The simulation: a queue of what happens next, worked off in the order of time."""

from __future__ import annotations

import heapq
import random
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from itertools import count
from typing import TypeAlias

from .browser import Browser
from .outcome import STEP, Outcome
from .plan import Balance, Plan
from .worker import Worker

__all__ = ["simulate"]

_Step: TypeAlias = Callable[[float], None]


def simulate(plan: Plan) -> Outcome:
    """Return the outcome of a plan; the same seed gives the same one."""
    with _seeded(plan.seed):
        return _Deploy(plan).run()


@contextmanager
def _seeded(seed: int) -> Iterator[None]:
    """Seed the generator that the library draws from, and leave it as it was."""
    before = random.getstate()
    random.seed(seed)
    try:
        yield
    finally:
        random.setstate(before)


class _Deploy:
    """The proxy, its workers and their clients, while a plan is carried out."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._queue: list[tuple[float, int, _Step]] = []
        self._numbers = count()
        self._turns = count()
        self._outcome = Outcome()
        self._browsers = [Browser(is_steady=plan.steady) for _ in range(plan.clients)]
        self._workers = [Worker(plan, is_up=True) for _ in range(plan.workers)]
        for number, browser in enumerate(self._browsers):
            self._workers[number % plan.workers].adopt(browser)

    def run(self) -> Outcome:
        """Carry the plan out."""
        plan = self._plan
        replaced = plan.workers if plan.replaced is None else plan.replaced
        for number, worker in enumerate(self._workers[:replaced]):
            self._at(number * plan.interval, partial(self._replace, worker))
        while self._queue:
            now, _, step = heapq.heappop(self._queue)
            step(now)
        outcome = self._outcome
        outcome.moves = max(browser.moves for browser in self._browsers)
        outcome.streams = [worker.load for worker in self._workers]
        outcome.longest_wait = max(worker.longest_wait for worker in self._workers)
        return outcome

    def _at(self, time: float, step: _Step) -> None:
        heapq.heappush(self._queue, (time, next(self._numbers), step))

    # -- workers -----------------------------------------------------------------------------------

    def _replace(self, worker: Worker, now: float) -> None:
        if self._plan.surge:
            fresh = Worker(self._plan, is_up=False)
            fresh.start(now)
            self._workers.append(fresh)
            self._workers.remove(worker)
        else:
            self._at(now + self._plan.restart, worker.start)
        for time, browser, block in worker.stop(now):
            browser.left_at = time
            self._at(time + browser.read(block), partial(self._attempt, browser))

    # -- clients -----------------------------------------------------------------------------------

    def _attempt(self, browser: Browser, now: float) -> None:
        self._outcome.attempts[int(now / STEP)] += 1
        up = [worker for worker in self._workers if worker.is_up]
        if not up:
            self._fail(browser, now)
            return
        worker = self._choose(up, now)
        served_at = worker.accept(now, (now - browser.left_at) * self._plan.events)
        if served_at is None:
            self._outcome.dropped += 1
            self._at(now + browser.drop(), partial(self._attempt, browser))
        else:
            self._at(served_at, partial(self._serve, browser, worker, worker.life))

    def _choose(self, up: Sequence[Worker], now: float) -> Worker:
        if self._plan.balance is Balance.TURNS:
            return up[next(self._turns) % len(up)]
        return min(up, key=lambda worker: worker.weighed(now))

    def _fail(self, browser: Browser, now: float) -> None:
        seconds = browser.read(b"") if self._plan.direct else browser.fail()
        if seconds is None:
            self._outcome.lost += 1
        else:
            self._at(now + seconds, partial(self._attempt, browser))

    def _serve(self, browser: Browser, worker: Worker, life: int, now: float) -> None:
        if worker.life != life:
            self._attempt(browser, now)  # the proxy tries another worker
            return
        refusal = worker.serve(browser)
        if refusal is not None:
            self._outcome.refused += 1
            self._at(now + browser.read(refusal), partial(self._attempt, browser))
            return
        self._outcome.outages.append(browser.open(now))
        self._outcome.back_at = now
