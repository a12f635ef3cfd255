"""Hostile input at random, for a minute or for hours: ``python -m tests.fuzz --seconds 60``."""
