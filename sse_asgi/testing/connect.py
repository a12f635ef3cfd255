"""connect: an app and a request in, a client of its event stream out."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import partial
from typing import Any, Literal, TypedDict

from .. import checks
from ..asgi.types import ASGIApp, ReceiveHook, SendHook
from .client import EventClient, OpenExchange
from .server.exchange import Exchange
from .server.profile import UVICORN, ServerProfile
from .server.request import Headers, Request, encode_body, encode_headers

__all__ = ["ConnectOptions", "connect"]


class ConnectOptions(TypedDict, total=False):
    """The keyword arguments of :func:`connect`."""

    method: str
    headers: Headers | None
    body: bytes | Iterable[bytes]
    last_event_id: str | None
    http_version: str
    client: tuple[str, int] | None
    root_path: str
    scheme: str
    scope_type: Literal["http", "websocket"]
    state: Mapping[str, Any] | None
    extensions: Mapping[str, Any] | None
    timeout: float
    server: ServerProfile
    strict: bool
    raise_app_exceptions: bool
    max_event_size: int
    window: int
    on_send: SendHook | None
    on_receive: ReceiveHook | None


def connect(
    app: ASGIApp,
    path: str = "/",
    *,
    method: str = "GET",
    headers: Headers | None = None,
    body: bytes | Iterable[bytes] = b"",
    last_event_id: str | None = None,
    http_version: str = "1.1",
    client: tuple[str, int] | None = ("127.0.0.1", 12345),
    root_path: str = "",
    scheme: str = "http",
    scope_type: Literal["http", "websocket"] = "http",
    state: Mapping[str, Any] | None = None,
    extensions: Mapping[str, Any] | None = None,
    timeout: float = 5.0,
    server: ServerProfile = UVICORN,
    strict: bool = True,
    raise_app_exceptions: bool = True,
    max_event_size: int = 67_108_864,
    window: int = 65_536,
    on_send: SendHook | None = None,
    on_receive: ReceiveHook | None = None,
) -> EventClient:
    """Return a client that calls ``app`` with one request when it is entered with ``async with``.

    Entering waits for the head of the response. If the app raises before, that exception is raised;
    what it raises later comes from the wait that it ends, or from leaving the block.

    :param app: any ASGI 3 application
    :param path: path and query of the request; below ``root_path``
    :param method: the method of the request
    :param headers: request headers; ``host`` and ``accept`` are sent unless given here
    :param body: the request's body; each element of an iterable is an ``http.request`` message
    :param last_event_id: the ``Last-Event-ID`` header
    :param http_version: ``scope["http_version"]``: ``"1.0"``, ``"1.1"``, ``"2"`` or ``"3"``
    :param client: address and port that the request comes from
    :param root_path: where the app is mounted; ``scope["path"]`` begins with it, as on servers
    :param scheme: ``scope["scheme"]``: ``"http"`` or ``"https"``
    :param scope_type: ``"websocket"`` makes a WebSocket handshake, which the app is to deny
    :param state: what the lifespan left for requests, see :func:`lifespan`
    :param extensions: ``scope["extensions"]``
    :param timeout: the bound of every wait, in seconds of the event loop's clock
    :param server: what the app sees where servers differ
    :param strict: hold the app to the rules of ASGI that some servers let pass, too: one ``send``
        at a time and none after the return, lower-case header names, ``content-length`` kept, no
        connection-specific headers in HTTP/2 and 3
    :param raise_app_exceptions: False: an app that raises gives a 500, or a body that breaks off
    :param max_event_size: bytes of the largest event to accept; a larger one is
        :exc:`~sse_asgi.EventTooLarge`
    :param window: bytes of unread events that make ``send`` wait
    :param on_send: awaited at each ``send``: may raise, or wait
    :param on_receive: awaited at each ``receive``: may raise, wait, or return another message
    :raises TypeError: an argument is of the wrong type
    :raises ValueError: an argument cannot be sent, or ``timeout`` or ``window`` is not above 0
    """
    _check(app, timeout=timeout, window=window)
    request = Request(
        path=path,
        method=method,
        headers=encode_headers(headers),
        body=encode_body(body),
        last_event_id=last_event_id,
        http_version=http_version,
        client=client,
        scheme=scheme,
        root_path=root_path,
        scope_type=scope_type,
        state=state,
        extensions=extensions,
    )
    open_exchange = _opener(app, server, strict, window, on_send, on_receive)
    return EventClient(
        request,
        open_exchange,
        timeout=timeout,
        raise_app_exceptions=raise_app_exceptions,
        max_event_size=checks.integer("max_event_size", max_event_size, least=1, unit="bytes"),
    )


def _check(app: object, **positive: float) -> None:
    if not callable(app):
        raise TypeError(f"app must be an ASGI 3 application, not {app!r}")
    for name, value in positive.items():
        if not value > 0:
            raise ValueError(f"{name} must be above 0, not {value!r}")


def _opener(
    app: ASGIApp,
    server: ServerProfile,
    strict: bool,
    window: int,
    on_send: SendHook | None,
    on_receive: ReceiveHook | None,
) -> OpenExchange:
    return partial(
        Exchange,
        app,
        profile=server,
        strict=strict,
        window=window,
        on_send=on_send,
        on_receive=on_receive,
    )
