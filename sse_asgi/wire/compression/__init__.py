"""Compression of event streams, flushed after every message."""
