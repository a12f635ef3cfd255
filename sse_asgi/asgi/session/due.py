"""The messages that the timers send: a late head, the events of a window, keep-alive."""

from __future__ import annotations

from collections.abc import Coroutine
from typing import TYPE_CHECKING, Any

from .deadlines import Deadlines, Due

if TYPE_CHECKING:
    from ..options import StreamOptions
    from .writer import ResponseWriter

__all__ = ["FIRST_BODY", "write_due"]

FIRST_BODY = b":\n\n"
"""Makes daphne send the head and Firefox fire ``open`` when there is nothing else to send yet."""


def write_due(
    writer: ResponseWriter, options: StreamOptions, deadlines: Deadlines
) -> Coroutine[Any, Any, object] | None:
    """Return the coroutine that sends the message that is due, unless one is on its way.

    It raises :exc:`ClientGone` if ``send`` raised an :exc:`OSError`.
    """
    if writer.busy or writer.is_closed:
        return None
    if not writer.started:
        return writer.write(options.first or FIRST_BODY)
    if writer.window is None and options.ping_message is None:
        # The usual case: a coroutine in between would cost a tenth of a keep-alive.
        deadlines.pinged(writer.now())
        return writer.write(options.comment)
    return _write_other(writer, options, deadlines)


async def _write_other(
    writer: ResponseWriter, options: StreamOptions, deadlines: Deadlines
) -> None:
    """Send the events of the window, or a keep-alive."""
    now = writer.now()
    if writer.window is not None:
        if writer.window.due_at <= now:
            await writer.window.flush()
            return
        if deadlines.next(writer, now)[1] is not Due.WRITE:
            return  # the content has written since the look
    deadlines.pinged(now)
    if options.ping_message is None:
        await writer.write(options.comment)
    else:
        await writer.write(options.encode(options.ping_message()))
