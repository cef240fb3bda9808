"""Stop criteria: when a trial has reached what it was started for. Pure.

The clock is a parameter.
"""

from __future__ import annotations

import math
import operator
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from tune_tasks.result import metric

_OPERATORS: dict[str, Callable[[float, float], bool]] = {
    ">=": operator.ge,
    "<=": operator.le,
    ">": operator.gt,
    "<": operator.lt,
    "==": operator.eq,
}
_COMPARISON = re.compile(r"\s*(>=|<=|==|>|<)\s*([^\s<>=]\S*)\s*")
_TIME = "time_total_s"


@dataclass(frozen=True)
class Criterion:
    """Ends a trial when `metric op bound` holds, e.g. `mean_accuracy >= 0.99`."""

    metric: str
    op: str
    bound: float

    def __str__(self) -> str:
        return f"{self.metric} {self.op} {_shown(self.bound)}"

    def met_by(self, value: float | None) -> bool:
        """Whether `value` ends the trial. A missing or non-finite value never does."""
        return value is not None and math.isfinite(value) and _OPERATORS[self.op](value, self.bound)


def parse_criterion(name: str, value: object) -> Criterion:
    """A criterion from its form in a spec: a number, or a comparison such as `"<= 0.1"`.

    A plain number means `>=`, as in 2017; for a loss, a name whose last word is `loss`
    (`mean_loss`, `val_loss`; `neg_mean_loss` is none), it means `<=`.

    Raises:
        ValueError: If `value` is neither; the message says what was expected.
    """
    if isinstance(value, str) and (match := _COMPARISON.fullmatch(value)):
        return Criterion(name, match[1], _finite(match[2]))
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return Criterion(name, "<=" if is_loss(name) else ">=", _finite(value))
    raise ValueError(f"expected a number or a comparison such as '<= 0.1', got {value!r}")


def _finite(value: str | float) -> float:
    try:
        number = float(value)
    except (ValueError, OverflowError):
        number = math.nan
    if not math.isfinite(number):
        raise ValueError(f"expected a finite number, got {value!r}")
    return number


def _shown(bound: float) -> str:
    return f"{bound:.12g}"


def is_loss(name: str) -> bool:
    """Whether smaller values of this metric are better by its name."""
    words = re.split(r"[._/]", name)
    return words[-1] == "loss" and "neg" not in words


def first_met(criteria: Iterable[Criterion], row: Mapping[str, Any]) -> str | None:
    """Why this report ends its trial: the first criterion that it meets, with the value; or None.

    Args:
        criteria: The trial's criteria, in the spec's order.
        row: The report as it stands in `result.json`.
    """
    for criterion in criteria:
        value = metric(row, criterion.metric)
        if criterion.met_by(value):
            shown = f"{value:.6g}" if isinstance(value, float) else str(value)
            reached = f"{criterion.metric} {shown} {criterion.op} {_shown(criterion.bound)}"
            return f"{reached} after {row['timesteps_total']} timesteps"
    return None


def time_limit(criteria: Iterable[Criterion]) -> float | None:
    """Seconds after which a trial is to end without any report, or None.

    The smallest bound on `time_total_s`.
    """
    return min(
        (c.bound for c in criteria if c.metric == _TIME and c.op in (">=", ">")), default=None
    )


def time_is_up(limit_s: float, elapsed_s: float) -> str:
    """Why a trial ended that met its time limit between two reports."""
    return f"{_TIME} {elapsed_s:.6g} >= {_shown(limit_s)}"


def never_reported(criteria: Iterable[Criterion], seen: set[str]) -> list[str]:
    """The metrics that criteria name and that no report had.

    `seen` holds the criteria's metrics that were reported.
    """
    return sorted({c.metric for c in criteria if c.metric not in seen and c.metric != _TIME})
