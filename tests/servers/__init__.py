"""Real servers in processes of their own, and the clients that read their streams."""
