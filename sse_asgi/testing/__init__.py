"""Tests of endless event streams that end: any ASGI application, in process, while it streams.

:func:`connect` makes a client. Entering it sends the request, ``receive()`` returns the next event
or says what arrived instead, and leaving it disconnects. Every wait is bounded. ``pause()``,
``disconnect()``, ``break_send()``, ``cancel()`` and ``reconnect()`` are faults on demand, and
:class:`VirtualClock` moves time. :func:`connect_sync` is the same without ``async``.

The tests are coroutines, so a plugin has to run them:

* anyio's is there already. Mark the tests with ``@pytest.mark.anyio``. It runs each of them on
  asyncio and on trio. Without trio, say so in ``conftest.py``::

      @pytest.fixture
      def anyio_backend():
          return "asyncio"

* pytest-asyncio: mark them with ``@pytest.mark.asyncio``, or set ``asyncio_mode = "auto"``. A
  fixture that holds a client open is ``@pytest_asyncio.fixture``.
"""

from ..asgi.types import ASGIApp, Message, ReceiveHook, SendHook
from ..headers import ResponseHeaders
from .client import EventClient
from .clock import VirtualClock, settle
from .connect import ConnectOptions, connect
from .errors import (
    AppLeaked,
    ASGIViolation,
    BodyTruncated,
    LifespanFailed,
    NotAnEventStream,
    StreamEnded,
    StreamError,
    StreamTimeout,
)
from .lifespan import lifespan
from .server.profile import (
    ASGI_2_4,
    DAPHNE,
    GRANIAN,
    HYPERCORN,
    HYPERCORN_H2,
    UVICORN,
    ServerProfile,
)
from .sync import SyncEventClient, connect_sync

__all__ = [
    "ASGI_2_4",
    "DAPHNE",
    "GRANIAN",
    "HYPERCORN",
    "HYPERCORN_H2",
    "UVICORN",
    "ASGIApp",
    "ASGIViolation",
    "AppLeaked",
    "BodyTruncated",
    "ConnectOptions",
    "EventClient",
    "LifespanFailed",
    "Message",
    "NotAnEventStream",
    "ReceiveHook",
    "ResponseHeaders",
    "SendHook",
    "ServerProfile",
    "StreamEnded",
    "StreamError",
    "StreamTimeout",
    "SyncEventClient",
    "VirtualClock",
    "connect",
    "connect_sync",
    "lifespan",
    "settle",
]
