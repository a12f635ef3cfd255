"""Tests of one connection, on raw ``scope``, ``receive`` and ``send``."""
