"""Typed events: what each is named, and how OpenAPI describes them."""

from __future__ import annotations

import typing
from collections.abc import Iterator, Mapping
from enum import Enum
from inspect import isclass
from types import UnionType
from typing import Annotated, Any, Union

from pydantic import Field, RootModel, TypeAdapter, create_model
from starlette.responses import Response

from ...checks import refuse, text
from ...wire import EncodedBatch, JSONServerSentEvent, ServerSentEvent

__all__ = ["EventTypes"]


class _Described(Response):
    media_type = None


class EventTypes:
    """The types of a stream's events: what each is named, and how OpenAPI describes them.

    Give the members to the path operation with ``**events.route``, and the stream to
    ``source.respond(content, events=events)``. Each item is then an instance of a member, sent as
    JSON, or a :class:`ServerSentEvent` whose data is one.

    :param types: a Pydantic model or dataclass, or a union of them; the discriminator of
        ``Annotated[A | B, Field(discriminator="kind")]`` is known from there
    :param discriminator: the field whose value is the event's name; None: events have no name
    :param name: the name of the union in OpenAPI's components, of which generators of clients make
        a type; None: that of an alias made by a ``type`` statement; a union without one has no name
    :raises TypeError: ``types`` is something else, or ``name`` is not a str
    :raises ValueError: a member has no such field, or ``name`` is no Python identifier
    """

    def __init__(
        self, types: Any, *, discriminator: str | None = None, name: str | None = None
    ) -> None:
        self.members: tuple[type, ...] = tuple(_members(types))
        self.discriminator: str | None = discriminator or _discriminator(types)
        self._name = _name(types, name)
        if self.discriminator is not None:
            for member in self.members:
                _check_names(member, self.discriminator)

    @property
    def route(self) -> dict[str, Any]:
        """The arguments of the path operation: ``@app.get("/events", **events.route)``."""
        content = {"text/event-stream": {"itemSchema": self.item_schema()}}
        return {
            # FastAPI describes the body of a response class that has a media type as a string.
            "response_class": _Described,
            # It has the model among the components. The response is none, so it is not validated.
            "response_model": _component(self.members, self.discriminator, self._name),
            "responses": {200: {"description": self._description(), "content": content}},
        }

    def _description(self) -> str:
        """Return what Swagger UI shows of the stream: it does not read ``itemSchema``."""
        members = " or ".join(f"`{member.__name__}`" for member in self.members)
        named = "" if self.discriminator is None else f", named by its `{self.discriminator}`"
        return f"An event stream. The data of each event is {members} as JSON{named}."

    def item_schema(self) -> dict[str, Any]:
        """Return the schema of one event (OpenAPI 3.2, "Server-Sent Event Streams")."""
        schemas = [self._event_schema(member) for member in self.members]
        return schemas[0] if len(schemas) == 1 else {"oneOf": schemas}

    def named(self, item: object) -> object:
        """Return ``item`` as an event with its name.

        :raises TypeError: it is none of these types
        """
        if isinstance(item, (bytes, EncodedBatch)):
            return item
        payload = item.data if isinstance(item, ServerSentEvent) else item
        if payload is None and isinstance(item, ServerSentEvent):
            return item  # a comment or a reconnection time
        if not isinstance(payload, self.members):
            expected = ", ".join(member.__name__ for member in self.members)
            raise TypeError(f"an event of this stream is one of {expected}, not {payload!r}")
        name = None if self.discriminator is None else getattr(payload, self.discriminator)
        name = name.value if isinstance(name, Enum) else name
        if not isinstance(item, ServerSentEvent):
            return JSONServerSentEvent(payload, event=name)
        return JSONServerSentEvent(
            payload,
            event=item.event or name,
            id=item.id,
            retry=item.retry,
            comment=item.comment,
            isolate=item.isolate,
        )

    def _event_schema(self, member: type) -> dict[str, Any]:
        schema = TypeAdapter(member).json_schema(mode="serialization")
        fields = _resolved(schema).get("properties", {})
        data = _self_contained(schema)
        properties: dict[str, Any] = {
            "data": {
                "type": "string",
                "contentMediaType": "application/json",
                "contentSchema": data,
            },
            "id": {"type": "string"},
            "retry": {"type": "integer", "minimum": 0},
        }
        if self.discriminator is None:
            return {"type": "object", "required": ["data"], "properties": properties}
        alias = _field_names(member)[self.discriminator]
        name = {key: fields[alias][key] for key in ("const", "enum") if key in fields[alias]}
        properties = {"event": {"type": "string", **name}, **properties}
        return {"type": "object", "required": ["event", "data"], "properties": properties}


def _members(types: Any) -> Iterator[type]:
    types = getattr(types, "__value__", types)  # an alias made by a ``type`` statement
    origin = typing.get_origin(types)
    if origin is typing.Annotated:
        yield from _members(typing.get_args(types)[0])
    elif origin in (typing.Union, UnionType):
        for member in typing.get_args(types):
            yield from _members(member)
    elif isclass(types) and _is_model(types):
        yield types
    else:
        raise TypeError(f"an event type is a Pydantic model or a dataclass, not {types!r}")


def _name(types: Any, name: str | None) -> str | None:
    if name is None:
        return getattr(types, "__name__", None) if hasattr(types, "__value__") else None
    if not text("name", name).isidentifier():
        raise ValueError(refuse("name", "a Python identifier", name))
    return name


def _component(members: tuple[type, ...], discriminator: str | None, name: str | None) -> Any:
    """Return the type that FastAPI describes among the components: the union by its name."""
    union: Any = Union[members]  # noqa: UP007 - the members are known at run time only
    if len(members) > 1 and discriminator and all(_is_named(m, discriminator) for m in members):
        union = Annotated[union, Field(discriminator=discriminator)]
    return union if name is None else create_model(name, __base__=RootModel[union])


def _is_named(member: type, discriminator: str) -> bool:
    """Say whether the schema of a member tells the names of its events."""
    field = _name_field(member, discriminator)
    return "const" in field or "enum" in field


def _name_field(member: type, discriminator: str) -> dict[str, Any]:
    """Return the schema of the field that has the name of a member's events."""
    schema = _resolved(TypeAdapter(member).json_schema(mode="serialization"))
    field: dict[str, Any] = schema.get("properties", {}).get(
        _field_names(member)[discriminator], {}
    )
    return field


def _discriminator(types: Any) -> str | None:
    metadata = getattr(getattr(types, "__value__", types), "__metadata__", ())
    found = [getattr(entry, "discriminator", None) for entry in metadata]
    return next((name for name in found if isinstance(name, str)), None)


def _field_names(member: type) -> dict[str, str]:
    """Return the names of a model's fields, and what each is called in its JSON."""
    fields: Mapping[str, Any] = getattr(member, "model_fields", None) or getattr(
        member, "__dataclass_fields__", {}
    )
    alias = ("serialization_alias", "alias")
    return {
        name: next((a for a in (getattr(field, key, None) for key in alias) if a), name)
        for name, field in fields.items()
    }


def _is_model(kind: type) -> bool:
    return hasattr(kind, "model_fields") or hasattr(kind, "__dataclass_fields__")


def _resolved(schema: dict[str, Any]) -> dict[str, Any]:
    """Return the schema that a schema refers to, if it is that of a model that holds itself."""
    name = str(schema.get("$ref", "")).removeprefix("#/$defs/")
    found: dict[str, Any] = schema.get("$defs", {}).get(name, schema)
    return found


def _check_names(member: type, discriminator: str) -> None:
    """Refuse a member whose events could not have the name that its field says."""
    if discriminator not in _field_names(member):
        raise ValueError(f"{member.__name__} has no field {discriminator!r}")
    field = _name_field(member, discriminator)
    for name in field.get("enum", [field["const"]] if "const" in field else []):
        try:
            ServerSentEvent("", event=name)
        except (TypeError, ValueError) as exc:
            raise type(exc)(f"{member.__name__}.{discriminator}: {exc}") from None


def _self_contained(schema: dict[str, Any]) -> dict[str, Any]:
    """Write definitions where they are referred to: OpenAPI has no place for those of a response.

    Definitions that refer to themselves stay, below an ``$id`` that the references then go by.
    """
    definitions = schema.pop("$defs", {})

    def inlined(node: Any, above: tuple[str, ...]) -> Any:
        if isinstance(node, list):
            return [inlined(entry, above) for entry in node]
        if not isinstance(node, dict):
            return node
        name = str(node.get("$ref", "")).removeprefix("#/$defs/")
        if name not in definitions:
            # What a discriminator maps to is inlined, too, and no longer there to be referred to.
            left_out = "mapping" if "propertyName" in node else None
            return {key: inlined(value, above) for key, value in node.items() if key != left_out}
        if name in above:
            raise RecursionError(name)
        rest = {key: value for key, value in node.items() if key != "$ref"}
        return {**inlined(definitions[name], (*above, name)), **inlined(rest, above)}

    try:
        contained: dict[str, Any] = inlined(schema, ())
    except RecursionError as exc:
        return {"$id": f"urn:event:{exc}", **schema, "$defs": definitions}
    return contained
