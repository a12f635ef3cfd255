"""Where a hub's log is kept."""
