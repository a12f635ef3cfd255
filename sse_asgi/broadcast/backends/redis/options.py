"""What the options of the backend may be, checked where they are given."""

from __future__ import annotations

import ssl
from math import isfinite
from os import PathLike, fspath

__all__ = ["Credentials", "check_name", "check_seconds", "credentials", "tls_context"]

Credentials = tuple[str | None, str | None]
"""A user's name and password."""


def tls_context(
    tls: bool, ca_file: str | PathLike[str] | None, context: ssl.SSLContext | None
) -> ssl.SSLContext | None:
    """Return the context of the connections, None without TLS.

    :raises TypeError: ``context`` is none
    :raises ValueError: one is given without TLS, or beside ``ca_file``
    :raises OSError: ``ca_file`` cannot be read
    """
    if context is not None and not isinstance(context, ssl.SSLContext):
        raise TypeError(f"ssl_context must be an ssl.SSLContext, not {context!r}")
    if ca_file is not None and context is not None:
        raise ValueError("ca_file has no effect beside ssl_context: load it into the context")
    if not tls:
        if ca_file is not None or context is not None:
            raise ValueError("ca_file and ssl_context need a URL with TLS: rediss://")
        return None
    return context or ssl.create_default_context(
        cafile=None if ca_file is None else fspath(ca_file)
    )


def check_name(name: object) -> None:
    """Refuse what is no name of a log.

    :raises TypeError: it is not a string
    :raises ValueError: it is empty, or has braces, which say what a cluster keeps together
    """
    if not isinstance(name, str):
        raise TypeError(f"name must be a string, not {name!r}")
    if not name or not name.isprintable() or "{" in name or "}" in name:
        raise ValueError(f"name must be printable text without braces, not {name!r}")


def check_seconds(name: str, value: object, least: float, most: float) -> None:
    """Refuse what is no number of seconds between the bounds.

    :raises TypeError: it is not a number
    :raises ValueError: it is out of bounds
    """
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise TypeError(f"{name} must be a number of seconds, not {value!r}")
    if not isfinite(value) or not least <= value <= most:
        raise ValueError(f"{name} must be from {least:g} to {most:g} seconds, not {value!r}")


def credentials(username: str | None, password: str | None, prefix: str = "") -> Credentials:
    """Return the credentials that the options give.

    :param prefix: what the names of the two options begin with
    :raises TypeError: one is neither a string nor None; it is not shown
    """
    for name, value in (("username", username), ("password", password)):
        if value is not None and not isinstance(value, str):
            kind = type(value).__name__
            raise TypeError(f"{prefix}{name} must be a string or None, not {kind}")
    return username, password
