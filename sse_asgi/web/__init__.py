"""The client script for browsers, as an ASGI application or as text."""

from .script import ClientScript, client_js

__all__ = ["ClientScript", "client_js"]
