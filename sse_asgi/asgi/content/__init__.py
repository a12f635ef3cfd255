"""The content that a user gives."""
