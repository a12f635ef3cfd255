"""The plan of a deploy: how many clients and workers there are, and how these are replaced."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from .figures import HANDLER, RESTART

__all__ = ["DEFAULT_FAREWELL", "Balance", "Plan"]

DEFAULT_FAREWELL = (1000, 5000)
"""The library's ``farewell_retry``, in milliseconds."""


class Balance(Enum):
    """How the proxy chooses the worker of a new client, among those that are up."""

    LEAST = "least connections"
    TURNS = "round robin"


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """One way to deploy.

    :param slow_start: seconds in which a worker that has just started gets its full share of new
        clients, as HAProxy's ``slowstart``; 0: at once
    :param clients: browsers with one open stream each
    :param workers: the processes among which a proxy spreads them
    :param balance: how it does so
    :param farewell: ``farewell_retry``, in milliseconds; None: no reconnection time is sent
    :param killed: the streams are cut without a word
    :param steady: the pages use SteadyEventSource
    :param interval: seconds from one worker's end to the next one's; 0: all end at once
    :param replaced: how many workers are replaced; None: all
    :param surge: a new worker is ready before the old one ends
    :param direct: there is no proxy, and a browser that finds no server tries again
    :param most: ``max_connections`` of a worker
    :param restart: seconds from the end of a worker to its first answer
    :param handler: CPU seconds of the application for a new client
    :param events: events a second that every client gets
    :param seed: of the random numbers
    """

    clients: int = 100_000
    workers: int = 20
    balance: Balance = Balance.LEAST
    slow_start: float = 0.0
    farewell: tuple[int, int] | None = DEFAULT_FAREWELL
    killed: bool = False
    steady: bool = False
    interval: float = 0.0
    replaced: int | None = None
    surge: bool = False
    direct: bool = False
    most: int | None = None
    restart: float = RESTART
    handler: float = HANDLER
    events: float = 1.0
    seed: int = 1

    def __post_init__(self) -> None:
        if self.clients < 1 or self.workers < 1:
            raise ValueError("a fleet has at least one client and one worker")
        if self.most is not None and self.most * self.workers < self.clients:
            raise ValueError(
                f"{self.workers} workers of {self.most} have no room for {self.clients}"
            )
