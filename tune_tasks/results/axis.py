"""The values of a parameter or a metric as positions on a picture's axis."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tune_tasks.model.text import one_line

_LABEL_LENGTH = 12
_LOG_FROM = 100
"""An axis is logarithmic if its greatest value is more than this many times its least."""


@dataclass(frozen=True)
class Axis:
    """The values of a parameter or a metric, one a trial.

    Attributes:
        name: The parameter or the metric.
        positions: One a trial; NaN if the trial has no number.
        labels: The text at each position, if not all values are numbers; else empty.
        is_log: Whether the numbers span more than two orders of magnitude.
    """

    name: str
    positions: Sequence[float]
    labels: Mapping[float, str]
    is_log: bool = False

    @classmethod
    def of(cls, name: str, values: Sequence[Any]) -> Axis:
        """Return the axis of some values, of which None is a trial that has none."""
        given = [value for value in values if value is not None]
        if all(map(_is_number, given)):
            numbers = [math.nan if value is None else _finite(value) for value in values]
            if any(map(math.isfinite, numbers)):
                return cls._of_numbers(name, numbers)
        return cls._of_texts(name, [str(value) for value in values])

    @classmethod
    def _of_numbers(cls, name: str, numbers: Sequence[float]) -> Axis:
        known = _known(numbers)
        is_log = min(known) > 0 and max(known) > _LOG_FROM * min(known)
        return cls(name, numbers, {}, is_log)

    @classmethod
    def _of_texts(cls, name: str, texts: Sequence[str]) -> Axis:
        order = {text: float(place) for place, text in enumerate(sorted(set(texts)))}
        labels = {position: short_label(text, _LABEL_LENGTH) for text, position in order.items()}
        return cls(name, [order[text] for text in texts], labels)

    def fractions(self) -> list[float]:
        """Return the positions between 0 and 1; all in the middle if they are the same."""
        positions = [math.log(p) if self.is_log else p for p in self.positions]
        known = _known(positions)
        low = min(known)
        span = max(known) - low
        if span == 0:
            return [p if math.isnan(p) else 0.5 for p in positions]
        return [(p - low) / span for p in positions]

    def ticks(self) -> dict[float, str]:
        """Return the text at each fraction: every label, or the ends if the values are numbers."""
        marks = self.labels
        if not marks:
            known = _known(self.positions)
            marks = {end: f"{end:.3g}" for end in (min(known), max(known))}
        marked = Axis(self.name, list(marks), {}, self.is_log)
        return dict(zip(marked.fractions(), marks.values(), strict=True))


def _known(positions: Sequence[float]) -> list[float]:
    return [position for position in positions if math.isfinite(position)]


def _is_number(value: object) -> bool:
    """Return whether a value is a number that a float can hold."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return False
    try:
        float(value)
    except OverflowError:
        return False
    return True


def _finite(value: float) -> float:
    """Return the number, or NaN if it is infinite."""
    number = float(value)
    return number if math.isfinite(number) else math.nan


def short_label(text: str, length: int) -> str:
    """Return a text as a label: printable, and not longer than `length`.

    It is not a formula either, which is what matplotlib makes of two dollar signs.
    """
    return one_line(text, length).replace("$", r"\$")
