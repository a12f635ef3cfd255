"""What this library knows of the server around it."""
