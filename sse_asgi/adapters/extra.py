"""The package that an adapter needs, and how to install it."""

from __future__ import annotations

__all__ = ["missing"]


def missing(extra: str, exc: ModuleNotFoundError) -> ModuleNotFoundError:
    """Return the error for a user who imports an adapter without its framework.

    :param extra: the extra of this library that installs the framework
    :param exc: the error of the import that failed
    """
    name = (exc.name or "").partition(".")[0]
    return ModuleNotFoundError(
        f'{name} is not installed: pip install "sse-asgi[{extra}]"', name=exc.name
    )
