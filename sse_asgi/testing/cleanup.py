"""Which exception leaves a block when both the test and the clean-up after it failed."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import anyio

__all__ = ["clean_up"]


async def clean_up(function: Callable[[], Awaitable[object]], after: BaseException | None) -> None:
    """Await ``function()`` at the end of a block that is left with the exception ``after``.

    That exception stays what is raised, with a note about a failed clean-up. A cancellation does
    not: whoever cancelled would swallow it, and the failure with it.
    """
    try:
        await function()
    except BaseException as failure:
        if after is None or isinstance(after, anyio.get_cancelled_exc_class()):
            raise
        after.add_note(f"Afterwards, too: {type(failure).__name__}: {failure}")
