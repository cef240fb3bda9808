"""The recorder, the one writer of all trackers, and everybody's line to it."""
