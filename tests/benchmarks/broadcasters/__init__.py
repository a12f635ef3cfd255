"""The registry of the broadcasters; each is a module here that defines ``BROADCASTER``."""

from __future__ import annotations

from importlib import import_module

from tests.benchmarks.broadcaster import Broadcaster, Program

__all__ = ["BROADCASTERS", "PROGRAMS", "THROUGH_REDIS", "load", "load_program", "through_redis"]

BROADCASTERS = ("limit", "ours", "sse_starlette", "fastapi", "litestar", "starlette")
"""Module names, in the order of the columns."""

THROUGH_REDIS = "ours_through_redis"
"""Module name of what is compared with ours."""

PROGRAMS = ("better_sse", "node")
"""Module names of those that are not Python's, which come after them."""


def load(name: str) -> Broadcaster:
    """Import one broadcaster, and nothing of the others.

    :raises SystemExit: if its packages are not installed
    """
    broadcaster = _load(name, (*BROADCASTERS, THROUGH_REDIS))
    assert isinstance(broadcaster, Broadcaster)
    return broadcaster


def load_program(name: str) -> Program:
    """Import one of :data:`PROGRAMS`."""
    program = _load(name, PROGRAMS)
    assert isinstance(program, Program)
    return program


def through_redis(url: str) -> Broadcaster:
    """Return :data:`THROUGH_REDIS` with its hub on a server that others use, too."""
    broadcaster = import_module(f".{THROUGH_REDIS}", __name__).through(url)
    assert isinstance(broadcaster, Broadcaster)
    return broadcaster


def _load(name: str, names: tuple[str, ...]) -> object:
    if name not in names:
        raise ValueError(f"no broadcaster is named {name!r}; there are {', '.join(names)}")
    try:
        return import_module(f".{name}", __name__).BROADCASTER
    except ModuleNotFoundError as exc:
        raise SystemExit(f"{name} needs {exc.name!r}: pip install -e '.[bench]'") from exc
