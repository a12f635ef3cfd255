"""What a section is given: who takes part, on which event loop, and for how long."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from .measure import AGAIN, Effort
from .peer import Peer
from .peers import LIMIT, PEERS, load

__all__ = ["LOOPS", "Bench"]

LOOPS = ("uvloop", "asyncio", "trio")


@dataclass(frozen=True, slots=True)
class Bench:
    """One run of the benchmarks.

    :param peers: names of modules in :mod:`tests.benchmarks.peers`, in the order of the columns,
        and of programs in :mod:`tests.benchmarks.broadcasters`
    :param loop: one of :data:`LOOPS`
    """

    peers: tuple[str, ...] = PEERS
    loop: str = "uvloop"
    effort: Effort = field(default_factory=Effort)

    @property
    def backend(self) -> str:
        """The event loop, as anyio names it."""
        return "trio" if self.loop == "trio" else "asyncio"

    @property
    def backend_options(self) -> dict[str, bool]:
        """The options that anyio wants for the event loop."""
        return {} if self.loop == "trio" else {"use_uvloop": self.loop == "uvloop"}

    def columns(self) -> dict[str, Peer]:
        """Load those that run on the event loop; the limit is the first and the last."""
        names = (LIMIT, *(name for name in self.peers if name != LIMIT and name in PEERS))
        loaded = {name: load(name) for name in names}
        loaded = {name: peer for name, peer in loaded.items() if self.backend in peer.backends}
        return {**loaded, AGAIN: loaded[LIMIT]}

    def headings(self) -> Mapping[str, str]:
        """Return the name of each column of :meth:`columns` as it is printed."""
        return {key: key if key == AGAIN else peer.name for key, peer in self.columns().items()}
