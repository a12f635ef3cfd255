"""The table of server configurations that the tests run on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum

__all__ = ["CONFIGURATIONS", "Configuration", "Protocol"]


class Protocol(Enum):
    """What the client speaks to the server."""

    HTTP1 = "http/1.1"
    HTTP2 = "h2c"


@dataclass(frozen=True)
class Configuration:
    """One server with one choice of its parts.

    ``command`` follows ``python -m``; ``{port}``, ``{workers}`` and ``{app}`` are left open in it.
    """

    name: str
    command: tuple[str, ...]
    protocol: Protocol = Protocol.HTTP1
    needs: tuple[str, ...] = ()

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


def _uvicorn(http: str, loop: str, *needs: str) -> Configuration:
    return Configuration(
        name=f"uvicorn-{http}-{loop}",
        command=(
            *("uvicorn", "--host", "127.0.0.1", "--port", "{port}", "--workers", "{workers}"),
            *("--http", http, "--loop", loop, "{app}"),
        ),
        needs=("uvicorn", http, *needs),
    )


def _granian(http: str, loop: str, protocol: Protocol, *needs: str) -> Configuration:
    return Configuration(
        name=f"granian-{loop}-h{http}",
        command=(
            *("granian", "--interface", "asgi", "--host", "127.0.0.1", "--port", "{port}"),
            *("--workers", "{workers}", "--http", http, "--loop", loop, "{app}"),
        ),
        protocol=protocol,
        needs=("granian", *needs),
    )


CONFIGURATIONS = (
    _hypercorn("asyncio", Protocol.HTTP1),
    _hypercorn("asyncio", Protocol.HTTP2, "h2"),
    _hypercorn("uvloop", Protocol.HTTP1, "uvloop"),
    _hypercorn("uvloop", Protocol.HTTP2, "uvloop", "h2"),
    _hypercorn("trio", Protocol.HTTP1, "trio"),
    _hypercorn("trio", Protocol.HTTP2, "trio", "h2"),
    _uvicorn("httptools", "uvloop", "uvloop"),
    _uvicorn("httptools", "asyncio"),
    _uvicorn("h11", "uvloop", "uvloop"),
    _uvicorn("h11", "asyncio"),
    _granian("1", "uvloop", Protocol.HTTP1, "uvloop"),
    _granian("1", "asyncio", Protocol.HTTP1),
    _granian("2", "uvloop", Protocol.HTTP2, "uvloop"),
    _granian("2", "asyncio", Protocol.HTTP2),
    Configuration(
        name="daphne",
        command=("daphne", "--bind", "127.0.0.1", "--port", "{port}", "{app}"),
        needs=("daphne",),
    ),
)
