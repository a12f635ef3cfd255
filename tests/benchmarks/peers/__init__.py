"""The registry of the peers; each is a module here that defines ``PEER``."""

from __future__ import annotations

from importlib import import_module
from importlib.metadata import PackageNotFoundError, version

from tests.benchmarks.peer import Peer

__all__ = ["LIMIT", "OURS", "PEERS", "load", "versions"]

LIMIT = "limit"
OURS = "ours"

PEERS = (LIMIT, OURS, "ours_in_starlette", "sse_starlette", "fastapi", "litestar", "starlette")
"""Module names, in the order of the columns."""

DISTRIBUTIONS = ("sse-starlette", "fastapi", "litestar", "starlette", "anyio", "uvicorn", "uvloop")


def load(name: str) -> Peer:
    """Import one peer, and nothing of the others: some patch the server when they are imported.

    :raises SystemExit: if its packages are not installed
    """
    if name not in PEERS:
        raise ValueError(f"no peer is named {name!r}; there are {', '.join(PEERS)}")
    try:
        module = import_module(f".{name}", __name__)
    except ModuleNotFoundError as exc:
        raise SystemExit(f"{name} needs {exc.name!r}: pip install -e '.[bench]'") from exc
    peer = module.PEER
    assert isinstance(peer, Peer)
    return peer


def versions() -> str:
    """Name the versions of what is compared."""
    return ", ".join(f"{name} {_version(name)}" for name in DISTRIBUTIONS)


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "not installed"
