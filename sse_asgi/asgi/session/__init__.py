"""One live stream."""
