"""Waiting for something that another process does."""

import time


def until(condition, timeout_s=60):
    """Wait for a true value of `condition()`, which is returned; fail after so many seconds."""
    deadline = time.monotonic() + timeout_s
    while not (value := condition()):
        assert time.monotonic() < deadline, "it did not come about in time"
        time.sleep(0.05)
    return value
