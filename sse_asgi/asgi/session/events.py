"""The events of one stream, written one after the other as the content yields them.

This loop runs for every event of every stream, so it does by itself what it could ask the writer
for: a call costs a third of an event.
"""

from __future__ import annotations

from collections.abc import AsyncIterable, Callable, Coroutine
from types import AsyncGeneratorType
from typing import TYPE_CHECKING, Any, Final

from anyio.lowlevel import checkpoint

from ...wire.batch import EncodedBatch, IsolatedBlock, as_batch, is_isolated
from .deadlines import NEVER
from .window import Window

if TYPE_CHECKING:
    from ...runtime.tasks import TaskPair
    from .control import StreamControl
    from .writer import ResponseWriter

__all__ = ["is_for_content", "write_content", "write_events", "write_in_windows", "write_rest"]

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


def write_content(control: StreamControl, items: Any) -> Coroutine[Any, Any, bool]:
    """Return the coroutine that writes each of ``items``; see :func:`write_events`.

    An exception that it raises may be for the content: see :func:`is_for_content`.
    """
    options, writer = control.options, control.writer
    if not options.window:
        return write_events(writer, items, options.encode, options.first, control.tasks)
    writer.window = window = Window(writer, options.window, options.first)
    return write_in_windows(window, writer, items, options.encode, control.look_at, control.tasks)


def is_for_content(exc: BaseException, items: Any) -> bool:
    """Tell whether an exception has cancelled ``send`` while the content was at a ``yield``."""
    return not isinstance(exc, Exception | GeneratorExit) and _stands_at_yield(items)


async def write_rest(control: StreamControl, items: Any, exc: BaseException) -> bool:
    """Throw an exception that is for the content into it, and write the items that follow.

    Returns False if the content goes on although it was cancelled.
    """
    options, writer, tasks = control.options, control.writer, control.tasks
    window = writer.window if isinstance(writer.window, Window) else None
    while True:
        control.clean_up()
        try:
            item = await items.athrow(exc)
        except StopAsyncIteration:
            return True
        finally:
            del exc  # its traceback leads to this frame
        if tasks.is_cancelled:
            return False
        control.cleaned_up()
        try:
            batch = as_batch(item, options.encode)
            if not await (window or writer).write_batch(batch, options.first):
                return False
            if window is None:
                return await write_events(writer, items, options.encode, options.first, tasks)
            return await write_in_windows(
                window, writer, items, options.encode, control.look_at, tasks
            )
        except BaseException as another:
            if not is_for_content(another, items):
                raise
            exc = another


async def write_events(
    writer: ResponseWriter,
    items: AsyncIterable[object],
    encode: Callable[[object], bytes],
    first: bytes,
    tasks: TaskPair,
) -> bool:
    """Write each of ``items`` as it comes; the head and ``first`` go with the first one.

    Returns True at the end of ``items``; False when they go on although the stream has ended.

    :param tasks: tells whether this task goes on although it was cancelled
    :raises ClientGone: ``send`` raised an :exc:`OSError`
    """
    send, now, kind = writer.send, writer.now, writer.kind
    events = size = 0
    turn, full, look, looked_at = EVENTS_PER_TURN, BYTES_PER_TURN, 1, writer.since
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
                if tasks.ignores_cancellation():
                    return False
                look = events + (EVENTS_PER_LOOK if since - looked_at < MOMENT else 1)
                looked_at = since
                if events >= turn or writer.bytes + size >= full:
                    await checkpoint()
                    turn, full = events + EVENTS_PER_TURN, writer.bytes + size + BYTES_PER_TURN
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
    tasks: TaskPair,
) -> bool:
    """Write ``items`` by the window, as :func:`write_events` does without one.

    Returns True at the end of ``items``; False when they go on although the stream has ended.

    :param look_at: has the timers look at the stream at that time, or before
    :param tasks: tells whether this task goes on although it was cancelled
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
            if tasks.ignores_cancellation():
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
