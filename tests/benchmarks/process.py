"""Real servers to measure: uvicorn in processes on one core; we, their client, on another."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from signal import SIGCONT, SIGSTOP
from time import monotonic, sleep

from .bench import Bench
from .measure import AGAIN
from .peer import Plan
from .peers import LIMIT

__all__ = [
    "Memory",
    "Pauses",
    "Server",
    "Work",
    "check_loop",
    "own_core",
    "run",
    "servers",
    "start",
]

SETTLE_TIMEOUT = 20.0
"""Seconds that a server has to notice that its clients have left."""

STOP_TIMEOUT = 10.0
"""Seconds that a server has to end after its standard input."""


@dataclass(frozen=True, slots=True)
class Work:
    """What a server has done so far: processor seconds; and its tasks."""

    cpu: float
    tasks: int


@dataclass(frozen=True, slots=True)
class Memory:
    """What a server holds: resident bytes, and objects that gc tracks."""

    rss: int
    objects: int


@dataclass(frozen=True, slots=True)
class Pauses:
    """What the garbage collector took since it was asked last: seconds; and how many times."""

    longest: float
    whole: float
    times: int


class Server:
    """A process that serves one peer, answers questions and publishes."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process
        self.port = int(self._read())

    def work(self) -> Work:
        """Ask for the work that it has done."""
        return Work(**json.loads(self._ask("work")))

    def cpu(self) -> float:
        """Ask for the processor seconds alone: to count thousands of tasks would cost some."""
        return float(self._ask("cpu"))

    def publish(self, count: int) -> None:
        """Have it publish ``count`` events at once to all of its clients; there is no answer."""
        self._tell(f"publish {count}")

    def memory(self) -> Memory:
        """Ask for the memory it holds, which takes it a while."""
        return Memory(**json.loads(self._ask("memory")))

    def pauses(self) -> Pauses:
        """Ask for the pauses of its garbage collector since the last time."""
        return Pauses(**json.loads(self._ask("pauses")))

    def settled(self, tasks: int) -> Work:
        """Return its work as soon as no more than ``tasks`` tasks are left.

        :raises TimeoutError: if the server keeps more
        """
        deadline = monotonic() + SETTLE_TIMEOUT
        while (work := self.work()).tasks > tasks:
            if monotonic() > deadline:
                raise TimeoutError(f"the server still runs {work.tasks} tasks, not {tasks}")
            sleep(0.005)
        return work

    @contextmanager
    def held(self) -> Iterator[None]:
        """Stop the process in the block: it is to take nothing from the others."""
        self._process.send_signal(SIGSTOP)
        try:
            yield
        finally:
            self._process.send_signal(SIGCONT)

    def _ask(self, question: str) -> str:
        self._tell(question)
        return self._read()

    def _tell(self, line: str) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(f"{line}\n")
        self._process.stdin.flush()

    def _read(self) -> str:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError(f"the server ended: {self._process.args!r}")
        return line


@contextmanager
def run(command: Sequence[str], core: int | None) -> Iterator[Server]:
    """Run a server in the block.

    :param command: what is to answer as :mod:`tests.benchmarks.serve` does
    :param core: the only one it may use, with all of its threads
    """
    with _affinity(core):
        process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
    try:
        yield Server(process)
    finally:
        try:
            process.communicate(timeout=STOP_TIMEOUT)
        except subprocess.TimeoutExpired:
            process.kill()
            process.communicate()


@contextmanager
def start(peer: str, plan: Plan, loop: str, core: int | None) -> Iterator[Server]:
    """Run a server of one peer in the block.

    :param peer: name of the peer's module
    :raises ValueError: if no server of ours runs on the event loop
    """
    check_loop(loop)
    command = [sys.executable, "-m", f"{__package__}.serve", peer, loop, str(plan.events)]
    if plan.open_ended:
        command.append("--open-ended")
    for option in ("window", "ping"):
        if getattr(plan, option) is not None:
            command += [f"--{option}", str(getattr(plan, option))]
    with run(command, core) as server:
        yield server


def check_loop(loop: str) -> None:
    """Refuse an event loop that uvicorn has no use for."""
    if loop not in ("uvloop", "asyncio"):
        raise ValueError(f"uvicorn runs on uvloop and asyncio, not on {loop}")


@contextmanager
def servers(bench: Bench, plan: Plan, core: int | None) -> Iterator[dict[str, Server]]:
    """Run a server for each column in the block, and two for the limit.

    Those that cannot do what the plan asks for, a window or a ping, have no column.
    """
    columns = {
        name: peer
        for name, peer in bench.columns().items()
        if (plan.window is None or peer.windows) and (plan.ping is None or peer.pings)
    }
    with ExitStack() as stack:
        yield {
            name: stack.enter_context(
                start(LIMIT if name == AGAIN else name, plan, bench.loop, core)
            )
            for name in columns
        }


@contextmanager
def own_core() -> Iterator[int | None]:
    """Keep this process off one core in the block, and give that core to the servers.

    It is None where there is only one.
    """
    cores = sorted(os.sched_getaffinity(0))
    if len(cores) == 1:
        yield None
        return
    os.sched_setaffinity(0, cores[1:])
    try:
        yield cores[0]
    finally:
        os.sched_setaffinity(0, cores)


@contextmanager
def _affinity(core: int | None) -> Iterator[None]:
    """Let the processes that start in the block inherit that they run on ``core`` alone."""
    cores = os.sched_getaffinity(0)
    if core is not None:
        os.sched_setaffinity(0, {core})
    try:
        yield
    finally:
        os.sched_setaffinity(0, cores)
