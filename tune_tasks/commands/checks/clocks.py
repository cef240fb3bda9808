"""Whether the clocks of this machine, of the servers and of the results' disk agree."""

from __future__ import annotations

import tempfile
import time
import urllib.error
import urllib.request
from email.utils import parsedate_to_datetime
from pathlib import Path

from tune_tasks.commands.checks.finding import Finding, ok, problem, warning
from tune_tasks.model.disk import nearest_existing

_ANSWER_S = 5.0
_SMALL_S = 5.0
_LARGE_S = 60.0
_DATE_S = 1.0
"""A `Date` is in whole seconds."""


def clock_of_server(name: str, url: str) -> Finding | None:
    """Compare the clock of a server with ours; None if it does not tell the time.

    Args:
        name: What to call it.
        url: Any address that it answers at.
    """
    before = time.time()
    date = _date_at(url)
    if date is None:
        return None
    return clock_finding(f"clock of {name}", date, before - _DATE_S, time.time())


def clock_of_disk(folder: Path) -> Finding | None:
    """Compare the clock of whoever keeps the results' disk with ours; None if it has no room."""
    try:
        before = time.time()
        with tempfile.NamedTemporaryFile(dir=nearest_existing(folder)) as file:
            file.write(b"x")
            file.flush()
            written = Path(file.name).stat().st_mtime
    except OSError:
        return None
    return clock_finding("clock of the results' disk", written, before - _DATE_S, time.time())


def clock_finding(about: str, theirs: float, before: float, after: float) -> Finding:
    """What a clock says that was read between two moments of ours, all in seconds of the epoch."""
    skew = _skew(theirs, before, after)
    if abs(skew) < _SMALL_S:
        return ok(about, "agrees with ours")
    direction = "ahead of ours" if skew > 0 else "behind ours"
    found = f"{_duration(abs(skew))} {direction}"
    advice = "have both machines set their clocks (NTP): times in Prefect and MLflow are wrong"
    if abs(skew) < _LARGE_S:
        return warning(about, found, advice)
    return problem(about, found, advice)


def _skew(theirs: float, before: float, after: float) -> float:
    if theirs < before:
        return theirs - before
    return max(0.0, theirs - after)


def _duration(seconds: float) -> str:
    for unit, size in (("h", 3600), ("min", 60)):
        if seconds >= size:
            return f"{seconds / size:.1f} {unit}"
    return f"{seconds:.0f} s"


def _date_at(url: str) -> float | None:
    try:
        with urllib.request.urlopen(url, timeout=_ANSWER_S) as answer:  # noqa: S310 - http only
            date = answer.headers["Date"]
    except urllib.error.HTTPError as exc:  # it refuses us, and tells the time all the same
        date = exc.headers["Date"]
    except (OSError, ValueError):
        return None
    try:
        return parsedate_to_datetime(date).timestamp()
    except (TypeError, ValueError):
        return None
