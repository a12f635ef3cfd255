"""A lock whose critical sections a signal handler may interrupt."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable

__all__ = ["HandlerSafeLock"]


class HandlerSafeLock:
    """A lock that knows whether the current thread has it.

    Python runs signal handlers in the main thread, between any two steps of the code that runs
    there. A handler that needs a lock which its own thread holds would wait forever, and with a
    lock that can be entered twice it would find half-made changes. A handler asks :attr:`is_ours`
    instead, and leaves its work to :meth:`afterwards`.

    A handler may also come while its thread waits for the lock. Then another thread has the lock
    and will release it, so the handler takes the lock as usual. Only a reentrant lock notes its
    owner in one step with the acquisition, and therefore this is one. It is never entered twice.
    """

    __slots__ = ("_is_owned", "_lock", "_work")

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._is_owned: Callable[[], bool] = self._lock._is_owned  # type: ignore[attr-defined]
        self._work: deque[Callable[[], object]] = deque()

    @property
    def is_ours(self) -> bool:
        """Whether the current thread has the lock."""
        return self._is_owned()

    def afterwards(self, work: Callable[[], object]) -> None:
        """Have ``work`` called with the lock, before the current thread goes on without it."""
        self._work.append(work)

    def do_work(self) -> None:
        """Do the work that handlers have left, with the lock."""
        while self._work:
            self._work.popleft()()

    def __enter__(self) -> None:
        self._lock.acquire()

    def __exit__(self, *error: object) -> None:
        self.do_work()
        self._lock.release()
        while self._work:  # a handler came after the last look
            with self:
                self.do_work()
