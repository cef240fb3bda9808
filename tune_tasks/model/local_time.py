"""Moments as people and programs read them, in the local zone."""

from __future__ import annotations

import time
from datetime import datetime

_AGES = ((86_400, "d"), (3_600, "h"), (60, "min"))


def local_time(seconds: float) -> str:
    """Return a moment, in seconds since the epoch, such as `2026-11-28 18:54:26`."""
    return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(seconds))


def clock(seconds: float, now: float) -> str:
    """Return a moment such as `03:40`; with its date if that is not the date of `now`."""
    moment, today = time.localtime(seconds), time.localtime(now)
    form = "%H:%M" if moment[:3] == today[:3] else "%Y-%m-%d %H:%M"
    return time.strftime(form, moment)


def iso_time(seconds: float | None) -> str | None:
    """Return a moment in ISO 8601, with its zone; None for None."""
    if seconds is None:
        return None
    return datetime.fromtimestamp(seconds).astimezone().isoformat(timespec="milliseconds")


def age(seconds: float) -> str:
    """Return a span in its largest unit, such as `3 d` or `12 s`."""
    for size, unit in _AGES:
        if seconds >= size:
            return f"{seconds // size:.0f} {unit}"
    return f"{max(seconds, 0):.0f} s"
