"""Tests of the hub: one event to many clients, and nothing lost."""
