"""Streams on real servers, over real sockets: what arrives, when, and how it ends."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from itertools import count

import pytest

from .apps import END, FAIL
from .configurations import Configuration, Protocol
from .harness import Server, each_configuration, serve
from .response import Connection, Response, WireError

LEAKS = ("was never awaited", "never retrieved", "was destroyed but it is pending")


@pytest.fixture(scope="module", params=each_configuration())
def server(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Server]:
    """Each configuration, started once for all tests, and quiet about lost tasks to the end."""
    configuration: Configuration = request.param
    directory = tmp_path_factory.mktemp(configuration.name)
    with serve(configuration, "tests.servers.apps:app", directory) as server:
        yield server
        assert not [leak for leak in LEAKS if leak in server.process.log]


@pytest.fixture(scope="module")
def numbers() -> Iterator[int]:
    """Numbers for the keys of streams."""
    return count()


@pytest.fixture
def key(numbers: Iterator[int]) -> str:
    """A key that no other stream of the server has."""
    return f"key{next(numbers)}"


def tell(server: Server, key: str, *texts: str) -> None:
    """Let the stream go on with each text."""
    for text in texts:
        server.ask("/control/tell", key=key, text=text)


def nudge(server: Server, key: str) -> None:
    """Have the stream send something where only that shows that its client has left.

    hypercorn and anycorn do not tell the application over HTTP/3 that a connection is closed.
    """
    if server.configuration.protocol is Protocol.HTTP3:
        with suppress(WireError):  # the stream has ended: anycorn tells of a stream that is closed
            tell(server, key, "Are you there?")


def next_data(response: Response) -> str:
    """Return the data of the next event."""
    event = response.read_event()
    assert event is not None, "the stream has ended"
    return event.data


def logs_no_late_error(configuration: Configuration) -> bool:
    """Tell whether the server is silent about an error that comes after the final body.

    gunicorn's own worker takes it for the work of a client that has left.
    """
    is_own = configuration.server == "gunicorn" and "asgi" in configuration.name
    return is_own and configuration.protocol is Protocol.HTTP1


def test_head_and_first_body_arrive_before_any_event(server: Server, key: str) -> None:
    with server.connect() as connection:
        response = connection.get(f"/stream?key={key}")
        assert response.status == 200
        assert response.header("content-type") == "text/event-stream"
        assert response.header("cache-control") == "no-store, no-transform"
        assert response.header("x-accel-buffering") == "no"
        assert response.header("incremental") == "?1"
        assert response.header("connection") is None
        assert response.read_until(b"\n\n") == b":\n\n"


@pytest.mark.parametrize("path", ["/stream", "/sync", "/bare"])
def test_each_event_arrives_while_the_stream_is_open(server: Server, key: str, path: str) -> None:
    with server.connect() as connection:
        response = connection.get(f"{path}?key={key}")
        for text in ("one", "two\nlines", "three"):
            tell(server, key, text)
            assert next_data(response) == text
        assert not response.has_ended
        tell(server, key, END)
        # A receive stream does not end by a text.
        assert path == "/bare" or response.read_event() is None


def test_finished_stream_ends_in_the_protocol(server: Server, key: str) -> None:
    with server.connect() as connection:
        response = connection.get(f"/stream?key={key}")
        tell(server, key, "last", END)
        assert response.read_body().endswith(b"data: last\n\n")
        assert response.is_complete
    server.ask("/control/closed", key=key)


def test_many_events_at_once_arrive_in_order(server: Server, key: str) -> None:
    texts = [f"event {number}" for number in range(10)]
    with server.connect() as connection:
        tell(server, key, *texts, END)
        response = connection.get(f"/stream?key={key}")
        assert [next_data(response) for _ in texts] == texts
        assert response.read_event() is None


def test_head_request_is_answered_at_once_and_the_connection_goes_on(
    server: Server, key: str
) -> None:
    with server.connect() as connection:
        head = connection.request("HEAD", f"/stream?key={key}").wait_head()
        assert head.status == 200
        assert head.header("content-type") == "text/event-stream"
        assert head.read_body() == b""
        assert head.is_complete
        # What the server sent too much would now be in the way.
        response = connection.get(f"/stream?key={key}")
        tell(server, key, "next", END)
        assert next_data(response) == "next"


def test_client_that_leaves_runs_the_finally_of_the_content(server: Server, key: str) -> None:
    with server.connect() as connection:
        response = connection.get(f"/stream?key={key}")
        tell(server, key, "one")
        assert next_data(response) == "one"
    nudge(server, key)
    server.ask("/control/closed", key=key)


def test_client_that_leaves_before_any_event_runs_the_finally(server: Server, key: str) -> None:
    with server.connect() as connection:
        assert connection.get(f"/stream?key={key}").status == 200
    nudge(server, key)
    server.ask("/control/closed", key=key)


def test_client_that_crashes_is_reported_as_gone(server: Server, key: str) -> None:
    with server.connect() as connection:
        response = connection.get(f"/bare?key={key}")
        assert response.read_until(b"\n\n") == b":\n\n"
        connection.cancel(response)
        nudge(server, key)
        assert server.ask("/control/reason", key=key) == "CLIENT_GONE"


def is_server_error(server: Server, connection: Connection, path: str) -> bool:
    """Tell whether the answer is a 500, without any event.

    That of hypercorn and anycorn has a field over HTTP/3 for which a client closes the connection.
    """
    if server.configuration.protocol is Protocol.HTTP3:
        with pytest.raises(WireError, match="ended before the head"):
            connection.get(path)
        return True
    response = connection.get(path)
    return response.status == 500 and b"data:" not in response.read_body()


def test_error_before_the_first_event_is_a_500(server: Server, key: str) -> None:
    tell(server, key, FAIL)
    with server.connect() as connection:
        assert is_server_error(server, connection, f"/eager?key={key}")
    server.process.wait_log(f"told to fail: {key}")


def test_error_in_mid_stream_ends_the_body_and_is_logged(server: Server, key: str) -> None:
    with server.connect() as connection:
        response = connection.get(f"/stream?key={key}")
        tell(server, key, "one", FAIL)
        assert next_data(response) == "one"
        assert response.read_body() == b""
        assert response.is_complete
    server.ask("/control/closed", key=key)
    if not logs_no_late_error(server.configuration):
        server.process.wait_log(f"told to fail: {key}")


def test_server_works_on_after_errors(server: Server, key: str) -> None:
    for number in range(3):
        tell(server, f"{key}-{number}", "one", FAIL)
        with server.connect() as connection:
            assert next_data(connection.get(f"/stream?key={key}-{number}")) == "one"
    tell(server, key, FAIL)
    with server.connect() as connection:
        assert is_server_error(server, connection, f"/eager?key={key}")


def test_refusal_gives_its_status(server: Server) -> None:
    with server.connect() as connection:
        response = connection.get("/refused")
        assert response.status == 204
        assert response.read_body() == b""
        assert response.is_complete


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [("POST", "/stream", "GET, HEAD"), ("PUT", "/stream", "GET, HEAD"), ("GET", "/echo", "POST")],
)
def test_method_that_is_not_allowed_is_a_405(
    server: Server, method: str, path: str, allowed: str
) -> None:
    with server.connect() as connection:
        response = connection.request(method, path).wait_head()
        assert response.status == 405
        assert response.header("allow") == allowed
        response.read_body()
        assert response.is_complete


def test_post_gives_the_content_its_body(server: Server) -> None:
    with server.connect() as connection:
        response = connection.request("POST", "/echo", body="naïve ☃".encode()).wait_head()
        assert response.status == 200
        assert next_data(response) == "naïve ☃"
        assert response.read_event() is None
        assert response.is_complete


def test_client_that_leaves_one_stream_keeps_its_others(server: Server, key: str) -> None:
    with server.connect() as connection, server.connect() as another:
        one = connection.get(f"/stream?key={key}-1")
        over_http1 = server.configuration.protocol is Protocol.HTTP1
        two = (another if over_http1 else connection).get(f"/stream?key={key}-2")
        connection.cancel(one)
        nudge(server, f"{key}-1")
        server.ask("/control/closed", key=f"{key}-1")
        tell(server, f"{key}-2", "still here", END)
        assert next_data(two) == "still here"
        assert two.read_event() is None
        assert two.is_complete
