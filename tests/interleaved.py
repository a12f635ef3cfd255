"""An operation of one thread, with that of another thread before each of its steps, one by one.

A step is an instruction of the interpreter, since another thread may run between any two of them.
Where an operation has too many, it is a line. A tracing function is called there, and has the other
thread do its part. If that thread needs a lock which the operation holds, the operation goes on
without it, as it would otherwise.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable
from types import FrameType
from typing import Any, Final, Literal

__all__ = ["Interleaving"]

_BLOCKED: Final = 0.002
"""Seconds after which the other thread is taken to wait for a lock."""

_JOIN: Final = 5.0
_OURS: Final = ("sse_asgi.asgi", "sse_asgi.broadcast", "sse_asgi.runtime")
"""The packages whose steps count."""

_WARM: Final = 2
"""Python 3.12 traces the steps of code that it has traced before."""


class Interleaving:
    """Goes through the places at which another thread may come, one at a time.

    ::

        for place in Interleaving():
            ...  # prepare
            place.run(operation, other)
            ...  # check

    It ends when the operation has no more steps.

    :param by: what a step is
    """

    def __init__(self, by: Literal["opcode", "line"] = "opcode") -> None:
        self._by = by
        self._step = 0
        self._rounds = 0
        self._has_met = False
        self.places = 0
        """How many places there were."""

    def __iter__(self) -> Interleaving:
        return self

    def __next__(self) -> Interleaving:
        self._rounds += 1
        if self._rounds > _WARM:
            if self._step and not self._has_met:
                raise StopIteration
            self._step += 1
        return self

    def run(self, operation: Callable[[], Any], other: Callable[[], object]) -> Any:
        """Run ``operation`` here, and ``other`` in another thread before one of its steps.

        :return: the result of ``operation``
        :raises BaseException: the exception of either
        """
        thread, errors = _thread(other)
        left = self._step if self._rounds > _WARM else sys.maxsize
        self._has_met = False

        def trace(frame: FrameType, event: str, argument: object) -> Any:
            nonlocal left
            if not frame.f_globals["__name__"].startswith(_OURS):
                return None
            frame.f_trace_opcodes = self._by == "opcode"
            if event == self._by:
                left -= 1
                if not left:
                    sys.settrace(None)
                    self._has_met = True
                    self.places += 1
                    thread.start()
                    thread.join(_BLOCKED)
                    return None
            return trace

        former = sys.gettrace()
        sys.settrace(trace)
        try:
            result = operation()
        finally:
            sys.settrace(former)
        if not self._has_met:
            thread.start()
        thread.join(_JOIN)
        assert not thread.is_alive(), "the other thread still waits"
        if errors:
            raise errors[0]
        return result


def _thread(function: Callable[[], object]) -> tuple[threading.Thread, list[BaseException]]:
    errors: list[BaseException] = []

    def run() -> None:
        try:
            function()
        except BaseException as exc:
            errors.append(exc)

    return threading.Thread(target=run, daemon=True), errors
