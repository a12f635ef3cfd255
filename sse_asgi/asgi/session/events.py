"""The events of one stream, written one after the other as the content yields them.

This loop runs for every event of every stream, so it does by itself what it could ask the writer
for: a call costs a third of an event.
"""

from __future__ import annotations

from collections.abc import AsyncIterable, Callable
from types import AsyncGeneratorType
from typing import TYPE_CHECKING, Any, Final

from anyio.lowlevel import checkpoint

from ...wire.batch import EncodedBatch, IsolatedBlock, as_batch, is_isolated
from .deadlines import NEVER
from .window import Window

if TYPE_CHECKING:
    from .control import StreamControl
    from .writer import ResponseWriter

__all__ = ["write_content", "write_events", "write_in_windows"]

EVENTS_PER_TURN: Final = 256
"""Yield to the event loop after this many events, because neither the content nor the server's
``send`` is guaranteed to.
"""

BYTES_PER_TURN: Final = 1_048_576
"""Yield to the event loop after this many bytes, too, at the next look."""

EVENTS_PER_LOOK: Final = 32
"""Look after this many events whether the task goes on although it was cancelled..."""

MOMENT: Final = 0.01
"""... or after each one, once the last ones have taken longer than this, in seconds."""


async def write_content(control: StreamControl, items: Any) -> bool:
    """Write each of ``items``; an exception that cancels ``send`` is thrown into the generator.

    Returns False if the content goes on although it was cancelled.
    """
    item = None
    options, writer, tasks = control.options, control.writer, control.tasks
    window = Window(writer, options.window, options.first) if options.window else None
    writer.window = window
    while True:
        try:
            if item is not None and not await (window or writer).write_batch(
                as_batch(item, options.encode), options.first
            ):
                return False
            if window is not None:
                return await write_in_windows(
                    window, writer, items, options.encode, control.look_at, tasks.cancelled_calls
                )
            return await write_events(
                writer, items, options.encode, options.first, tasks.cancelled_calls
            )
        except BaseException as exc:
            if isinstance(exc, Exception | GeneratorExit) or not _stands_at_yield(items):
                raise
            control.clean_up()
            try:
                item = await items.athrow(exc)
            except StopAsyncIteration:
                return True
        if tasks.is_cancelled:
            return False
        control.cleaned_up()


async def write_events(
    writer: ResponseWriter,
    items: AsyncIterable[object],
    encode: Callable[[object], bytes],
    first: bytes,
    is_cancelled: Callable[[], object],
) -> bool:
    """Write each of ``items`` as it comes; the head and ``first`` go with the first one.

    Returns True at the end of ``items``; False when they go on although the stream has ended.

    :param is_cancelled: tells whether this task goes on although it was cancelled
    :raises ClientGone: ``send`` raised an :exc:`OSError`
    """
    send, now, kind = writer.send, writer.now, writer.kind
    events = size = 0
    turn, look, looked_at = EVENTS_PER_TURN, 1, writer.since
    full = BYTES_PER_TURN
    sending = False
    try:
        async for item in items:
            if type(item) is EncodedBatch:
                body, count = item.body, item.events
            else:
                body, count = encode(item), 1
            length = len(body)
            if length <= writer.limit:
                writer.busy = sending = True
                writer.since = now()
                await send({"type": kind, "body": body, "more_body": True})
                writer.busy = sending = False
                size += length
            elif not await writer.write(body, first=first, isolated=is_isolated(item, body)):
                return False
            events += count
            if events >= look:
                since = writer.note_events()
                if is_cancelled():
                    return False
                look = events + (EVENTS_PER_LOOK if since - looked_at < MOMENT else 1)
                looked_at = since
                if events >= turn or writer.bytes + size >= full:
                    await checkpoint()
                    turn = events + EVENTS_PER_TURN
                    full = writer.bytes + size + BYTES_PER_TURN
        return True
    except BaseException as exc:
        if sending:
            writer.message_failed(exc)
        raise
    finally:
        writer.events += events
        writer.bytes += size


async def write_in_windows(
    window: Window,
    writer: ResponseWriter,
    items: AsyncIterable[object],
    encode: Callable[[object], bytes],
    look_at: Callable[[float], object],
    is_cancelled: Callable[[], object],
) -> bool:
    """Write ``items`` by the window, as :func:`write_events` does without one.

    Returns True at the end of ``items``; False when they go on although the stream has ended.

    :param look_at: has the timers look at the stream at that time, or before
    :param is_cancelled: tells whether this task goes on although it was cancelled
    :raises ClientGone: ``send`` raised an :exc:`OSError`
    """
    now, events, turn, look = writer.now, 0, EVENTS_PER_TURN, 1
    looked_at = now()
    due_at = window.due_at  # something is held if the content has taken back a cancellation
    look_at(due_at)
    async for item in items:
        if type(item) is EncodedBatch:
            body, count, isolated = item
        else:
            body, count = encode(item), 1
            isolated = type(body) is IsolatedBlock
        if (window.hold(body, count, isolated) or writer.busy) and not await window.settle():
            return False
        if due_at != window.due_at:
            due_at = window.due_at
            look_at(due_at)
        events += count
        if events >= look:
            if is_cancelled():
                return False
            since, looked_at = looked_at, now()
            look = events + (EVENTS_PER_LOOK if looked_at - since < MOMENT else 1)
            if events >= turn:
                await checkpoint()
                turn = events + EVENTS_PER_TURN
    while window.due_at < NEVER:
        if not await window.flush():
            return False
    return True


def _stands_at_yield(items: Any) -> bool:
    """Tell whether ``items`` is a generator that waits to be asked for its next item."""
    return isinstance(items, AsyncGeneratorType) and items.ag_frame is not None
