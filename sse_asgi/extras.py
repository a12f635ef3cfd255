"""The extras of this package, and the error for a user who has not installed one.

No other module knows how the package is installed. An extra names what a part of this library needs
beside the core, as ``redis`` does in ``pip install "sse-asgi[redis]"``.
"""

from __future__ import annotations

__all__ = ["how_to_install", "missing"]


def how_to_install(extra: str) -> str:
    """Return the command that installs an extra."""
    return f'pip install "sse-asgi[{extra}]"'


def missing(extra: str, exc: ModuleNotFoundError) -> ModuleNotFoundError:
    """Return the error for a user who imports a module without the package that it needs.

    :param extra: the extra that installs the package
    :param exc: the error of the import that failed
    """
    name = (exc.name or "").partition(".")[0]
    return ModuleNotFoundError(f"{name} is not installed: {how_to_install(extra)}", name=exc.name)
