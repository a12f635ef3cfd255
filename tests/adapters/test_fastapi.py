"""The FastAPI adapter: dependency, response, typed events, OpenAPI."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from datetime import date
from enum import Enum
from typing import Annotated, Any, Literal

import anyio
import pytest
from fastapi import APIRouter, BackgroundTasks, Depends, FastAPI, HTTPException, Request
from fastapi.sse import ServerSentEvent as NativeEvent
from pydantic import BaseModel, Field, create_model

from sse_asgi import Refusal, ServerSentEvent, drain
from sse_asgi.adapters.fastapi import EventSource, EventSourceResponse, EventTypes
from sse_asgi.testing import connect

pytestmark = [pytest.mark.anyio, pytest.mark.needs("fastapi")]

Source = Annotated[EventSource, Depends(EventSource)]


class Token(BaseModel):
    kind: Literal["token"] = "token"
    text: str


class Kind(Enum):
    DONE = "done"


class Done(BaseModel):
    kind: Literal[Kind.DONE] = Kind.DONE
    last: Token | None = None
    day: date = Field(default=date(2026, 1, 2), serialization_alias="theDay")


class Node(BaseModel):
    children: list[Node] = []


@dataclass
class Point:
    x: int


EVENTS = EventTypes(Annotated[Token | Done, Field(discriminator="kind")])


async def items(*content: Any) -> AsyncIterator[Any]:
    """Yield the items."""
    for item in content:
        yield item


async def endless(closed: list[str]) -> AsyncIterator[str]:
    """Yield one event and wait; note the end."""
    try:
        yield "first"
        await anyio.sleep_forever()
    finally:
        closed.append("closed")


async def body_of(app: FastAPI, path: str = "/", **options: Any) -> bytes:
    """Return the whole body of the response."""
    async with connect(app, path, **options) as client:
        assert client.status == 200
        return await client.body()


def app_of(content: Any, **options: Any) -> FastAPI:
    """Return an application with one path operation that streams ``content``."""
    app = FastAPI()

    @app.get("/", response_class=EventSourceResponse)
    async def endpoint(source: Source) -> EventSourceResponse:
        return source.respond(content, **options)

    return app


async def test_models_and_what_they_are_in_are_json() -> None:
    content = items(
        Done(), {"data": [Token(text="é")], "id": "1"}, ServerSentEvent(Point(1), event="p"),
        NativeEvent(data="quoted", event="n"), NativeEvent(raw_data="raw", retry=5),
    )  # fmt: skip
    assert (
        await body_of(app_of(content))
        == (
            'data: {"kind":"done","last":null,"theDay":"2026-01-02"}\n\n'
            'id: 1\ndata: [{"kind":"token","text":"é"}]\n\nevent: p\ndata: {"x":1}\n\n'
            'event: n\ndata: "quoted"\n\nretry: 5\ndata: raw\n\n'
        ).encode()
    )


async def test_discriminator_names_the_event() -> None:
    content = items(
        Token(text="a"), ServerSentEvent(Done(), id="7"), ServerSentEvent(comment="c"),
        ServerSentEvent(Token(text="b"), event="own"), b": raw\n\n",
    )  # fmt: skip
    assert await body_of(app_of(content, events=EVENTS)) == (
        b'event: token\ndata: {"kind":"token","text":"a"}\n\n'
        b'id: 7\nevent: done\ndata: {"kind":"done","last":null,"theDay":"2026-01-02"}\n\n'
        b': c\n\nevent: own\ndata: {"kind":"token","text":"b"}\n\n: raw\n\n'
    )


@pytest.mark.parametrize("item", ["text", {"data": "x"}, Point(1), ServerSentEvent("x")])
async def test_item_of_another_type_is_an_error_that_names_it(item: Any) -> None:
    async with connect(app_of(items(item), events=EVENTS), raise_app_exceptions=False) as client:
        assert client.status == 500
        assert "one of Token, Done, not" in str(client.error)


@pytest.mark.parametrize("types", [str, Token | None, 1, list[Token]])
def test_event_types_are_models_or_dataclasses(types: Any) -> None:
    with pytest.raises(TypeError, match="event type"):
        EventTypes(types)


def test_discriminator_must_be_a_field() -> None:
    with pytest.raises(ValueError, match="Token has no field 'type'"):
        EventTypes(Token, discriminator="type")


def test_openapi_describes_the_events_of_a_typed_stream() -> None:
    app = FastAPI()

    @app.get("/", **EVENTS.route)
    async def endpoint(source: Source) -> EventSourceResponse:
        return source.respond(items(), events=EVENTS)

    content = app.openapi()["paths"]["/"]["get"]["responses"]["200"]["content"]
    assert list(content) == ["text/event-stream"]
    assert list(content["text/event-stream"]) == ["itemSchema"]
    token, done = content["text/event-stream"]["itemSchema"]["oneOf"]
    assert token["properties"]["event"] == {"type": "string", "const": "token"}
    assert token["required"] == ["event", "data"]
    data = done["properties"]["data"]
    assert data["contentMediaType"] == "application/json"
    assert "theDay" in data["contentSchema"]["properties"]
    assert "$ref" not in str(content)


def test_recursive_type_refers_to_itself_within_its_own_schema() -> None:
    schema = EventTypes(Node).item_schema()["properties"]["data"]["contentSchema"]
    assert schema["$id"]
    assert schema["$ref"] == "#/$defs/Node"
    assert "Node" in schema["$defs"]


def test_openapi_says_event_stream_of_an_untyped_stream() -> None:
    responses = app_of(items()).openapi()["paths"]["/"]["get"]["responses"]
    assert list(responses["200"]["content"]) == ["text/event-stream"]


async def test_source_knows_the_last_event_id_and_options_reach_the_response() -> None:
    app = FastAPI()

    @app.get("/", response_class=EventSourceResponse)
    async def endpoint(source: Source) -> EventSourceResponse:
        response = source.respond(
            items(source.last_event_id), status=201, headers={"x-own": "1"}, separator="\r\n"
        )
        response.set_cookie("c", "1")
        return response

    async with connect(app, last_event_id="41") as client:
        assert (client.status, client.headers["x-own"]) == (201, "1")
        assert client.headers["content-type"] == "text/event-stream"
        assert "c=1" in client.headers["set-cookie"]
        assert await client.body() == b"data: 41\r\n\r\n"


async def test_dependency_may_be_asynchronous() -> None:
    app = FastAPI()

    @app.get("/", response_class=EventSourceResponse)
    async def endpoint(
        source: Annotated[EventSource, Depends(EventSource.of)],
    ) -> EventSourceResponse:
        return source.respond(items(source.last_event_id))

    assert await body_of(app, last_event_id="3") == b"data: 3\n\n"


async def test_sync_endpoint_and_sync_content() -> None:
    app = FastAPI()

    @app.get("/", response_class=EventSourceResponse)
    def endpoint(source: Source) -> EventSourceResponse:
        def content() -> Iterator[int]:
            yield from range(3)

        return source.respond(content)

    assert await body_of(app) == b"data: 0\n\ndata: 1\n\ndata: 2\n\n"


async def test_disconnect_is_known_to_the_source_and_runs_background_tasks() -> None:
    app, heard, sources = FastAPI(), list[str](), list[EventSource]()

    @app.post("/", response_class=EventSourceResponse)
    async def endpoint(source: Source, tasks: BackgroundTasks, body: dict[str, int]) -> Any:
        sources.append(source)
        tasks.add_task(heard.append, f"background {body['a']}")
        return source.respond(endless(heard))

    headers = {"content-type": "application/json"}
    async with connect(app, method="POST", body=b'{"a": 1}', headers=headers) as client:
        await client.receive()
        assert not sources[0].disconnected.is_set()
    assert sources[0].disconnected.is_set()
    assert heard == ["closed", "background 1"]


async def test_content_that_watches_the_shutdown_says_farewell() -> None:
    app = FastAPI()

    @app.get("/", response_class=EventSourceResponse)
    async def endpoint(source: Source) -> EventSourceResponse:
        async def content() -> AsyncIterator[str]:
            yield "first"
            await source.shutdown.wait()
            yield "farewell"

        return source.respond(content())

    async with connect(app) as client:
        await client.receive()
        drain()
        assert (await client.receive()).data == "farewell"
        await client.closed()


@pytest.mark.parametrize("error", [HTTPException(409, "taken"), Refusal(409, "taken")])
async def test_error_before_the_first_event_is_a_real_response(error: Exception) -> None:
    async def content() -> AsyncIterator[str]:
        raise error
        yield

    async with connect(app_of(content)) as client:
        assert client.status == 409
        assert "taken" in await client.text()


async def test_router_and_dependency_overrides() -> None:
    class Resuming(EventSource):
        @property
        def last_event_id(self) -> str:
            return "overridden"

    async def resuming(request: Request) -> EventSource:
        return Resuming(request)

    router = APIRouter(prefix="/v1")

    @router.get("/events/{name}", response_class=EventSourceResponse)
    async def endpoint(name: str, source: Source) -> EventSourceResponse:
        return source.respond(items(name, source.last_event_id))

    app = FastAPI()
    app.include_router(router)
    assert await body_of(app, "/v1/events/a", last_event_id="1") == b"data: a\n\ndata: 1\n\n"
    app.dependency_overrides[EventSource] = resuming
    assert await body_of(app, "/v1/events/a") == b"data: a\n\ndata: overridden\n\n"


class Left:
    """Dependencies that note when they are left."""

    def __init__(self) -> None:
        self.names: list[str] = []

    def resource(self, name: str) -> Any:
        """Return a dependency."""

        async def dependency() -> AsyncIterator[str]:
            yield name
            self.names.append(name)

        return dependency


async def test_dependency_with_the_scope_of_the_function_is_left_before_the_stream() -> None:
    app, left = FastAPI(), Left()
    early = Depends(left.resource("function"), scope="function")
    late = Depends(left.resource("request"))

    @app.get("/", response_class=EventSourceResponse, dependencies=[early, late])
    async def endpoint(source: Source) -> EventSourceResponse:
        return source.respond(endless([]))

    async with connect(app) as client:
        await client.receive()
        assert left.names == ["function"]
    assert left.names == ["function", "request"]


class Comment(BaseModel):
    kind: Literal["comment"] = "comment"
    text: str
    replies: list[Comment] = []


class Gone(BaseModel):
    kind: Literal["gone"] = "gone"


def test_type_that_holds_itself_may_have_a_discriminator() -> None:
    events = EventTypes(Annotated[Comment | Gone, Field(discriminator="kind")])
    schemas = events.item_schema()["oneOf"]
    assert [schema["properties"]["event"]["const"] for schema in schemas] == ["comment", "gone"]


class Cat(BaseModel):
    species: Literal["cat"] = "cat"


class Dog(BaseModel):
    species: Literal["dog"] = "dog"


class Owner(BaseModel):
    kind: Literal["owner"] = "owner"
    pet: Cat | Dog = Field(discriminator="species")


def test_nested_union_refers_to_nothing_that_is_not_there() -> None:
    schema = json.dumps(EventTypes(Owner).item_schema())
    assert "$ref" not in schema
    assert "#/$defs" not in schema


@pytest.mark.parametrize("name", ["error", "a\nb", 1, ""])
def test_name_that_no_event_can_have_is_refused_where_the_types_are_given(name: Any) -> None:
    kind: Any = (Literal[name], name)
    model = create_model("Bad", kind=kind)
    with pytest.raises((TypeError, ValueError), match=r"^Bad\.kind: event must"):
        EventTypes(model, discriminator="kind")


@pytest.mark.anyio
async def test_number_that_json_has_not_is_null_as_in_fastapi_s_own_streams() -> None:
    async def content() -> AsyncIterator[Any]:
        yield {"data": {"x": float("nan"), "y": float("inf")}}

    async with connect(EventSourceResponse(content)) as events:
        assert (await events.receive()).json() == {"x": None, "y": None}
