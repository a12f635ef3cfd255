"""What a failed wait tells about the stream."""

from __future__ import annotations

from .reader import EventReader
from .server.exchange import Exchange

__all__ = ["describe"]


def describe(exchange: Exchange, reader: EventReader) -> str:
    """Return what did arrive, one thing a line, each line indented."""
    comments, rest = reader.comments, reader.rest
    lines = [
        f"status: {_status(exchange)}",
        f"events received: {reader.count}{_last(reader.last)}",
        f"events not yet received: {len(reader.pending)}",
        f"comments: {len(comments)}{_last(comments[-1] if comments else None)}",
        f"undecoded rest: {rest!r}" if rest else "undecoded rest: none",
        f"body: {reader.size} bytes, {_body(exchange)}",
        f"app: {_app(exchange)}",
    ]
    return "\n".join(f"  {line}" for line in lines)


def _last(item: object) -> str:
    return "" if item is None else f", the last is {_short(item)}"


def _short(item: object) -> str:
    text = repr(item)
    return text if len(text) <= 200 else f"{text[:200]}..."


def _status(exchange: Exchange) -> str:
    if exchange.response.status is None:
        return "none, the response has not started"
    kind = exchange.response.headers.get("content-type", "not set")
    return f"{exchange.response.status}, content-type {kind}"


def _body(exchange: Exchange) -> str:
    if exchange.response.complete:
        return "ended"
    if exchange.disconnected:
        return "left by this client"
    if exchange.response.window.is_holding:
        return "held back, since this client has paused"
    return "cut off, without a final body message" if exchange.task.done else "open"


def _app(exchange: Exchange) -> str:
    task = exchange.task
    if task.error is not None:
        return f"raised {_short(task.error)}"
    if task.done:
        return "was cancelled" if task.cancelled else "has returned"
    return "waits for this client to read" if exchange.is_held_up else "is running"
