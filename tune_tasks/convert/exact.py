"""Numbers as somebody would write them: without the last digits, which floats get wrong. Pure."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

MOST_RUNGS = 100
"""More are not looked at: where steps are so small, a file hardly means what it says."""
_DIGITS = 12


def exact(number: float) -> Any:
    """The number with 12 digits; a whole number as it is."""
    return number if isinstance(number, int) else float(f"{number:.{_DIGITS}g}")


def raised(base: float, exponent: float) -> Any:
    """`base` to the power of `exponent`.

    Raises:
        ValueError: If that is no positive number that a float can hold.
    """
    try:
        number = base**exponent
    except (OverflowError, ZeroDivisionError):
        number = math.nan
    if isinstance(number, complex) or not 0 < number < math.inf:
        raise ValueError(f"{base:g} to the power of {exponent:g} is no number above 0")
    return exact(number)


def between(low: float, high: float, count: int) -> list[float]:
    """So many numbers, evenly spaced from `low` to `high`; a single one is in the middle."""
    if count == 1:
        return [(low + high) / 2]
    return [low + i * (high - low) / (count - 1) for i in range(count)]


def divided(number: float, factor: float, most: int) -> list[float]:
    """`number / factor`, that divided by `factor`, and so on: those from 1 on, `most` at most."""
    found: list[float] = []
    number /= factor
    while number >= 1 and len(found) < min(most, MOST_RUNGS):
        found.append(number)
        number /= factor
    return found


def about_rungs(theirs: list[int], factor: float, last: int) -> list[str]:
    """What to say if the rungs of a file are not those of `asha`.

    Args:
        theirs: The file's below `last`, the lowest first, which is the lowest here, too.
        factor: From one rung to the next.
        last: Where nobody is judged any more.
    """
    ours: list[float] = []
    rung = float(theirs[0])
    while rung < last and len(ours) < MOST_RUNGS:
        ours.append(exact(rung))
        rung *= factor
    if ours == theirs:
        return []
    return [f"the rungs were at {shown(theirs)}, and are at {shown(f'{r:g}' for r in ours)} here"]


def shown(numbers: Iterable[object]) -> str:
    """Numbers as a list in a comment: `[-5, -1]`."""
    return f"[{', '.join(map(str, numbers))}]"
