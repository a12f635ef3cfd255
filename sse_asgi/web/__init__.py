"""What runs in the browser: a small client script, as an ASGI application or as text."""

from .script import ClientScript, client_js

__all__ = ["ClientScript", "client_js"]
