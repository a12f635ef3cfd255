"""Every example and every demonstration, run as its first lines say, against a real server."""
