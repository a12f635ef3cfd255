"""The reader in C counts what a server sends, and says what went wrong."""

from __future__ import annotations

import socket
from typing import cast

import pytest

from .process import Server, run
from .reader import compiled, reading
from .resources import check_memory, open_files
from .sections.scale import worker

compiler = pytest.mark.needs("cc")
server = pytest.mark.needs("uvicorn", "httptools", "uvloop")


class AtPort:
    """A server that is nothing but a port."""

    def __init__(self, port: int) -> None:
        self.port = port


def at_port(port: int) -> Server:
    return cast("Server", AtPort(port))


@compiler
@server
@pytest.mark.parts
def test_every_client_gets_every_event_and_those_that_come_again_do_too() -> None:
    with (
        compiled() as program,
        run(worker("ours", "uvloop"), core=None) as process,
        reading(program, [process]) as readers,
    ):
        readers.open(30)
        readers.open(20)
        readers.gather(process)
        reach = readers.burst(process, times=5, seconds=20)
        assert readers.count == 50
        assert reach.deliveries == 50 * len(reach.delays)
        assert len(reach.delays) >= 3
        assert all(0 < delay < 20 for delay in reach.delays)
        readers.replace(20)
        readers.gather(process)
        assert readers.burst(process, times=3, seconds=20).deliveries == 150


@compiler
@pytest.mark.parts
def test_a_reader_says_why_its_clients_cannot_connect() -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    refused = pytest.raises(ConnectionError, match="could not connect: Connection refused")
    with compiled() as program, reading(program, [at_port(port)]) as readers, refused:
        readers.open(3)


@compiler
@pytest.mark.parts
def test_a_reader_takes_no_other_answer_than_200() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        with compiled() as program, reading(program, [at_port(port)]) as readers:
            for one in readers._readers:
                one.tell("open 1")
            connection, _ = listener.accept()
            with connection:
                connection.sendall(b"HTTP/1.1 503 Service Unavailable\r\n\r\n")
                with pytest.raises(ConnectionError, match="answered HTTP/1.1 503"):
                    readers._answers()


def test_without_a_compiler_there_is_no_reader(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    refused = pytest.raises(LookupError, match="no C compiler on the path: cc, gcc, clang")
    with refused, compiled():
        pass


def test_more_connections_than_there_is_memory_for_are_refused() -> None:
    with pytest.raises(MemoryError, match="connections may need"):
        check_memory(1 << 40)


def test_more_connections_than_there_may_be_files_are_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("resource.getrlimit", lambda which: (1024, 4096))
    refused = pytest.raises(OSError, match="19100 open files are needed and 4096 allowed")
    with refused, open_files(19_000):
        pass
