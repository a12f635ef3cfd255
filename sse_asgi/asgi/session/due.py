"""The messages that the timers send: a late head, the events of a window, keep-alive."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .deadlines import Deadlines, Due

if TYPE_CHECKING:
    from ..options import StreamOptions
    from .writer import ResponseWriter

__all__ = ["FIRST_BODY", "write_due"]

FIRST_BODY = b":\n\n"
"""Makes daphne send the head and Firefox fire ``open`` when there is nothing else to send yet."""


async def write_due(
    writer: ResponseWriter, options: StreamOptions, deadlines: Deadlines | None
) -> None:
    """Send the message that is due, if nothing is on its way.

    :raises ClientGone: ``send`` raised an :exc:`OSError`
    """
    if writer.busy or writer.is_closed:
        return
    if not writer.started:
        await writer.write(options.first or FIRST_BODY)
        return
    now = writer.now()
    if writer.window is not None:
        if writer.window.due_at <= now:
            await writer.window.flush()
            return
        if deadlines is not None and deadlines.next(writer, now)[1] is not Due.WRITE:
            return  # the content has written since the look
    if deadlines is not None:
        deadlines.pinged(now)
    if options.ping_message is None:
        await writer.write(options.comment)
    else:
        await writer.write(options.encode(options.ping_message()))
