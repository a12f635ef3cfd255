"""Event objects of other packages, which half-migrated programs still yield."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from ..wire import JSONServerSentEvent, ServerSentEvent

__all__ = ["encode_item", "event_fields", "native_event"]

_NAMES: Final = frozenset({"ServerSentEvent", "JSONServerSentEvent", "ServerSentEventMessage"})
_PACKAGES: Final = frozenset({"sse_starlette", "fastapi", "litestar", "httpx_sse"})
_FIELDS: Final = ("event", "id", "retry", "comment")


def event_fields(item: object) -> dict[str, Any] | None:
    """Return the fields of an event object of another package, or None if ``item`` is none.

    The event classes of sse-starlette, FastAPI, Litestar and httpx-sse have the same fields. In
    FastAPI's, ``data`` is sent as JSON and ``raw_data`` as it is; in the others ``data`` is text.
    """
    kinds = [kind for kind in type(item).__mro__ if kind.__name__ in _NAMES]
    if not kinds or kinds[0].__module__.partition(".")[0] not in _PACKAGES:
        return None
    fields = {name: _field(item, name) for name in _FIELDS}
    if hasattr(item, "raw_data"):
        data, raw = getattr(item, "data", None), item.raw_data
        return {**fields, "data": raw} if data is None else {**fields, "json": data}
    data = getattr(item, "data", None)
    return {**fields, "data": None if data is None else str(data)}


def _field(item: object, name: str) -> Any:
    value = getattr(item, name, None)
    if name == "retry" or value is None:
        return value
    # httpx-sse has empty text where there is no field.
    return str(value) or None


def encode_item(encode: Callable[[object], bytes], item: object) -> bytes:
    """Encode an item; event objects of other packages are understood by their fields."""
    return encode(native_event(item))


def native_event(item: object) -> object:
    """Return the event of this library that another package's event object means."""
    fields = event_fields(item)
    if fields is None:
        return item
    if "json" in fields:
        return JSONServerSentEvent(fields.pop("json"), **fields)
    return ServerSentEvent(fields.pop("data"), **fields)
