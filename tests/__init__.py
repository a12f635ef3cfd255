"""The tests of sse_asgi; they mirror its modules."""
