"""Streaming apps as their frameworks' users write them, one module for each framework."""
