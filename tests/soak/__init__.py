"""Clients that come, stall, vanish and resume for minutes or hours: ``python -m tests.soak``."""
