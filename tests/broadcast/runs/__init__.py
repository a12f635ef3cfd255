"""Runs, in memory: on every event loop, and against a model."""
