"""Work that one task does for many requests, each in the context of its request.

The event loop's own tasks write keep-alive and ready content for every stream. The request's ID,
its trace and its user are context variables of the task that the server made for the request. So
the coroutine that does the work is driven step by step in a copy of that context.
"""

from __future__ import annotations

from collections.abc import Awaitable, Coroutine, Generator
from contextvars import Context, copy_context
from typing import Any

__all__ = ["in_context", "own_context"]


def own_context() -> Context | None:
    """Return a copy of the current context, or None if nothing is in it."""
    context = copy_context()
    return context if len(context) else None


def in_context(context: Context | None, coroutine: Coroutine[Any, Any, Any]) -> Awaitable[Any]:
    """Return an awaitable that runs ``coroutine`` in ``context``, or just as it is without one."""
    return coroutine if context is None else _InContext(context, coroutine)


class _InContext:
    """Awaits a coroutine, each step of which runs in a context that is not the task's."""

    __slots__ = ("_context", "_coroutine")

    def __init__(self, context: Context, coroutine: Coroutine[Any, Any, Any]) -> None:
        self._context = context
        self._coroutine = coroutine

    def __await__(self) -> Generator[Any, Any, Any]:
        run, coroutine = self._context.run, self._coroutine
        try:
            waits_for = run(coroutine.send, None)
            while True:
                try:
                    value = yield waits_for
                except BaseException as exc:
                    waits_for = run(coroutine.throw, exc)
                else:
                    waits_for = run(coroutine.send, value)
        except StopIteration as done:
            return done.value
