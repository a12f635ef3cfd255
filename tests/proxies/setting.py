"""The proxies of a test, and one of them in front of the application."""

from __future__ import annotations

from typing import Any

import pytest

from .catalog import PROXIES
from .proxy import Edit, Front, Proxy

__all__ = ["front_of", "proxies_with"]


def proxies_with(attribute: str) -> list[Any]:
    """Return the parameters of a test: the proxies that have the attribute."""
    return [
        pytest.param(proxy, id=str(proxy), marks=pytest.mark.needs(proxy.needs))
        for proxy in PROXIES
        if getattr(proxy, attribute) is not None
    ]


def front_of(
    proxy: Proxy,
    upstream: int,
    factory: pytest.TempPathFactory,
    *edits: Edit,
    deployed: bool = False,
) -> Front:
    """Return the proxy in front of a port."""
    directory = factory.mktemp(proxy.name)
    directory.chmod(0o755)
    return Front(proxy, upstream, directory, *edits, deployed=deployed)
