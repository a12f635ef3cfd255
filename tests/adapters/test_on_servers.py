"""The examples of every framework, served by real servers: what arrives, who hears of the end."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path as PathOnDisk
from typing import NamedTuple

import pytest

from tests.servers.configurations import CONFIGURATIONS, Configuration
from tests.servers.harness import Server, serve
from tests.servers.response import Response

SERVERS = ("uvicorn-httptools-uvloop", "hypercorn-asyncio-h1")
ON_TRIO = ("starlette_events", "fastapi_tokens")


class Path(NamedTuple):
    """A stream of an example: its path, its first data, and what is printed when it is closed."""

    target: str
    first: str
    closed: str


def ticks(target: str, name: str) -> Path:
    """Return a path that streams numbered ticks."""
    return Path(target, f"{name} 0", f"{name} closed")


EXAMPLES = {
    "starlette_events": [
        ticks("/events", "events"),
        ticks("/house", "blue"),
        ticks("/rooms/red/", "red"),
    ],
    "fastapi_tokens": [
        Path(
            "/chat/tokens?prompt=a+b+c+d+e+f+g+h",
            '{"kind":"token","text":"a"}',
            "answer closed",
        )
    ],
    "quart_events": [ticks("/events?name=view", "view"), ticks("/beside", "beside")],
    "litestar_events": [
        ticks("/events", "events"),
        ticks("/returned", "returned"),
        ticks("/mounted", "mounted"),
    ],
    "django_events": [ticks("/events", "events"), ticks("/beside", "beside")],
    "any_framework": [
        ticks("/mounted?name=blacksheep", "blacksheep"),
        ticks("/falcon/body", "body"),
        ticks("/beside", "beside"),
    ],
}
NEEDS = {name: [name.partition("_")[0]] for name in EXAMPLES}
NEEDS["any_framework"] = ["blacksheep", "falcon"]
HEADERS = [("accept-encoding", "gzip, br")]


def cases() -> list[object]:
    """Return every example on every server that it is to run on, one process at a time."""
    names = [(name, example) for name in SERVERS for example in EXAMPLES]
    names += [("hypercorn-trio-h1", example) for example in ON_TRIO]
    by_name = {configuration.name: configuration for configuration in CONFIGURATIONS}
    return [
        pytest.param(
            (by_name[name], example),
            id=f"{example}-{name}",
            marks=[
                pytest.mark.needs(*by_name[name].needs, *NEEDS[example]),
                pytest.mark.xdist_group(f"{example}-{name}"),
            ],
        )
        for name, example in names
    ]


class Running(NamedTuple):
    """An example on a server."""

    server: Server
    paths: list[Path]


@pytest.fixture(scope="module", params=cases())
def running(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Running]:
    """Each example on each server, started once for all tests."""
    configuration, example = request.param
    assert isinstance(configuration, Configuration)
    with serve(configuration, f"examples.{example}:app", tmp_path_factory.mktemp("log")) as server:
        yield Running(server, EXAMPLES[example])


def next_event(response: Response) -> tuple[str, str]:
    """Return ID and data of the next event."""
    event = response.read_event()
    assert event is not None, "the stream has ended"
    return event.id, event.data


def test_events_arrive_one_by_one_and_the_content_hears_of_the_disconnect(running: Running) -> None:
    server = running.server
    for path in running.paths:
        with server.connect() as connection:
            response = connection.get(path.target, headers=HEADERS)
            assert response.status == 200
            assert (response.header("content-type") or "").startswith("text/event-stream")
            assert response.header("connection") is None
            assert response.header("content-encoding") in (None, "identity")
            assert next_event(response) == ("0", path.first)
            assert next_event(response)[0] == "1"
            assert path.closed not in server.process.log
        server.process.wait_log(path.closed)


def test_head_is_answered_without_the_stream(running: Running) -> None:
    for path in running.paths:
        with running.server.connect() as connection:
            response = connection.request("HEAD", path.target).wait_head()
            # FastAPI and Litestar have no HEAD for a GET route, as Falcon's sinks take any method.
            assert response.status in (200, 405)
            assert response.read_body() == b""


def test_other_routes_are_served(running: Running) -> None:
    with running.server.connect() as connection:
        response = connection.get("/")
        body = response.read_body()
        assert response.status == 404 or body.startswith(b"an ordinary")


def test_server_stops_with_open_streams_that_end_cleanly(running: Running) -> None:
    server = running.server
    with ExitStack() as open_connections:
        responses = [
            open_connections.enter_context(server.connect()).get(path.target)
            for path in running.paths
        ]
        for response in responses:
            next_event(response)
        server.process.signal(signal.SIGTERM)
        for response in responses:
            while response.read_event() is not None:
                pass
            assert response.is_complete
    assert server.process.wait() in (0, -signal.SIGTERM)


@pytest.mark.needs("uvicorn", "httptools", "uvloop", "fastapi", "sqlalchemy", "aiosqlite")
def test_example_with_a_database_is_served(tmp_path: PathOnDisk) -> None:
    configuration = next(found for found in CONFIGURATIONS if found.name == SERVERS[0])
    with serve(configuration, "examples.fastapi_sqlalchemy:app", tmp_path) as server:
        for path, data in (("/before", "1"), ("/during", "2")):
            with server.connect() as connection:
                event = connection.get(path).read_event()
                assert event is not None
                assert event.data == data
