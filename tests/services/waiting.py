"""Waiting for something that another process does."""

import time
import urllib.request


def until(condition, timeout_s=180):
    """Wait for a true value of `condition()`, which is returned; fail after so many seconds."""
    deadline = time.monotonic() + timeout_s
    while not (value := condition()):
        assert time.monotonic() < deadline, "it did not come about in time"
        time.sleep(0.05)
    return value


def answers(url):
    """Whether a server answers there that all is well."""
    try:
        return urllib.request.urlopen(url, timeout=2).status == 200
    except OSError:
        return False
