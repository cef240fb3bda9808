"""Recorded episodes: read and written."""
