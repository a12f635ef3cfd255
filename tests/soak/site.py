"""A server under soak, its clients, and the samples that were taken of it."""

from __future__ import annotations

import random
import signal
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

import anyio
from anyio.abc import TaskGroup

from tests.servers import http1
from tests.servers.configurations import CONFIGURATIONS
from tests.servers.process import ServerProcess, free_port

from .client import HABITS, Client, Habit, follow_runs, stay
from .gate import Gate
from .sample import Sample
from .stream import ask

__all__ = ["SERVERS", "Site"]

SERVERS: Final[Mapping[str, tuple[str, Sequence[str]]]] = {
    "uvicorn": ("uvicorn-httptools-uvloop", ("--no-access-log",)),
    "hypercorn-asyncio": ("hypercorn-asyncio-h1", ()),
    "hypercorn-trio": ("hypercorn-trio-h1", ()),
    "granian": ("granian-asyncio-h1", ("--no-access-log",)),
}
"""The name of each server's configuration in the tests, and its further options."""

START_TIMEOUT: Final = 180.0
SETTLE_TIMEOUT: Final = 15.0
"""Seconds that a server has to notice that clients have left."""
END_TIMEOUT: Final = 30.0
"""Seconds in which each client gets the last number, once the publisher has stopped."""
STAGGER: Final = 2.0
"""Seconds over which clients connect."""


class Site:
    """One server that soaks, beside others.

    :param server: of :data:`SERVERS`
    :param log: what the hub's log is kept in, for the name
    :param app: the module of the application
    """

    def __init__(
        self,
        server: str,
        log: str,
        *,
        app: str,
        clients: int,
        seed: int,
        directory: Path,
        environment: Mapping[str, str],
    ) -> None:
        self.name = f"{server}, {log}"
        self.samples: list[tuple[float, Sample]] = []
        self.faults: list[str] = []
        name, options = SERVERS[server]
        (configuration,) = [c for c in CONFIGURATIONS if c.name == name]
        port = free_port()
        arguments = configuration.arguments(f"tests.soak.{app}:app", port, options=options)
        text = directory / f"{server}-{log}.log"
        environment = {**environment, "SOAK_NAME": f"{server} {seed}"}
        self.process = ServerProcess(arguments, port, text, environment)
        numbers = random.Random(f"{seed} {self.name}")
        self.clients = new_clients(clients, port, numbers, has_runs=app == "app")

    def wait_ready(self) -> None:
        """Wait until the server answers."""
        self.process.wait_ready(http1.PROBE, START_TIMEOUT)

    @property
    def steady(self) -> int:
        """How many clients never leave."""
        return sum(habit is stay for _, habit in self.clients)

    def start(self, tasks: TaskGroup, gate: Gate) -> None:
        """Start the clients."""
        for client, habit in self.clients:
            tasks.start_soon(self._run, client, habit, gate)

    async def _run(self, client: Client, habit: Habit, gate: Gate) -> None:
        async def visit() -> None:
            await anyio.sleep(client.random.uniform(0, STAGGER))
            await client.visit(habit)

        while True:
            if habit is stay:
                await visit()
            else:
                await gate.passed(visit)

    async def take_sample(self, begin: float) -> None:
        """Note what the server holds once it has noticed that only the steady clients are left."""
        deadline = time.monotonic() + SETTLE_TIMEOUT
        before: Sample | None = None
        while True:
            sample = Sample.parse(await ask(self.process.port, "/measure"))
            is_quiet = sample.streams == self.steady and not sample.runs
            if (is_quiet and is_like(sample, before)) or time.monotonic() > deadline:
                break
            before = sample
            await anyio.sleep(0.5)
        if sample.streams != self.steady:
            self.faults.append(f"{sample.streams} streams, but {self.steady} clients are there")
        self.samples.append((time.monotonic() - begin, sample))

    async def finish(self) -> None:
        """Stop the publisher, wait until each client has the last number, and stop the server."""
        last = int(await ask(self.process.port, "/stop"))
        followers = [c for c, habit in self.clients if habit is not follow_runs]
        followers = [c for c in followers if c.sequence.last_event_id and follows_numbers(c)]
        with anyio.move_on_after(END_TIMEOUT):
            while any(client.sequence.next != last for client in followers):  # noqa: ASYNC110
                await anyio.sleep(0.1)
        for client in followers:
            if client.sequence.next != last:
                self.faults.append(f"{client.name} has {client.sequence.next} of {last}")

    def stop(self) -> float:
        """Stop the server; return the seconds that it took."""
        begin = time.monotonic()
        self.process.signal(signal.SIGTERM)
        try:
            self.process.wait_gone()
        except TimeoutError:
            self.faults.append("the server did not stop")
        for client, _ in self.clients:
            for sequence in client.sequences:
                self.faults += [f"{client.name}: {fault}" for fault in sequence.faults]
        return time.monotonic() - begin


def follows_numbers(client: Client) -> bool:
    """Tell whether a client has a sequence that only the end of the publisher ends."""
    return not client.past and not client.run


def is_like(sample: Sample, before: Sample | None) -> bool:
    """Tell whether nothing has changed since the sample before."""
    if before is None:
        return False
    one = (sample.streams, sample.tasks, sample.descriptors, sample.threads)
    return one == (before.streams, before.tasks, before.descriptors, before.threads)


def new_clients(
    number: int, port: int, numbers: random.Random, *, has_runs: bool
) -> list[tuple[Client, Habit]]:
    """Return so many clients, each with its habit, in the shares of :data:`HABITS`."""
    clients: list[tuple[Client, Habit]] = []
    for habit, share in HABITS:
        if habit is follow_runs and not has_runs:
            continue
        for place in range(max(1, round(number * share))):
            name = f"{habit.__name__}-{place}"
            clients.append((Client(name, port, random.Random(numbers.random())), habit))
    return clients
