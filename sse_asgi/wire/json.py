"""Values to JSON, as the data of an event has it when no ``serializer`` is given.

The standard library's encoder writes the types that it knows. :func:`json_default` is the one rule
for the others. The rule depends on the value alone, and never on the packages that are installed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import fields
from json import JSONEncoder
from types import MappingProxyType
from typing import Any, Final, NoReturn

__all__ = ["json_default", "to_json"]


def json_default(value: Any) -> Any:
    """Return a value that JSON knows in place of one that it does not know.

    It is a ``default`` function, as :class:`json.JSONEncoder` and orjson take one. The encoder
    calls it again for each value within the result.

    ============================  ==================================================================
    value                         in its place
    ============================  ==================================================================
    Pydantic model                its ``model_dump(mode="json")``, so the model's own rules hold
    dataclass                     a dict of its fields
    attrs object                  a dict of its attributes
    ``datetime, date, time``      a str by ``isoformat()`` (ISO 8601)
    ``UUID``                      a str: 32 digits with hyphens
    ``Decimal``                   a str, since a JSON number becomes a float in a browser
    ``Enum``                      its value
    ============================  ==================================================================

    :raises TypeError: the value is of another type
    :raises ValueError: the value is a ``Decimal`` that is infinite or NaN
    """
    kind = type(value)
    # Other libraries make events of Pydantic models and dataclasses. No fields of them are data.
    if any("ServerSentEvent" in base.__name__ for base in kind.__mro__):
        _refuse_event(kind)
    if callable(getattr(kind, "model_dump", None)):
        return value.model_dump(mode="json")
    for base in kind.__mro__:
        rule = _RULES.get((base.__module__, base.__qualname__))
        if rule is not None:
            return rule(value)
    if hasattr(kind, "__dataclass_fields__"):
        return {field.name: getattr(value, field.name) for field in fields(value)}
    if hasattr(kind, "__attrs_attrs__"):
        return {field.name: getattr(value, field.name) for field in kind.__attrs_attrs__}
    raise TypeError(f"JSON has no form for the type {_name(kind)}")


def _isoformat(value: Any) -> Any:
    return value.isoformat()


def _number(value: Any) -> str:
    if not value.is_finite():
        raise ValueError(f"JSON has no form for {value!r}")
    return str(value)


def _member(value: Any) -> Any:
    return value.value


def _refuse_event(kind: type) -> NoReturn:
    if kind.__module__.startswith("sse_asgi."):
        raise TypeError(f"an event ({_name(kind)}) is no data: yield one event at a time")
    raise TypeError(
        f"an event of another library ({_name(kind)}) is no data: "
        "yield sse_asgi.ServerSentEvent, or a dict of its fields"
    )


def _received(value: Any) -> NoReturn:
    raise TypeError(
        "an event that was received (MessageEvent) is no data: "
        "to pass it on, yield {'event': e.event, 'data': e.data, 'id': e.id}"
    )


_RULES: Final[Mapping[tuple[str, str], Callable[[Any], Any]]] = MappingProxyType(
    {
        # By name, so that nothing is imported for a type that a program does not use.
        ("datetime", "date"): _isoformat,  # datetime is a subclass
        ("datetime", "time"): _isoformat,
        ("uuid", "UUID"): str,
        ("decimal", "Decimal"): _number,
        ("enum", "Enum"): _member,
        # It is a dataclass, but nobody means to send its fields as data.
        ("sse_asgi.wire.decoder", "MessageEvent"): _received,
    }
)

_encode: Final = JSONEncoder(
    ensure_ascii=False, separators=(",", ":"), allow_nan=False, default=json_default
).encode


def to_json(value: object) -> str:
    """Return compact JSON of ``value``, to be sent as UTF-8 (RFC 8259, 8.1).

    :raises TypeError: a value, or the key of a dict, has no form in JSON
    :raises ValueError: a number is NaN or infinite, which JSON does not know; or the value contains
        itself
    """
    return _encode(value)


def _name(kind: type) -> str:
    module = kind.__module__
    return kind.__qualname__ if module == "builtins" else f"{module}.{kind.__qualname__}"
