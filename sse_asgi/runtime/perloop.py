"""A value for each event loop."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Generic, TypeVar
from weakref import WeakKeyDictionary

from .eventloop import EventLoop

__all__ = ["PerLoop"]

T = TypeVar("T")


class PerLoop(Generic[T]):
    """One value for each event loop that asks, for as long as this object and the loop live.

    A ``RunVar`` of anyio's would keep the values until the loop ends, however soon this object is
    dropped.

    :param make: makes a value in the running event loop
    """

    def __init__(self, make: Callable[[], T]) -> None:
        self._make = make
        self._lock = threading.Lock()
        self._values: WeakKeyDictionary[object, T] = WeakKeyDictionary()

    def get(self) -> T:
        """Return the value of the running event loop.

        :raises RuntimeError: no event loop runs here
        """
        native = EventLoop().native
        with self._lock:
            value = self._values.get(native)
        if value is None:
            value = self._make()
            with self._lock:
                self._values[native] = value
        return value

    def values(self) -> list[T]:
        """Return the values of all event loops."""
        with self._lock:
            return list(self._values.values())
