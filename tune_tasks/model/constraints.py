"""What a trial has to keep to, to be the best one: a spec's `constraints`. Pure.

A constraint has the form of a stop criterion. What meets it is allowed. A trial is judged by its
last report; a value that is missing or not finite is not allowed.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable

from tune_tasks.model.stopping import Criterion
from tune_tasks.model.text import one_line

ValueOf = Callable[[str], float | None]
"""Returns the finite value of a metric, or None."""


def infeasibility(constraints: Iterable[Criterion], value_of: ValueOf) -> str | None:
    """Return by what a trial is infeasible, for people: `model_size 6e+06 is not <= 5e+06`.

    Args:
        constraints: What is allowed.
        value_of: Of the trial's last report.

    Returns:
        None if it keeps to all of them.
    """
    broken = [_words(each, value_of(each.metric)) for each in constraints]
    return ", ".join(filter(None, broken)) or None


def _words(constraint: Criterion, value: float | None) -> str:
    if constraint.met_by(value):
        return ""
    name = one_line(constraint.metric)
    wanted = f"{constraint.op} {constraint.bound:.12g}"
    if value is None:
        return f"no finite {name} to be {wanted}"
    return f"{name} {value:.12g} is not {wanted}"


def excess(constraint: Criterion, value: float | None) -> float | None:
    """Return how far a value is beyond what is allowed, as a share of the bound.

    The share makes constraints of unlike units comparable; of a bound that is 0 it is the distance
    itself.

    Returns:
        0 or less if the value is allowed, and more if it is not; None without a value.
    """
    if value is None:
        return None
    distance = value - constraint.bound
    if constraint.op in (">", ">="):
        distance = -distance
    elif constraint.op == "==":
        distance = abs(distance)
    if not constraint.met_by(value):
        # The bound itself may be just beyond.
        distance = max(distance, math.ulp(constraint.bound))
    return distance / (abs(constraint.bound) or 1.0)
