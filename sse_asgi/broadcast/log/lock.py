"""A lock whose critical sections a signal handler may interrupt."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable

__all__ = ["HandlerSafeLock"]


class HandlerSafeLock:
    """A lock that knows whether the current thread is inside of it, or about to enter.

    Python runs signal handlers in the main thread, between any two steps of the code that runs
    there. A handler that needs a lock which its own thread holds would wait forever, and with a
    lock that can be entered twice it would find half-made changes. A handler asks :attr:`is_ours`
    instead, and leaves its work to :meth:`afterwards`.
    """

    __slots__ = ("_lock", "_threads", "_work")

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._threads: set[int] = set()
        self._work: deque[Callable[[], object]] = deque()

    @property
    def is_ours(self) -> bool:
        """Whether the current thread has the lock, or waits for it."""
        return threading.get_ident() in self._threads

    def afterwards(self, work: Callable[[], object]) -> None:
        """Have ``work`` called with the lock, before the current thread goes on without it."""
        self._work.append(work)

    def do_work(self) -> None:
        """Do the work that handlers have left, with the lock."""
        while self._work:
            self._work.popleft()()

    def __enter__(self) -> None:
        # Noted before the lock is taken: a handler may come between the two.
        self._threads.add(threading.get_ident())
        self._lock.acquire()

    def __exit__(self, *error: object) -> None:
        self.do_work()
        self._lock.release()
        self._threads.discard(threading.get_ident())
        while self._work:  # a handler came after the last look
            with self:
                self.do_work()
