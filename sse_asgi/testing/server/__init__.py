"""The half of ASGI that a server plays."""
