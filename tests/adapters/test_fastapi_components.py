"""The types of a stream's events among the components of OpenAPI."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, Literal

import pytest
from fastapi import Depends, FastAPI
from pydantic import BaseModel, Field
from typing_extensions import TypeAliasType

from sse_asgi.adapters.fastapi import EventSource, EventSourceResponse, EventTypes
from sse_asgi.testing import connect

pytestmark = [pytest.mark.anyio, pytest.mark.needs("fastapi")]


class Token(BaseModel):
    kind: Literal["token"] = "token"
    text: str


class Done(BaseModel):
    kind: Literal["done"] = "done"


@dataclass
class Named:
    kind: str


@dataclass
class Point:
    x: int


Union = Annotated[Token | Done, Field(discriminator="kind")]
ChatEvent = TypeAliasType("ChatEvent", Union)
DISCRIMINATOR = {
    "propertyName": "kind",
    "mapping": {"token": "#/components/schemas/Token", "done": "#/components/schemas/Done"},
}


def app_of(events: EventTypes, *content: Any) -> FastAPI:
    app = FastAPI()

    @app.get("/", **events.route)
    async def endpoint(
        source: Annotated[EventSource, Depends(EventSource.of)],
    ) -> EventSourceResponse:
        return source.respond(list(content), events=events)

    return app


def components(events: EventTypes) -> dict[str, Any]:
    found: dict[str, Any] = app_of(events).openapi()["components"]["schemas"]
    return found


@pytest.mark.parametrize(
    "events",
    [
        EventTypes(Union, name="ChatEvent"),
        EventTypes(ChatEvent),
        EventTypes(Token | Done, discriminator="kind", name="ChatEvent"),
    ],
    ids=["name", "alias", "discriminator"],
)
def test_named_union_and_its_members_are_components(events: EventTypes) -> None:
    found = components(events)
    assert set(found) == {"ChatEvent", "Token", "Done"}
    assert found["ChatEvent"]["discriminator"] == DISCRIMINATOR
    assert len(found["ChatEvent"]["oneOf"]) == 2


def test_union_without_a_name_leaves_its_members() -> None:
    assert set(components(EventTypes(Union))) == {"Token", "Done"}


def test_single_type_has_no_discriminator() -> None:
    assert set(components(EventTypes(Point, name="Move"))) == {"Move", "Point"}


def test_names_that_no_schema_tells_are_no_discriminator() -> None:
    found = components(EventTypes(Named | Token, discriminator="kind", name="Mixed"))
    assert "discriminator" not in found["Mixed"]


def test_description_says_how_the_events_are_named() -> None:
    operation = app_of(EventTypes(Union)).openapi()["paths"]["/"]["get"]
    assert operation["responses"]["200"]["description"] == (
        "An event stream. The data of each event is `Token` or `Done` as JSON, named by its `kind`."
    )


async def test_described_stream_is_sent_as_it_is() -> None:
    app = app_of(EventTypes(Union, name="ChatEvent"), Token(text="a"))
    async with connect(app) as client:
        assert client.headers["content-type"] == "text/event-stream"
        assert await client.body() == b'event: token\ndata: {"kind":"token","text":"a"}\n\n'


@pytest.mark.parametrize(("name", "error"), [(1, TypeError), ("a b", ValueError), ("", ValueError)])
def test_name_that_is_none_is_refused(name: Any, error: type[Exception]) -> None:
    with pytest.raises(error, match="name must be"):
        EventTypes(Union, name=name)
