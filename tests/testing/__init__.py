"""The test client, on bare ASGI apps and on those of frameworks."""
