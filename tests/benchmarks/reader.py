"""Readers: processes that hold thousands of streams each, and count the events (``reader.c``)."""

from __future__ import annotations

import subprocess
from array import array
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from select import select
from shutil import which
from tempfile import TemporaryDirectory
from time import monotonic, monotonic_ns, sleep
from typing import Final

from .broadcaster import MARK
from .process import Server

__all__ = ["Reach", "Reader", "Readers", "compiled", "reading"]

SOURCE: Final = Path(__file__).with_name("reader.c")
COMPILERS: Final = ("cc", "gcc", "clang")

SOURCES: Final = 8
"""Addresses that one reader connects from."""

AT_ONCE: Final = 64
"""Clients of one reader that connect at the same time."""

TIMEOUT: Final = 300.0
"""Seconds that anything may take."""

QUIET: Final = 1.0
"""Seconds without any delivery after which a client that got no event has missed it."""

POLL: Final = 0.002


@dataclass(frozen=True, slots=True)
class Reach:
    """How events reached all clients.

    :param deliveries: events times clients
    :param delays: of each event, the seconds from its publication to its last delivery
    """

    deliveries: int
    delays: list[float]


@contextmanager
def compiled() -> Iterator[Path]:
    """Compile the reader for as long as the block lasts.

    :raises LookupError: there is no compiler
    """
    compiler = next(filter(None, map(which, COMPILERS)), None)
    if compiler is None:
        raise LookupError(f"there is no C compiler on the path: {', '.join(COMPILERS)}")
    with TemporaryDirectory() as directory:
        program = Path(directory) / "reader"
        subprocess.run([compiler, "-O2", "-o", program, SOURCE], check=True, timeout=TIMEOUT)
        yield program


class Reader:
    """One process of clients. It is asked in lines, and answers each with one line."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process
        self.count = 0

    def tell(self, line: str) -> None:
        """Ask for something, without waiting for the answer."""
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(f"{line}\n")
            self._process.stdin.flush()
        except BrokenPipeError:
            self.answer()
            raise

    def answer(self) -> str:
        """Return the answer to what it was told.

        :raises TimeoutError: there is none
        :raises ConnectionError: the reader says that something went wrong
        """
        output = self._process.stdout
        assert output is not None
        if not select([output], [], [], TIMEOUT)[0]:
            raise TimeoutError(f"a reader did not answer within {TIMEOUT:g} s")
        line = output.readline().strip()
        if not line or line.startswith("error"):
            raise ConnectionError(f"a reader says: {line or 'nothing'}")
        return line

    def ask(self, line: str) -> str:
        """Ask for something, and return the answer."""
        self.tell(line)
        return self.answer()


class Readers:
    """The clients of some servers, all of whom get what any of the servers publishes.

    :param directory: where the readers write the times of the deliveries
    """

    def __init__(self, readers: Sequence[Reader], directory: Path) -> None:
        self._readers = readers
        self._directory = directory

    @property
    def count(self) -> int:
        """How many clients there are."""
        return sum(reader.count for reader in self._readers)

    def open(self, count: int) -> None:
        """Have so many more clients connect to each server, all at the same time."""
        for reader in self._readers:
            reader.tell(f"open {count}")
            reader.count += count
        self._answers()

    def replace(self, count: int) -> None:
        """Have so many clients of each server leave, and as many come."""
        self._all(f"replace {count}")

    def gather(self, server: Server) -> None:
        """Publish until everybody has got an event.

        A server may send the head of a response before the client follows what is published.
        """
        self._all(f"begin {round(TIMEOUT / QUIET)}")
        deadline, deliveries, quiet_since = monotonic() + TIMEOUT, -1, monotonic() - QUIET
        while True:
            before = deliveries
            deliveries, fewest = self._count()
            now = monotonic()
            if deliveries != before:
                quiet_since = now
            if fewest and now - quiet_since > QUIET / 10:
                return
            if now > deadline:
                raise TimeoutError("some clients never get an event")
            if not fewest and (before < 0 or now - quiet_since > QUIET):
                server.publish(1)
                quiet_since = now
            sleep(10 * POLL)

    def burst(self, server: Server, times: int, seconds: float) -> Reach:
        """Publish events one by one, each as soon as all clients have the one before.

        :param times: how many
        :param seconds: for how long, if that is less; three are published in any case
        """
        published: list[int] = []
        self._all(f"begin {times}")
        end = monotonic() + seconds
        while len(published) < times and (len(published) < 3 or monotonic() < end):
            published.append(monotonic_ns())
            server.publish(1)
            self._await(len(published))
        return Reach(len(published) * self.count, self._delays(published))

    def _await(self, events: int) -> None:
        deadline = monotonic() + TIMEOUT
        while (found := self._count())[0] < events * self.count:
            if monotonic() > deadline:
                raise TimeoutError(f"{found[0]} of {events * self.count} deliveries came")
            sleep(POLL)

    def _delays(self, published: Sequence[int]) -> list[float]:
        last = [0] * len(published)
        for number, reader in enumerate(self._readers):
            path = self._directory / str(number)
            reader.ask(f"dump {path}")
            times = array("Q", path.read_bytes())
            path.unlink()
            for event in range(len(published)):
                last[event] = max(last[event], times[(event + 1) * reader.count - 1])
        return [(end - begin) / 1e9 for begin, end in zip(published, last, strict=True)]

    def _count(self) -> tuple[int, int]:
        found = [tuple(map(int, answer.split())) for answer in self._all("count")]
        return sum(deliveries for deliveries, _ in found), min(fewest for _, fewest in found)

    def _all(self, line: str) -> list[str]:
        for reader in self._readers:
            reader.tell(line)
        return self._answers()

    def _answers(self) -> list[str]:
        return [reader.answer() for reader in self._readers]


@contextmanager
def reading(program: Path, servers: Sequence[Server]) -> Iterator[Readers]:
    """Run a reader for each server in the block; their clients leave at its end."""
    with ExitStack() as stack:
        running = []
        for number, server in enumerate(servers):
            command = [program, server.port, number, SOURCES, AT_ONCE, MARK.decode()]
            process = subprocess.Popen(
                [str(part) for part in command],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
            )
            stack.enter_context(process)
            stack.callback(process.kill)
            running.append(Reader(process))
        yield Readers(running, program.parent)
