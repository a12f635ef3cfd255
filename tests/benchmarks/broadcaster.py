"""A broadcaster: one way to publish to many clients, which is a column of the fan-out tables."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from typing import TypeAlias

from .peer import ASGIApp

__all__ = ["EVENT", "MARK", "Broadcast", "Broadcaster", "Program", "Publish", "opened"]

MARK = b"~"
"""One byte that nothing but an event's data holds: to count it is to count the events."""

EVENT = "~0123456789012345678"
"""The data of each event."""

Publish: TypeAlias = Callable[[str, int], Awaitable[None]]
"""Publishes a text so many times at once, without giving way in between if it can."""


@dataclass(frozen=True, slots=True)
class Broadcast:
    """An app whose clients get what is published."""

    app: ASGIApp
    publish: Publish


@dataclass(frozen=True, slots=True)
class Broadcaster:
    """A way to broadcast from Python, in the idiom its own documentation shows.

    :param name: heading of the column
    :param open: makes the broadcast, on the event loop that serves it
    """

    name: str
    open: Callable[[], AbstractAsyncContextManager[Broadcast]]


@dataclass(frozen=True, slots=True)
class Program:
    """A way to broadcast from a program that is not Python's.

    :param name: heading of the column
    :param command: returns the command line; it answers as :mod:`tests.benchmarks.serve` does
    :raises LookupError: by ``command``, if a part is missing, with its name
    """

    name: str
    command: Callable[[], list[str]]


def opened(
    make: Callable[[], Broadcast],
) -> Callable[[], AbstractAsyncContextManager[Broadcast]]:
    """Return how to open a broadcast that needs no closing."""

    @asynccontextmanager
    async def opening() -> AsyncIterator[Broadcast]:
        yield make()

    return opening
