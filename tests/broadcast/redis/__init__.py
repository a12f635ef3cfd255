"""The Redis backend, on engines that the tests start, stop, stop dead and disconnect."""
