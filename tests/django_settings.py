"""Django's settings, of which a process has one set: that of every test."""

from __future__ import annotations

__all__ = ["configure_django"]


def configure_django() -> None:
    """Configure Django, once for all tests of the process."""
    import django  # type: ignore[import-untyped]
    from django.conf import settings  # type: ignore[import-untyped]

    if not settings.configured:
        settings.configure(
            ALLOWED_HOSTS=["*"],
            MIDDLEWARE=["django.middleware.gzip.GZipMiddleware"],
            ROOT_URLCONF=(),
            SECRET_KEY="tests",
        )
        django.setup()
