"""Milestones: the reports of a trial that are judged before the trial goes on. Pure.

A trial's process finds out which of its reports pass one (`trial/questions.py`), and the sweep's
core judges them (`search/judge.py`).
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from tune_tasks.model.objective import Objective, finite_metric

_ROUNDING = 1e-9
_LAST_DIGITS = 1e-12


@dataclass(frozen=True)
class Milestones:
    """When a trial is judged, and by what.

    Attributes:
        objective: What counts.
        time_attr: The field of a report that says how far the trial is.
        at: The first milestones, rising.
        every: From the last of these on one follows after each so many; 0 if none follows.
        awaits_checkpoint: Whether a trial is judged only once it has written a checkpoint after the
            report that has reached one, or is about to report again.
        judges_each: Whether it is then judged for each that it has come to, and not for the last.
    """

    objective: Objective
    time_attr: str
    at: tuple[float, ...]
    every: float = 0
    awaits_checkpoint: bool = False
    judges_each: bool = False

    def count(self, step: float) -> int:
        """How many milestones are at a step or before it."""
        # A milestone is a product or a sum, and a bit more or less than the step that reaches it.
        listed = bisect_right(self.at, step + abs(step) * _LAST_DIGITS)
        if listed < len(self.at) or not self.every:
            return listed
        return listed + max(0, int((step - self.at[-1]) / self.every + _ROUNDING))

    def milestone(self, number: int) -> float:
        """The step of one of the milestones, which are counted from 0."""
        beyond = number - (len(self.at) - 1)
        return self.at[number] if beyond <= 0 else self.at[-1] + beyond * self.every


@dataclass(frozen=True)
class Reached:
    """A milestone that a trial has reached or passed.

    Attributes:
        judge: Whose milestone it is: its place among those that judge the trial.
        milestone: Its step.
        step: How far the trial is.
        value: What the report has of the metric; None if it has none, or no finite one.
        best: The best finite value that the trial has reported so far; None if there is none.
        mean: The mean of these values.
        metric: The metric's name; empty in the journals of earlier versions.
    """

    judge: int
    milestone: float
    step: float
    value: float | None = None
    best: float | None = None
    mean: float | None = None
    metric: str = ""


class Course:
    """How one trial goes past the milestones of one judge.

    Args:
        judge: The judge's place among those that judge the trial.
        milestones: When the trial is judged.

    Attributes:
        awaits_checkpoint: See `Milestones`.
        judges_each: See `Milestones`.
    """

    def __init__(self, judge: int, milestones: Milestones) -> None:
        self._judge = judge
        self._milestones = milestones
        self.awaits_checkpoint = milestones.awaits_checkpoint
        self.judges_each = milestones.judges_each
        self._passed = 0
        self._best: float | None = None
        self._sum = 0.0
        self._values = 0

    def reached(self, row: Mapping[str, Any]) -> Iterator[Reached]:
        """Take a report in; yields every milestone that it is the first to reach or to pass.

        Of those that follow at equal distances it yields the last alone.
        """
        objective = self._milestones.objective
        value = finite_metric(row, objective.metric)
        if value is not None:
            self._note(value)
        step = finite_metric(row, self._milestones.time_attr)
        count = self._milestones.count(step) if step is not None else 0
        listed = min(len(self._milestones.at), count)
        last = [count - 1] if count > max(self._passed, listed) else []
        for number in (*range(self._passed, listed), *last):
            yield self._at(number, float(step or 0), value)
        self._passed = max(self._passed, count)

    def _note(self, value: float) -> None:
        objective = self._milestones.objective
        if self._best is None or objective.sort_key(value) < objective.sort_key(self._best):
            self._best = value
        self._sum += value
        self._values += 1

    def _at(self, number: int, step: float, value: float | None) -> Reached:
        milestone = self._milestones.milestone(number)
        mean = self._sum / self._values if self._values else None
        metric = self._milestones.objective.metric
        return Reached(self._judge, milestone, step, value, self._best, mean, metric)
