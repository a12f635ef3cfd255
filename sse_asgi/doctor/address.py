"""The address of a stream, read as a browser reads it (WHATWG URL)."""

from __future__ import annotations

import re
from ipaddress import ip_address
from typing import Final
from urllib.parse import SplitResult, quote, urljoin, urlsplit

from ..headers import decoded_utf8

__all__ = ["redirected", "split_url"]

_SCHEMES: Final = ("http", "https")

_TRIMMED: Final = "".join(map(chr, range(0x21)))
"""The characters that a browser removes from both ends: control characters and the space."""

_PATH: Final = "!$%&'()*+,-./:;=@[\\]^_|~"
_QUERY: Final = "!$%&()*+,-./:;=?@[\\]^_`{|}~"
"""The characters that a browser leaves as they are; it percent-encodes all others."""

_HOST: Final = re.compile(r"[0-9A-Za-z!$&'()*+,.;=_`{}~-]+")


def split_url(url: str) -> SplitResult:
    """Return the parts of the address of a stream, in ASCII, as a browser sends them.

    The path and the query are percent-encoded, and the host is IDNA.

    :raises ValueError: a browser would not open a stream there
    """
    parts = urlsplit(url.strip(_TRIMMED))
    if parts.scheme not in _SCHEMES or not parts.hostname:
        raise ValueError(f"the URL must begin with http:// or https:// and a host, not {url!r}")
    if parts.username is not None:
        raise ValueError("the URL must hold no user: give --header 'Authorization: ...' instead")
    port = "" if parts.port is None else f":{parts.port}"  # raises ValueError if it is no port
    return parts._replace(
        netloc=_host(parts.hostname) + port,
        path=_encoded(parts.path.replace("\\", "/"), _PATH) or "/",
        query=_encoded(parts.query, _QUERY),
        fragment="",
    )


def redirected(url: str, location: str) -> str:
    """Return the address to which a response redirects.

    :param url: the address that was asked
    :param location: the field's value; :mod:`http.client` reads its bytes as Latin-1
    :raises ValueError: a browser would not open a stream there
    """
    location = decoded_utf8(location.encode("latin-1", "replace")).strip(_TRIMMED)
    return split_url(urljoin(url, location)).geturl()


def _encoded(text: str, safe: str) -> str:
    # Arguments of a command line that are not UTF-8 have surrogates in place of their bytes.
    return quote(text, safe=safe, errors="surrogateescape")


def _host(host: str) -> str:
    if ":" in host:
        ip_address(host)
        return f"[{host}]"
    try:
        name = host if host.isascii() else host.encode("idna").decode()
    except UnicodeError:
        name = ""
    labels = name.removesuffix(".").split(".")
    if not _HOST.fullmatch(name) or not all(1 <= len(label) <= 63 for label in labels):
        raise ValueError(f"{host!r} is not the name of a host")
    return name
