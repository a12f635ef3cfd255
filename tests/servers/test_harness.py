"""The harness itself: a client that misread an end or a server left behind would hide failures."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Thread

import pytest

from .configurations import CONFIGURATIONS, Configuration
from .harness import each_configuration, serve
from .http1 import PROBE, Http1Connection
from .process import ServerProcess, free_port
from .response import Response, WireError

HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n"
CHUNKED = HEAD + b"transfer-encoding: chunked\r\n\r\n"


@contextmanager
def answers(*pieces: bytes, hang_up: bool = True) -> Iterator[Http1Connection]:
    """Connect to a server that sends the pieces one by one, whatever it is asked."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def answer() -> None:
            peer, _ = listener.accept()
            with peer:
                peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                peer.recv(65536)
                for piece in pieces:
                    peer.sendall(piece)
                if not hang_up:
                    peer.recv(65536)

        thread = Thread(target=answer)
        thread.start()
        with Http1Connection(listener.getsockname()[1]) as connection:
            yield connection
        thread.join()


def one_by_one(data: bytes) -> list[bytes]:
    """Split into single bytes."""
    return [data[index : index + 1] for index in range(len(data))]


def test_chunked_body_is_read_however_it_is_cut() -> None:
    body = CHUNKED + b"9\r\ndata: 1\n\n\r\n0a;x=y\r\ndata: 22\n\n\r\n0\r\nx-trailer: 1\r\n\r\n"
    for pieces in ([body], one_by_one(body)):
        with answers(*pieces, hang_up=False) as connection:
            response = connection.get("/")
            assert [response.read_event(), response.read_event()] != [None, None]
            assert response.read_event() is None
            assert response.is_complete


@pytest.mark.parametrize(
    "truncated",
    [
        CHUNKED + b"9\r\ndata: 1\n\n\r\n",
        CHUNKED + b"9\r\ndata: 1\n\n\r\n0\r\n",
        CHUNKED + b"90\r\ndata: 1\n\n",
        HEAD + b"content-length: 12\r\n\r\ndata: 1\n\n",
        HEAD + b"\r\ndata: 1\n\n",
    ],
)
def test_body_that_just_stops_is_not_complete(truncated: bytes) -> None:
    with answers(truncated) as connection:
        response = connection.get("/")
        assert response.read_body() == b"data: 1\n\n"
        assert response.has_ended
        assert not response.is_complete


def test_counted_body_ends_by_its_count() -> None:
    with answers(HEAD + b"content-length: 4\r\n\r\nbody", hang_up=False) as connection:
        response = connection.get("/")
        assert response.read_body() == b"body"
        assert response.is_complete


@pytest.mark.parametrize(
    "wrong", [b"HTTP/1.1 OK\r\n\r\n", CHUNKED + b"x\r\n", CHUNKED + b"1\r\nab\r\n"]
)
def test_wrong_framing_is_an_error(wrong: bytes) -> None:
    with answers(wrong) as connection, pytest.raises(WireError):
        connection.get("/").read_body()


@pytest.mark.parametrize("method", ["HEAD", "GET"])
def test_body_beyond_the_end_is_noticed_with_the_next_request(method: str) -> None:
    with answers(HEAD + b"content-length: 0\r\n\r\nmore") as connection:
        assert connection.request(method, "/").read_body() == b""
        with pytest.raises(WireError, match="more"):
            connection.get("/")


def test_body_of_a_head_request_over_http2_is_an_error() -> None:
    with answers() as connection, pytest.raises(WireError):
        Response(connection, "HEAD").add(b"body")


def test_waiting_for_what_does_not_come_times_out() -> None:
    with answers(CHUNKED, hang_up=False) as connection:
        response = connection.get("/")
        with pytest.raises(TimeoutError):
            response.read_event(timeout=0.05)


def test_server_that_does_not_start_is_an_error_with_its_log(tmp_path: Path) -> None:
    arguments = ["-c", "raise SystemExit('no such app')"]
    with (
        ServerProcess(arguments, free_port(), tmp_path / "log") as process,
        pytest.raises(RuntimeError, match="no such app"),
    ):
        process.wait_ready(PROBE)


def test_server_is_gone_after_the_block_even_if_it_ignores_signals(tmp_path: Path) -> None:
    code = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('up'); "
    with ServerProcess(["-c", code + "time.sleep(60)"], 1, tmp_path / "log") as process:
        process.wait_log("up")
        assert process.returncode is None
    assert process.returncode == -9


def test_log_without_the_text_times_out(tmp_path: Path) -> None:
    with ServerProcess(["-c", "pass"], 1, tmp_path / "log") as process:
        started = time.monotonic()
        with pytest.raises(TimeoutError, match="is not in the log"):
            process.wait_log("text", timeout=0.05)
        assert time.monotonic() - started < 5


def test_workers_are_refused_where_there_are_none() -> None:
    daphne = next(one for one in CONFIGURATIONS if one.name == "daphne")
    with pytest.raises(ValueError, match="no worker processes"):
        daphne.arguments("app", 1, workers=2)


def test_worker_that_outlives_its_parent_is_noticed_and_killed(tmp_path: Path) -> None:
    worker = "import time; print('up'); time.sleep(60)"
    code = f"import subprocess, sys; subprocess.Popen([sys.executable, '-c', {worker!r}])"
    with ServerProcess(["-c", code], 1, tmp_path / "log") as process:
        process.wait_log("up")
        assert process.wait() == 0
        with pytest.raises(TimeoutError, match="a worker still runs"):
            process.wait_gone(timeout=0.05)
    process.wait_gone(timeout=0.05)


MANAGERS = (
    "hypercorn-asyncio-h1",
    "hypercorn-trio-h1",
    "uvicorn-h11-asyncio",
    "granian-asyncio-h1",
)


@pytest.mark.parametrize("configuration", each_configuration(when=lambda one: one.name in MANAGERS))
def test_workers_are_gone_with_their_parent(configuration: Configuration, tmp_path: Path) -> None:
    with serve(configuration, "tests.servers.apps:app", tmp_path, workers=2) as server:
        port = server.process.port
        server.connect().close()
        with pytest.raises(TimeoutError, match="still runs"):
            server.process.wait_gone(timeout=0.05)
    with pytest.raises(ConnectionRefusedError):
        Http1Connection(port)
