"""The values of a parameter or a metric as positions on a picture's axis."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tune_tasks.model.text import one_line

ABSENT = object()
"""In place of the value of a trial that lacks the parameter."""
_LABEL_LENGTH = 12
_LOG_FROM = 100
"""If nobody says, an axis is logarithmic if its greatest value is more than so often its least."""


@dataclass(frozen=True)
class Axis:
    """The values of a parameter or a metric, one a trial.

    Attributes:
        name: The parameter or the metric.
        positions: One a trial; NaN if the trial has no value, or no number among numbers.
        labels: The text at each position, if not all values are numbers; else empty.
        is_log: Whether it is logarithmic.
    """

    name: str
    positions: Sequence[float]
    labels: Mapping[float, str]
    is_log: bool = False

    @classmethod
    def of(cls, name: str, values: Sequence[Any], *, is_log: bool | None = None) -> Axis:
        """Return the axis of some values.

        `ABSENT` is a trial that lacks the parameter; so is None among numbers.

        Args:
            name: The parameter or the metric.
            values: One a trial.
            is_log: Whether positive numbers are on a logarithmic scale; None: if they span more
                than two orders of magnitude.
        """
        numeric = [None if value is ABSENT else value for value in values]
        given = [value for value in numeric if value is not None]
        if all(map(_is_number, given)):
            numbers = [math.nan if value is None else _finite(value) for value in numeric]
            if any(map(math.isfinite, numbers)):
                return cls._of_numbers(name, numbers, is_log=is_log)
        return cls._of_texts(name, [None if v is ABSENT else str(v) for v in values])

    @classmethod
    def _of_numbers(cls, name: str, numbers: Sequence[float], *, is_log: bool | None) -> Axis:
        known = _known(numbers)
        if is_log is None:
            is_log = max(known) > _LOG_FROM * min(known)
        return cls(name, numbers, {}, is_log and min(known) > 0)

    @classmethod
    def _of_texts(cls, name: str, texts: Sequence[str | None]) -> Axis:
        known = sorted({text for text in texts if text is not None})
        order = {text: float(place) for place, text in enumerate(known)}
        labels = {position: short_label(text, _LABEL_LENGTH) for text, position in order.items()}
        positions = [math.nan if text is None else order[text] for text in texts]
        return cls(name, positions, labels)

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
