"""What the options of the backend may be, checked where they are given."""

from __future__ import annotations

import ssl
from os import PathLike, fspath

from ....checks import text

__all__ = ["Credentials", "check_name", "credentials", "tls_context"]

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
    name = text("name", name)
    if not name or not name.isprintable() or "{" in name or "}" in name:
        raise ValueError(f"name must be printable text without braces, not {name!r}")


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
