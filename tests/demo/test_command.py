"""``python -m sse_asgi``: what it serves, how it stops, what it says when it cannot start."""

from __future__ import annotations

import asyncio
import signal
import socket
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import pytest

from sse_asgi import MessageEvent
from sse_asgi.__main__ import main
from tests.servers.http1 import PROBE, Http1Connection
from tests.servers.process import ServerProcess, free_port
from tests.servers.response import Response

from .process import running

TIMEOUT = 10


def next_event(response: Response) -> MessageEvent:
    event = response.read_event()
    assert event is not None, "the stream has ended"
    return event


def sequence(event: MessageEvent) -> int:
    return int(event.id.rpartition("-")[2])


@pytest.mark.needs("hypercorn")
def test_the_page_answers_at_the_printed_address(tmp_path: Path) -> None:
    with running(tmp_path) as demo, Http1Connection(demo.port) as connection:
        response = connection.get("/")
        assert response.status == 200
        assert b"<title>sse_asgi, live</title>" in response.read_body()
        assert len(demo.log.splitlines()) == 1, demo.log


@pytest.mark.needs("hypercorn")
def test_events_arrive_while_the_stream_is_open_and_resume_without_a_hole(tmp_path: Path) -> None:
    with running(tmp_path) as demo:
        with Http1Connection(demo.port) as connection:
            response = connection.get("/events")
            assert next_event(response).event == "position"
            seen = [next_event(response) for _ in range(3)]
            delay = time.time() - seen[-1].json()["t"] / 1000
            assert not response.has_ended
            assert delay < 2
        with Http1Connection(demo.port) as connection:  # time passes in which this client is away
            witness = connection.get("/events")
            assert next_event(witness).event == "position"
            while sequence(next_event(witness)) < sequence(seen[-1]) + 3:
                pass
        with Http1Connection(demo.port) as connection:
            headers = [("last-event-id", seen[-1].id)]
            response = connection.get("/events", headers=headers)
            position = next_event(response)
            assert position.id == seen[-1].id
            missed = position.json()["missed"]
            assert missed >= 3
            seen += [next_event(response) for _ in range(missed + 2)]
    first = sequence(seen[0])
    assert [sequence(event) for event in seen] == list(range(first, first + len(seen)))


@pytest.mark.needs("hypercorn")
def test_a_signal_ends_a_client_that_stalls_and_logs_nothing(tmp_path: Path) -> None:
    with (
        running(tmp_path) as demo,
        Http1Connection(demo.port) as stream,
        Http1Connection(demo.port) as button,
    ):
        events = stream.get("/events?page=mine")
        assert next_event(events).event == "position"
        answer = button.request("POST", "/stall?page=mine")
        while next_event(events).json()["n"] < 2:
            pass
        for _ in range(12):  # it takes five messages, and then no more
            next_event(events)
        demo.signal(signal.SIGTERM)
        assert b'"reason": "SERVER_STOPPING"' in answer.read_body()
        assert demo.wait(TIMEOUT) == 0
        assert len(demo.log.splitlines()) == 1, demo.log


@pytest.mark.needs("hypercorn")
@pytest.mark.parametrize("to_group", [False, True], ids=["process", "group"])
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_it_at_once_with_streams_open(
    tmp_path: Path, number: signal.Signals, to_group: bool
) -> None:
    with (
        running(tmp_path) as demo,
        Http1Connection(demo.port) as one,
        Http1Connection(demo.port) as other,
        Http1Connection(demo.port) as idle,
    ):
        idle.get("/favicon.ico").read_body()
        streams = one.get("/events"), other.get("/hello")
        for stream in streams:
            next_event(stream)
        begin = time.monotonic()
        demo.signal(number, to_group=to_group)
        assert demo.wait() == 0, demo.log
        assert time.monotonic() - begin < 2
        for stream in streams:
            stream.read_body()
            assert stream.is_complete
        assert len(demo.log.splitlines()) == 1, demo.log


@pytest.mark.needs("hypercorn", "trio")
def test_the_demo_runs_on_trio_too(tmp_path: Path) -> None:
    port = free_port()
    arguments = ["-m", "hypercorn", "-k", "trio", "-b", f"127.0.0.1:{port}", "sse_asgi.demo:Demo()"]
    with ServerProcess(arguments, port, tmp_path / "trio.log") as server:
        server.wait_ready(PROBE)
        with Http1Connection(port) as connection:
            response = connection.get("/events")
            events = [next_event(response).event for _ in range(3)]
            assert events == ["position", "signal", "signal"]


@pytest.mark.needs("hypercorn")
def test_a_port_in_use_is_named_in_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert main(["--port", str(port)]) == 1
    expected = f"Cannot listen on 127.0.0.1, port {port}: Address already in use\n"
    assert capsys.readouterr().err == expected


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--port", "http"], "--port: must be a whole number from 0 to 65535, not 'http'"),
        (["--port", "65536"], "--port: must be a whole number from 0 to 65535, not '65536'"),
        (["--port", "-1"], "--port: must be a whole number from 0 to 65535, not '-1'"),
        (["--port", "٨"], "--port: must be a whole number from 0 to 65535, not '٨'"),
        (["--port", "9" * 5000], "--port: must be a whole number from 0 to 65535, not '999"),
        (["--prot", "80"], "unrecognized arguments: --prot 80"),
    ],
)
def test_wrong_arguments_are_named(
    arguments: Sequence[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert ended.value.code == 2
    assert message in capsys.readouterr().err


def test_without_hypercorn_it_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("hypercorn", "hypercorn.asyncio", "hypercorn.config"):
        monkeypatch.setitem(sys.modules, name, None)
    monkeypatch.delitem(sys.modules, "sse_asgi.demo.server", raising=False)
    assert main([]) == 2
    message = 'The demo needs hypercorn: pip install "sse-asgi[demo]"\n'
    assert capsys.readouterr().err == message


def test_a_module_that_is_missing_otherwise_is_not_blamed_on_hypercorn(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "sse_asgi.demo.server", None)
    with pytest.raises(ModuleNotFoundError, match=r"sse_asgi\.demo\.server"):
        main([])


@pytest.mark.needs("hypercorn")
def test_a_server_that_does_not_end_is_cancelled(monkeypatch: pytest.MonkeyPatch) -> None:
    from sse_asgi.demo import server

    monkeypatch.setattr(server, "_GRACE", 0.0)
    ended = []

    async def hang() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.append(True)

    async def stop() -> None:
        async with asyncio.timeout(TIMEOUT):
            await server.finish(asyncio.create_task(hang()))

    asyncio.run(stop())
    assert ended == [True]
