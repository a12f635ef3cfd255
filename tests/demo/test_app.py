"""The demo's application, in process."""

from __future__ import annotations

import json
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import anyio
import anyio.lowlevel
import pytest

from sse_asgi.demo import Demo
from sse_asgi.testing import EventClient, Message, connect, lifespan

TIMEOUT = 5


async def publish(demo: Demo, count: int) -> None:
    for number in range(count):
        await demo.broadcast.publish(number)


async def position(client: EventClient) -> Any:
    """Return what the first event says."""
    event = await client.receive()
    assert event.event == "position"
    return event.json()


def epoch(demo: Demo) -> str:
    return str(demo.broadcast.hub.position()).partition("-")[0]


def listeners(demo: Demo) -> int:
    return demo.broadcast.hub.snapshot().subscribers


@asynccontextmanager
async def page_of(demo: Demo, name: str) -> AsyncIterator[EventClient]:
    async with connect(demo, f"/events?page={name}") as client:
        await position(client)
        yield client


@pytest.mark.anyio
async def test_the_page_is_served_and_may_load_nothing_from_elsewhere() -> None:
    async with connect(Demo(), "/") as client:
        body = await client.text()
    assert client.status == 200
    assert client.headers["content-type"] == "text/html; charset=utf-8"
    assert client.headers["content-security-policy"].startswith("default-src 'none';")
    assert body.startswith("<!doctype html>")


@pytest.mark.anyio
async def test_the_icon_is_a_drawing() -> None:
    async with connect(Demo(), "/favicon.ico") as client:
        body = await client.text()
    assert (client.status, client.headers["content-type"]) == (200, "image/svg+xml")
    assert body.startswith("<svg ")


@pytest.mark.anyio
async def test_each_guide_that_the_page_links_to_is_served_as_text() -> None:
    demo = Demo()
    async with connect(demo, "/") as client:
        paths = re.findall(r'href="(guide/[^"]+)"', await client.text())
    assert len(paths) > 10
    for path in paths:
        async with connect(demo, f"/{path}") as client:
            assert client.headers["content-type"] == "text/plain; charset=utf-8"
            assert (await client.text()).startswith("# ")


@pytest.mark.anyio
async def test_client_that_asks_for_the_history_gets_it_before_what_comes() -> None:
    demo = Demo()
    await publish(demo, 5)
    async with connect(demo, "/events?history=1") as client:
        assert await position(client) == {"resumed": False, "missed": 5}
        await publish(demo, 1)
        ids = [(await client.receive()).id for _ in range(6)]
    assert ids == [f"{epoch(demo)}-{number}" for number in range(1, 7)]


@pytest.mark.anyio
@pytest.mark.parametrize("path", ["/", "/favicon.ico", "/events"])
async def test_head_is_answered_without_a_body(path: str) -> None:
    bodies: list[object] = []

    async def note_body(_: int, message: Message) -> None:
        bodies.append(message.get("body", b""))

    async with connect(Demo(), path, method="HEAD", on_send=note_body) as client:
        await client.closed()
        assert client.status == 200
    assert set(bodies) == {b""}


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("method", "path", "status", "allow"),
    [
        ("GET", "/nowhere", 404, None),
        ("GET", "/events/", 404, None),
        ("POST", "/", 405, "GET, HEAD"),
        ("GET", "/cut", 405, "POST"),
        ("GET", "/restart", 405, "POST"),
        ("HEAD", "/stall", 405, "POST"),
        ("DELETE", "/events", 405, "GET, HEAD"),
    ],
)
async def test_what_is_not_there_or_not_allowed_is_refused(
    method: str, path: str, status: int, allow: str | None
) -> None:
    async with connect(Demo(), path, method=method) as client:
        await client.closed()
    assert client.status == status
    assert client.headers.get("allow") == allow


@pytest.mark.anyio
@pytest.mark.parametrize("path", ["/", "/events", "/favicon.ico"])
async def test_the_demo_can_be_mounted_under_a_path(path: str) -> None:
    async with connect(Demo(), path, root_path="/below") as client:
        assert client.status == 200


@pytest.mark.anyio
async def test_a_websocket_is_refused() -> None:
    sent: list[Any] = []

    async def receive() -> Any:
        return {"type": "websocket.connect"}

    async def send(message: Any) -> None:
        sent.append(message)

    scope: Any = {"type": "websocket", "path": "/events"}
    await Demo()(scope, receive, send)
    assert [message["type"] for message in sent] == ["websocket.close"]


@pytest.mark.anyio
async def test_the_signal_runs_from_startup_to_shutdown() -> None:
    demo = Demo()
    async with lifespan(demo), connect(demo, "/events") as client:
        assert (await position(client))["resumed"] is False
        first, second = await client.receive(), await client.receive()
    assert (first.event, second.event) == ("signal", "signal")
    epoch, sequence = first.id.split("-")
    assert second.id == f"{epoch}-{int(sequence) + 1}"
    assert first.json()["n"] == 1


@pytest.mark.anyio
async def test_an_open_stream_counts_until_its_client_leaves() -> None:
    demo = Demo()
    async with connect(demo, "/events") as one:
        await position(one)
        async with connect(demo, "/events") as other:
            await position(other)
            assert listeners(demo) == 2
        assert listeners(demo) == 1
    assert listeners(demo) == 0


@pytest.mark.anyio
async def test_who_comes_back_gets_what_was_missed_and_then_what_comes() -> None:
    demo = Demo()
    async with connect(demo, "/events") as client:
        await position(client)
        await publish(demo, 2)
        seen = [(await client.receive()).id for _ in range(2)]
        await publish(demo, 1)
        await client.reconnect()
        first = await client.receive()
        assert (first.event, first.id) == ("position", f"{epoch(demo)}-2")
        assert first.json() == {"resumed": True, "missed": 1}
        seen.append((await client.receive()).id)
        seen_last = client.last_event_id
    await publish(demo, 3)
    async with connect(demo, "/events", last_event_id=seen_last) as client:
        assert (await position(client))["missed"] == 3
        await publish(demo, 1)
        seen += [(await client.receive()).id for _ in range(4)]
    assert seen == [f"{epoch(demo)}-{number}" for number in range(1, 8)]


@pytest.mark.anyio
async def test_the_position_may_also_come_in_the_query() -> None:
    demo = Demo()
    await publish(demo, 5)
    async with connect(demo, f"/events?last_event_id={epoch(demo)}-3") as client:
        assert (await position(client))["missed"] == 2


@pytest.mark.anyio
async def test_a_restarted_server_says_so_instead_of_replaying_the_wrong_events() -> None:
    before, after = Demo(), Demo()
    await publish(before, 5)
    await publish(after, 5)
    async with connect(after, "/events", last_event_id=f"{epoch(before)}-3") as client:
        gap, event = await client.receive(), await client.receive()
    assert (gap.event, gap.json()) == ("gap", {"reason": "reset", "lost": None})
    assert gap.id == f"{epoch(after)}-0"
    assert event.id == f"{epoch(after)}-1"


@pytest.mark.anyio
async def test_a_cut_ends_the_streams_of_that_page_with_a_time_to_come_back() -> None:
    demo = Demo()
    async with page_of(demo, "mine") as mine, page_of(demo, "other") as other:
        async with connect(demo, "/cut?page=mine", method="POST") as scissors:
            assert json.loads(await scissors.body()) == {"cut": 1, "retry": 1500}
        await mine.closed()
        assert mine.retry == 1500
        await publish(demo, 1)
        assert (await other.receive()).event == "signal"


@pytest.mark.anyio
@pytest.mark.parametrize("query", ["", "?page=", "?page=nobody"])
async def test_a_cut_without_a_page_that_is_here_cuts_nothing(query: str) -> None:
    demo = Demo()
    async with page_of(demo, ""), page_of(demo, "mine"):
        async with connect(demo, f"/cut{query}", method="POST") as scissors:
            assert json.loads(await scissors.body())["cut"] == 0
        assert listeners(demo) == 2


async def press(demo: Demo, button: str, page: str) -> tuple[int, Any]:
    async with connect(demo, f"/{button}?page={page}", method="POST") as client:
        answer = json.loads(await client.body())
    assert client.status is not None
    if client.status == 429:
        assert client.headers["retry-after"] == "5"
    return client.status, answer


@pytest.mark.anyio
async def test_a_restart_ends_all_streams_and_each_comes_back_with_nothing_lost() -> None:
    demo = Demo()
    async with page_of(demo, "mine") as mine, page_of(demo, "other") as other:
        await publish(demo, 2)
        for client in (mine, other):
            assert [(await client.receive()).id[-2:] for _ in range(2)] == ["-1", "-2"]
        assert await press(demo, "restart", "mine") == (200, {"ended": 2, "retry": 1500, "rest": 5})
        for client in (mine, other):
            await client.closed()
            assert client.retry == 1500
        await publish(demo, 3)
        for client in (mine, other):
            await client.reconnect()
            assert await position(client) == {"resumed": True, "missed": 3}
            assert [(await client.receive()).id[-2:] for _ in range(3)] == ["-3", "-4", "-5"]


@pytest.mark.anyio
async def test_a_second_restart_soon_after_is_refused_and_ends_nothing() -> None:
    demo = Demo()
    async with page_of(demo, "mine") as mine:
        assert (await press(demo, "restart", "mine"))[0] == 200
        await mine.closed()
        await mine.reconnect()
        assert (await press(demo, "restart", "mine"))[0] == 429
        assert listeners(demo) == 1


@pytest.mark.anyio
@pytest.mark.parametrize("button", ["restart", "stall"])
@pytest.mark.parametrize("page", ["", "nobody"])
async def test_a_button_is_refused_to_one_that_is_no_page_here(button: str, page: str) -> None:
    demo = Demo()
    async with page_of(demo, "mine"):
        assert (await press(demo, button, page))[0] == 403
        assert listeners(demo) == 1


@pytest.mark.anyio
async def test_a_client_that_stalls_is_ended_as_slow_and_the_others_go_on() -> None:
    demo = Demo()
    demo.stalls.send_timeout = 0.3
    async with lifespan(demo), page_of(demo, "mine") as mine:
        status, end = await press(demo, "stall", "mine")
        assert (status, end["reason"], end["send_timeout"]) == (200, "SLOW_CLIENT", 0.3)
        assert 0.3 <= end["seconds"] < TIMEOUT
        ids = [int((await mine.receive()).id.partition("-")[2]) for _ in range(6)]
        assert ids == list(range(ids[0], ids[0] + 6))
        assert listeners(demo) == 1


@pytest.mark.anyio
async def test_no_more_than_three_clients_stall_at_a_time() -> None:
    demo = Demo()
    answers: list[tuple[int, Any]] = []

    async def stall() -> None:
        answers.append(await press(demo, "stall", "mine"))

    with anyio.fail_after(TIMEOUT):
        async with page_of(demo, "mine") as mine, anyio.create_task_group() as tasks:
            for _ in range(3):
                tasks.start_soon(stall)
            while listeners(demo) < 4:
                await anyio.lowlevel.checkpoint()
            assert (await press(demo, "stall", "mine"))[0] == 429
            assert (await press(demo, "restart", "mine"))[0] == 200  # ends the stalled ones, too
            await mine.closed()
    assert [(status, end["reason"]) for status, end in answers] == [(200, "SERVER_STOPPING")] * 3


@pytest.mark.anyio
async def test_hello_streams_its_ticks() -> None:
    with anyio.fail_after(TIMEOUT):
        async with connect(Demo(), "/hello") as client:
            assert (await client.receive()).data == "tick 0"
