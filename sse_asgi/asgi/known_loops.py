"""The event loops, in all threads of the process, in which an application has had streams."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Final
from weakref import ref

from .loop import LoopState

__all__ = ["KnownLoops"]

_NONE: Final[tuple[ref[LoopState], ...]] = ()


class KnownLoops:
    """A weak set of loop states. Threads add to it, and threads and signal handlers go through it.

    The set is never changed: another one takes its place. So nobody sees it half-made, and a
    signal handler needs no lock, which the code that it interrupts might hold.
    """

    __slots__ = ("_lock", "_states")

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._states = _NONE

    def __len__(self) -> int:
        """Return the number of event loops that live."""
        return sum(known() is not None for known in self._states)

    def add(self, state: LoopState) -> None:
        """Remember an event loop for as long as it lives."""
        if any(known() is state for known in self._states):
            return
        with self._lock:
            living = [known for known in self._states if known() is not None]
            self._states = (*living, ref(state))

    def call_soon(self, function: Callable[[LoopState], object]) -> None:
        """Have each event loop call ``function`` with its state; from any thread."""
        for known in self._states:
            state = known()
            if state is not None:
                with suppress(RuntimeError):  # that event loop has ended, and its streams with it
                    state.call_soon(function, state)
