"""Durations as a spec has them: seconds, or a text such as `90s`, `30m`, `6h` or `2d`. Pure."""

from __future__ import annotations

import re

DURATION_EXPECTED = "seconds above 0, or a text such as '90s', '30m', '6h' or '2d'"

_UNITS = {"s": 1, "m": 60, "h": 3_600, "d": 86_400}
_LONGEST_S = 1e12
_DURATION = re.compile(r"\s*(?P<number>\d{1,9}(?:\.\d{1,9})?)\s*(?P<unit>[smhd])\s*")
_SHOWN = {"d": "days", "h": "h", "m": "min"}
"""The units in which people are told of a duration of at least two of them, the largest first."""


def parse_duration(value: object) -> float | None:
    """Return the seconds that a number or a text stands for; None if it is no duration."""
    if isinstance(value, str):
        match = _DURATION.fullmatch(value)
        return float(match["number"]) * _UNITS[match["unit"]] if match else None
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    return float(value) if 0 <= value <= _LONGEST_S else None


def shown_duration(seconds: float) -> str:
    """Return a duration for people, such as `6 h`."""
    name, unit_s = _unit_of(seconds)
    return f"{_rounded(seconds / unit_s)} {name}"


def shown_part(seconds: float, of_s: float) -> str:
    """Return how much of a duration is over, such as `1.2 of 6 h`."""
    _, unit_s = _unit_of(of_s)
    return f"{_rounded(seconds / unit_s)} of {shown_duration(of_s)}"


def _unit_of(seconds: float) -> tuple[str, int]:
    for unit, name in _SHOWN.items():
        if seconds >= 2 * _UNITS[unit]:
            return name, _UNITS[unit]
    return "s", 1


def _rounded(number: float) -> str:
    return f"{round(number, 1):.10g}"
