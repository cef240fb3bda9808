"""The driver: from a request to a summary."""
