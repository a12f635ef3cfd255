"""anyio's cancel scopes on asyncio, which are looked at and never changed.

asyncio's own :meth:`~asyncio.Task.cancel` knows nothing of them: it goes through a shield, and it
stops only the task that it is called on, where a scope stops every task within. Both matter to
content that is interrupted. A shield is around a transaction, or around a worker thread that
``to_thread.run_sync`` waits for. And the tasks of a group end before the block that started them
closes the streams on which they wait, so that they see a cancellation and no broken stream.

The attributes were checked with anyio 4.11 to 4.16. Where they are missing, a task seems to be in
no scope at all.
"""

from __future__ import annotations

import sys
from asyncio import Task
from collections.abc import Iterator
from inspect import CORO_CREATED, getcoroutinestate
from typing import Any, Final
from weakref import ref

__all__ = ["innermost_scope", "is_shielded", "tasks_within"]

_BACKEND: Final = "anyio._backends._asyncio"


def innermost_scope(task: Task[Any]) -> Any:
    """Return the innermost scope in which ``task`` is, or None."""
    backend: Any = sys.modules.get(_BACKEND)
    try:
        # The mapping is weak; looking into it directly costs a third.
        state = backend._task_states.data.get(ref(task))
        return None if state is None else state.cancel_scope
    except AttributeError:
        return None


def is_shielded(task: Task[Any], outer: object) -> bool:
    """Tell whether ``task`` is in a shielded scope within the scope ``outer``."""
    return any(scope.shield for scope in _scopes(task, outer))


def tasks_within(task: Task[Any], outer: object) -> list[Task[Any]]:
    """Return the tasks that run in the scopes of ``task`` within ``outer``, but not itself.

    Those in a shield are left out, and those that have not begun, which could not clean up.
    """
    try:
        scopes = list(_scopes(task, outer))
        found = set(_tasks(scopes[-1])) if scopes else set()
        return [one for one in found if one is not task and not one.done() and _has_begun(one)]
    except AttributeError:
        return []


def _scopes(task: Task[Any], outer: object) -> Iterator[Any]:
    scope = innermost_scope(task)
    while scope is not None and scope is not outer:
        yield scope
        scope = getattr(scope, "_parent_scope", None)


def _tasks(scope: Any) -> Iterator[Task[Any]]:
    yield from scope._tasks
    for child in scope._child_scopes:
        if not child.shield:
            yield from _tasks(child)


def _has_begun(task: Task[Any]) -> bool:
    coroutine: Any = task.get_coro()
    return getcoroutinestate(coroutine) != CORO_CREATED
