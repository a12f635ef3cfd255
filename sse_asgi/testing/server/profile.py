"""What ASGI leaves open and servers do differently, as one value per server."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["ASGI_2_4", "DAPHNE", "GRANIAN", "HYPERCORN", "HYPERCORN_H2", "UVICORN", "ServerProfile"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerProfile:
    """How a server treats an app where ASGI lets it choose."""

    spec_version: str | None = "2.3"
    """``scope["asgi"]["spec_version"]``; ``None`` leaves the key out."""

    repeats_disconnect: bool = True
    """A second ``receive`` after a disconnect returns it again at once, or waits forever."""

    send_raises_after_disconnect: bool = False
    """``send`` raises :exc:`OSError` after a disconnect (ASGI HTTP 2.4), or does nothing."""

    disconnect_frees_send: bool = True
    """A ``send`` that a slow client holds up returns when that client leaves, or never."""

    backpressure: bool = True
    """``send`` waits while the client does not read, or the server takes everything."""

    head_waits_for_body: bool = False
    """The head of the response leaves with the first body message, not before."""


UVICORN = ServerProfile()
GRANIAN = ServerProfile()
HYPERCORN = ServerProfile(spec_version="2.1", repeats_disconnect=False)
HYPERCORN_H2 = ServerProfile(
    spec_version="2.1", repeats_disconnect=False, disconnect_frees_send=False
)
DAPHNE = ServerProfile(
    spec_version=None, repeats_disconnect=False, backpressure=False, head_waits_for_body=True
)
ASGI_2_4 = ServerProfile(spec_version="2.4", send_raises_after_disconnect=True)
