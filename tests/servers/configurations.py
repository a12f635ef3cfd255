"""The table of server configurations that the tests run on."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Final

__all__ = ["CONFIGURATIONS", "Configuration", "Protocol"]


class Protocol(Enum):
    """What the client speaks to the server."""

    HTTP1 = "http/1.1"
    HTTP2 = "h2c"
    HTTP3 = "h3"


@dataclass(frozen=True)
class Configuration:
    """One server with one choice of its parts.

    ``command`` follows ``python -m``; ``{port}``, ``{workers}`` and ``{app}`` are left open in it.
    The files ``key.pem`` and ``certificate.pem`` lie where an HTTP/3 server is started.
    ``runs_once``: another configuration of the server stands for it on each further Python.
    """

    name: str
    command: tuple[str, ...]
    protocol: Protocol = Protocol.HTTP1
    needs: tuple[str, ...] = ()
    runs_once: bool = False

    @property
    def server(self) -> str:
        """The server's module, which is its name on PyPI as well."""
        return self.command[0]

    @property
    def has_workers(self) -> bool:
        """Whether the server can run several worker processes."""
        return any("{workers}" in part for part in self.command)

    def arguments(
        self, app: str, port: int, *, workers: int = 1, options: Sequence[str] = ()
    ) -> list[str]:
        """Return the arguments of the Python interpreter that serve ``app`` on ``port``.

        :raises ValueError: several workers are asked of a server that has none
        """
        if workers != 1 and not self.has_workers:
            raise ValueError(f"{self.server} has no worker processes")
        filled = [part.format(app=app, port=port, workers=workers) for part in self.command]
        return ["-m", *filled, *options]


# -- one function for each server ------------------------------------------------------------------


def _hypercorn(worker_class: str, protocol: Protocol, *needs: str) -> Configuration:
    http = "h1" if protocol is Protocol.HTTP1 else "h2"
    return Configuration(
        name=f"hypercorn-{worker_class}-{http}",
        command=(
            *("hypercorn", "--bind", "127.0.0.1:{port}", "--workers", "{workers}"),
            *("--worker-class", worker_class, "{app}"),
        ),
        protocol=protocol,
        needs=("hypercorn", *needs),
    )


def _quic(server: str, worker_class: str, *needs: str, once: bool = True) -> Configuration:
    """Return the configuration of one worker over QUIC: several would mix up their datagrams."""
    return Configuration(
        name=f"{server}-{worker_class}-h3",
        command=(
            *(server, "--bind", "127.0.0.1:0", "--insecure-bind", "127.0.0.1:{port}"),
            *("--quic-bind", "127.0.0.1:{port}", "--worker-class", worker_class),
            *("--keyfile", "key.pem", "--certfile", "certificate.pem", "{app}"),
        ),
        protocol=Protocol.HTTP3,
        needs=(server, "aioquic", "openssl", *needs),
        runs_once=once,
    )


def _anycorn(
    worker_class: str, protocol: Protocol, *needs: str, once: bool = True
) -> Configuration:
    http = "h1" if protocol is Protocol.HTTP1 else "h2"
    return Configuration(
        name=f"anycorn-{worker_class}-{http}",
        command=(
            *("anycorn", "--bind", "127.0.0.1:{port}", "--workers", "{workers}"),
            *("--worker-class", worker_class, "{app}"),
        ),
        protocol=protocol,
        needs=("anycorn", *needs),
        runs_once=once,
    )


def _uvicorn(http: str, loop: str, *needs: str, once: bool = False) -> Configuration:
    return Configuration(
        name=f"uvicorn-{http}-{loop}",
        command=(
            *("uvicorn", "--host", "127.0.0.1", "--port", "{port}", "--workers", "{workers}"),
            *("--http", http, "--loop", loop, "{app}"),
        ),
        needs=("uvicorn", http, *needs),
        runs_once=once,
    )


def _uvicorn_h2(loop: str, *needs: str, once: bool = True) -> Configuration:
    return Configuration(
        name=f"uvicorn-zttp-{loop}-h2",
        command=(
            *("uvicorn", "--host", "127.0.0.1", "--port", "{port}", "--workers", "{workers}"),
            *("--http", "zttp", "--http2", "--loop", loop, "{app}"),
        ),
        protocol=Protocol.HTTP2,
        needs=("uvicorn", "zttp", "h2", *needs),
        runs_once=once,
    )


def _gunicorn(name: str, worker_class: str, *options: str, once: bool = True) -> Configuration:
    protocol = Protocol.HTTP2 if name.endswith("h2") else Protocol.HTTP1
    return Configuration(
        name=f"gunicorn-{name}",
        command=(
            *("gunicorn", "--bind", "127.0.0.1:{port}", "--workers", "{workers}"),
            *("--worker-class", worker_class, *options, "{app}"),
        ),
        protocol=protocol,
        needs=("gunicorn", "uvloop", "uvicorn_worker", "h2"),
        runs_once=once,
    )


def _granian(
    http: str, loop: str, protocol: Protocol, *needs: str, mode: tuple[str, ...] = ()
) -> Configuration:
    return Configuration(
        name=f"granian-{'threads-' if mode else ''}{loop}-h{http}",
        command=(
            *("granian", "--interface", "asgi", "--host", "127.0.0.1", "--port", "{port}"),
            *("--workers", "{workers}", "--http", http, "--loop", loop, *mode, "{app}"),
        ),
        protocol=protocol,
        needs=("granian", *needs),
        runs_once=bool(mode) or loop == "rloop",
    )


_THREADS: Final = ("--runtime-mode", "mt", "--runtime-threads", "2", "--blocking-threads", "1")
_CLEARTEXT: Final = ("--http-protocols", "h2,h1", "--http2-cleartext", "prior-knowledge")

CONFIGURATIONS = (
    _hypercorn("asyncio", Protocol.HTTP1),
    _hypercorn("asyncio", Protocol.HTTP2, "h2"),
    _hypercorn("uvloop", Protocol.HTTP1, "uvloop"),
    _hypercorn("uvloop", Protocol.HTTP2, "uvloop", "h2"),
    _hypercorn("trio", Protocol.HTTP1, "trio"),
    _hypercorn("trio", Protocol.HTTP2, "trio", "h2"),
    _quic("hypercorn", "asyncio", once=False),
    _quic("hypercorn", "uvloop", "uvloop"),
    _quic("hypercorn", "trio", "trio"),
    _anycorn("asyncio", Protocol.HTTP1),
    _anycorn("asyncio", Protocol.HTTP2, "h2"),
    _anycorn("trio", Protocol.HTTP1, "trio", once=False),
    _anycorn("trio", Protocol.HTTP2, "trio", "h2"),
    _quic("anycorn", "asyncio"),
    _quic("anycorn", "trio", "trio"),
    _uvicorn("httptools", "uvloop", "uvloop"),
    _uvicorn("httptools", "asyncio"),
    _uvicorn("h11", "uvloop", "uvloop"),
    _uvicorn("h11", "asyncio"),
    _uvicorn("zttp", "uvloop", "uvloop", once=True),
    _uvicorn("zttp", "asyncio", once=True),
    _uvicorn_h2("uvloop", "uvloop"),
    _uvicorn_h2("asyncio", once=False),
    # The loop zuvloop has no release for older versions of Python.
    *([_uvicorn("zttp", "zuvloop", "zuvloop")] if sys.version_info >= (3, 14) else []),
    _gunicorn("uvicorn", "uvicorn_worker.UvicornWorker"),
    _gunicorn("asgi-asyncio", "asgi", "--asgi-loop", "asyncio", once=False),
    _gunicorn("asgi-uvloop", "asgi", "--asgi-loop", "uvloop"),
    _gunicorn("asgi-asyncio-h2", "asgi", "--asgi-loop", "asyncio", *_CLEARTEXT),
    _granian("1", "uvloop", Protocol.HTTP1, "uvloop"),
    _granian("1", "asyncio", Protocol.HTTP1),
    _granian("2", "uvloop", Protocol.HTTP2, "uvloop"),
    _granian("2", "asyncio", Protocol.HTTP2),
    _granian("1", "rloop", Protocol.HTTP1, "rloop"),
    _granian("1", "asyncio", Protocol.HTTP1, mode=_THREADS),
    _granian("2", "asyncio", Protocol.HTTP2, mode=_THREADS),
    Configuration(
        name="daphne",
        command=("daphne", "--bind", "127.0.0.1", "--port", "{port}", "{app}"),
        needs=("daphne",),
    ),
)
