"""`Objective`: the metric by which a trial is the best, and in which direction."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from tune_tasks.model.constraints import infeasibility
from tune_tasks.model.stopping import Criterion, is_loss
from tune_tasks.model.text import one_line
from tune_tasks.result import metric

Mode = Literal["max", "min"]


def finite_metric(row: Mapping[str, Any] | None, name: str) -> float | None:
    """Return the finite value that a report has of a metric, or None.

    Args:
        row: The report as it stands in `result.json`; None if there is no report.
        name: The metric's.
    """
    value = metric(row or {}, name)
    return value if value is not None and math.isfinite(value) else None


@dataclass(frozen=True)
class Objective:
    """A metric with its direction.

    Attributes:
        metric: The metric's name, as a spec writes it.
        mode: `max` if a greater value is better, `min` if a smaller one is.
    """

    metric: str
    mode: Mode

    @classmethod
    def of(cls, metric: str, mode: Mode | None = None) -> Objective:
        """Return the objective; without a mode, the metric's name decides: `min` for a loss."""
        if mode is None:
            mode = "min" if is_loss(metric) else "max"
        return cls(metric, mode)

    @classmethod
    def of_spec(cls, metric: str | None, mode: Mode | None) -> Objective | None:
        """Return the objective that a spec names, or None if the spec names no metric."""
        return cls.of(metric, mode) if metric else None

    @property
    def is_greater_better(self) -> bool:
        """Whether the greatest value is the best."""
        return self.mode == "max"

    def value(self, row: Mapping[str, Any] | None) -> float | None:
        """Return the finite value that a report has of the metric, or None.

        Args:
            row: The report as it stands in `result.json`; None if there is no report.
        """
        return finite_metric(row, self.metric)

    def sort_key(self, value: float) -> float:
        """Return a number that is smaller the better the value is."""
        return -value if self.is_greater_better else value

    def better(self, value: float | None, than: float | None) -> bool:
        """Return whether a value is better than another one; any value is better than none."""
        if value is None:
            return False
        return than is None or self.sort_key(value) < self.sort_key(than)

    def words(self, value: float) -> str:
        """Return the metric with a value, for people: `mean_loss 0.25`."""
        return f"{one_line(self.metric)} {value:.6g}"


@dataclass(frozen=True)
class Objectives:
    """What the trials of an experiment are compared by, as a spec says it.

    Attributes:
        each: The objectives: none if the spec names no metric, and several if it names those.
        constraints: What the last report of a trial has to meet for the trial to be the best.
    """

    each: tuple[Objective, ...] = ()
    constraints: tuple[Criterion, ...] = ()

    @property
    def first(self) -> Objective | None:
        """The first objective, which is mostly the only one; None if there is none."""
        return self.each[0] if self.each else None

    @property
    def others(self) -> tuple[Objective, ...]:
        """Those after the first."""
        return self.each[1:]

    def metrics(self) -> list[str]:
        """Return the metrics that are looked at, each once."""
        named: Iterable[Objective | Criterion] = (*self.each, *self.constraints)
        return list(dict.fromkeys(one.metric for one in named))

    def values(self, row: Mapping[str, Any]) -> dict[str, float | None]:
        """Return what a report has of each of `metrics`; None for what is not a finite number."""
        return {name: finite_metric(row, name) for name in self.metrics()}

    def infeasibility(self, row: Mapping[str, Any] | None) -> str | None:
        """Return by what a trial with this last report is infeasible; None if it is not."""
        return infeasibility(self.constraints, lambda name: finite_metric(row, name))


DEFAULT_OBJECTIVES = (
    Objective("episode_reward_mean", "max"),
    Objective("mean_accuracy", "max"),
    Objective("mean_loss", "min"),
)
"""If a spec names no metric, 'best' goes by the first of these that a trial has reported."""


def choose_objective(
    wanted: Objective | None, is_reported: Callable[[Objective], bool]
) -> Objective | None:
    """Return the spec's objective, or the first default that was reported, or None.

    Args:
        wanted: The objective that the spec names, if it names one.
        is_reported: Whether a trial has reported a finite value of a default.
    """
    if wanted:
        return wanted
    return next((default for default in DEFAULT_OBJECTIVES if is_reported(default)), None)
