"""The client scripts, served or pasted into a page: an EventSource that also survives a 502."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from hashlib import sha256
from importlib.resources import files
from typing import Any

from ..checks import integer

__all__ = ["ClientScript", "client_js"]


def client_js(*, module: bool = False, shared: bool = False) -> str:
    """Return the source of the class ``SteadyEventSource``, to paste into a page or a bundle.

    Its types for TypeScript are in the file ``client.d.ts`` beside this module.

    :param module: begin each class with ``export``, which only modules may do; the text without it
        is good in every ``<script>``
    :param shared: add the class ``SharedEventSource``: one connection for all tabs of a browser
        (types in ``shared.d.ts``)
    """
    text = _read("client.js")
    if shared:
        _, _, shared_text = _read("shared.js").partition("\n")  # without its import
        text += shared_text
    return text if module else text.replace("\nexport class ", "\nclass ")


def _read(name: str) -> str:
    return files(__package__).joinpath(name).read_text("utf-8")


class ClientScript:
    """An ASGI application that serves the client script as a JavaScript module.

    Mount it, or give it a route, and in the page::

        <script type="module">
            import { SteadyEventSource } from "/sse.js";  // SharedEventSource, too, if shared
        </script>

    Pages of every origin may load the script. It is public, like the rest of this library.

    :param max_age: seconds for which caches use the script without asking again
    :param shared: serve the class ``SharedEventSource``, too
    :raises TypeError: ``max_age`` is not an int
    :raises ValueError: ``max_age`` is negative
    """

    def __init__(self, *, max_age: int = 3600, shared: bool = False) -> None:
        max_age = integer("max_age", max_age, least=0, unit="seconds")
        self._body = client_js(module=True, shared=shared).encode()
        self._etag = f'"{sha256(self._body).hexdigest()[:20]}"'.encode()
        self._headers = [
            (b"cache-control", f"public, max-age={max_age}".encode()),
            (b"etag", self._etag),
            (b"access-control-allow-origin", b"*"),
            (b"x-content-type-options", b"nosniff"),
        ]

    async def __call__(
        self, scope: Any, receive: object, send: Callable[[Any], Awaitable[None]]
    ) -> None:
        """Answer one request.

        :raises RuntimeError: the scope is not HTTP
        """
        if scope["type"] != "http":
            raise RuntimeError(f"a script cannot serve the ASGI scope {scope['type']!r}")
        status, headers, body = self._answer(scope)
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": body, "more_body": False})

    def _answer(self, scope: Any) -> tuple[int, list[tuple[bytes, bytes]], bytes]:
        if scope["method"] not in ("GET", "HEAD"):
            return 405, [(b"allow", b"GET, HEAD"), (b"content-length", b"0")], b""
        if self._is_cached(scope):
            return 304, self._headers, b""
        headers = [
            (b"content-type", b"text/javascript; charset=utf-8"),
            (b"content-length", str(len(self._body)).encode()),
            *self._headers,
        ]
        return 200, headers, b"" if scope["method"] == "HEAD" else self._body

    def _is_cached(self, scope: Any) -> bool:
        """Tell whether the client has this version (RFC 9110, 13.1.2).

        A proxy may have weakened the tag.
        """
        given = [value for name, value in scope["headers"] if name == b"if-none-match"]
        tags = [tag.strip().removeprefix(b"W/") for tag in b",".join(given).split(b",")]
        return self._etag in tags or b"*" in tags
