"""What an event and a connection cost, beside the peers: ``python -m tests.benchmarks``."""
