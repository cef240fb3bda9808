"""Decides whether a report meets a stop criterion. Pure: the time is a parameter."""

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
_SMALLER_IS_BETTER = {
    *("loss", "losses", "logloss", "error", "errors", "err", "mse", "rmse", "msle", "rmsle", "mae"),
    *("mape", "nll", "perplexity", "ppl", "wer", "cer", "regret", "latency"),
}
_TURNED_ROUND = {"neg", "negative", "minus"}


@dataclass(frozen=True)
class Criterion:
    """A condition that ends a trial: `metric op bound`, such as `mean_accuracy >= 0.99`."""

    metric: str
    op: str
    bound: float

    def __str__(self) -> str:
        return f"{self.metric} {self.op} {_shown(self.bound)}"

    def met_by(self, value: float | None) -> bool:
        """Return whether a value ends the trial. A missing or non-finite one never does."""
        if value is None or not math.isfinite(value):
            return False
        return _OPERATORS[self.op](value, self.bound)


def parse_criterion(name: str, value: object) -> Criterion:
    """Return a criterion from its form in a spec: a number, or a comparison such as `"<= 0.1"`.

    A plain number means `>=`, as in 2017, but `<=` for a loss: see `is_loss`.

    Raises:
        ValueError: If `value` is neither; the message says what was expected.
    """
    if isinstance(value, str):
        match = _COMPARISON.fullmatch(value)
        if match:
            return Criterion(name, match[1], _finite(match[2]))
    elif isinstance(value, (int, float)) and not isinstance(value, bool):
        op = "<=" if is_loss(name) else ">="
        return Criterion(name, op, _finite(value))
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
    """Return whether smaller values of a metric are better, by its name.

    They are if its last word is `loss` (`mean_loss`, `val/loss`), but not for `neg_mean_loss`.
    """
    words = re.split(r"[._/]", name)
    return words[-1] == "loss" and "neg" not in words


def sounds_like_a_loss(name: str) -> bool:
    """Return whether smaller values are probably better, though `is_loss` says no: `val_error`."""
    words = set(re.split(r"[\W_]+", name.lower()))
    return not is_loss(name) and bool(words & _SMALLER_IS_BETTER) and not words & _TURNED_ROUND


def first_met(criteria: Iterable[Criterion], row: Mapping[str, Any]) -> str | None:
    """Return why a report ends its trial: the first criterion that it meets, with the value.

    Args:
        criteria: The trial's criteria, in the spec's order.
        row: The report as it stands in `result.json`.

    Returns:
        None if it meets none of them.
    """
    for criterion in criteria:
        value = metric(row, criterion.metric)
        if criterion.met_by(value):
            shown = f"{value:.6g}" if isinstance(value, float) else str(value)
            reached = f"{criterion.metric} {shown} {criterion.op} {_shown(criterion.bound)}"
            return f"{reached} after {row['timesteps_total']} timesteps"
    return None


def time_limit(criteria: Iterable[Criterion]) -> float | None:
    """Return the seconds after which a trial is to end, even without a report, or None.

    They are the smallest upper bound on `time_total_s`.
    """
    bounds = [
        criterion.bound
        for criterion in criteria
        if criterion.metric == _TIME and criterion.op in (">=", ">")
    ]
    return min(bounds, default=None)


def time_is_up(limit_s: float, elapsed_s: float) -> str:
    """Return why a trial ended that met its time limit between two reports."""
    return f"{_TIME} {elapsed_s:.6g} >= {_shown(limit_s)}"


def never_reported(criteria: Iterable[Criterion], seen: set[str]) -> list[str]:
    """Return the metrics that criteria name and that no report had, sorted.

    Args:
        criteria: The trial's criteria.
        seen: Their metrics that were reported.
    """
    named = {criterion.metric for criterion in criteria}
    return sorted(named - seen - {_TIME})
