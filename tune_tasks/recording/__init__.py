"""The recorder, the one writer of all trackers, and the line to it."""
