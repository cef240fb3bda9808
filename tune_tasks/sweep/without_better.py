"""How many trials of an experiment have ended since its best one: its patience. Pure.

A trial counts once it has ended by itself, or a scheduler has ended it, and with its last report.
While a trial that runs, or that is to go on, is already better than the best that has ended, the
patience is not used up: once it ends as the best, the count begins anew.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

from tune_tasks.model.constraints import ValueOf, infeasibility
from tune_tasks.model.trial import CUT_SHORT, GOES_ON_AFTER, Outcome
from tune_tasks.spec.budget import Budget
from tune_tasks.sweep.retries import has_failed


def feasible_value(budget: Budget, value_of: ValueOf) -> float | None:
    """The objective's value of a trial; None if it has no finite one, or is not feasible."""
    if budget.objective is None or infeasibility(budget.constraints, value_of) is not None:
        return None
    return value_of(budget.objective.metric)


@dataclass
class WithoutBetter:
    """See the module's docstring.

    Attributes:
        ended: The values of the trials that have ended, in this order; None of one that has failed
            or is not feasible.
        best: The best of them.
        worse: Those that have ended since.
        latest: By trial that runs, or is to go on: the value of its last report.
        unheard: Trials that ran under an earlier driver, and of whose last reports this one has not
            heard yet.
    """

    budget: Budget
    ended: dict[str, float | None] = field(default_factory=dict)
    best: float | None = None
    worse: set[str] = field(default_factory=set)
    latest: dict[str, float | None] = field(default_factory=dict)
    unheard: set[str] = field(default_factory=set)

    @property
    def has_one_ahead(self) -> bool:
        """Whether a trial that has not ended is better, or may be: nobody has heard of it yet."""
        objective = self.budget.objective
        if objective is None:
            return False
        are_better = (objective.better(value, self.best) for value in self.latest.values())
        return bool(self.unheard) or any(are_better)

    def has_reported(self, key: str, value_of: ValueOf) -> None:
        """Note the latest report of a trial that runs."""
        self.unheard.discard(key)
        self.latest[key] = feasible_value(self.budget, value_of)

    def lets_go(self, key: str, metrics: Mapping[str, float | None]) -> None:
        """Note that an attempt has ended; the trial may go on later."""
        self.unheard.discard(key)
        if metrics:
            self.latest[key] = feasible_value(self.budget, metrics.get)

    def has_ended(self, key: str, outcome: Outcome, metrics: Mapping[str, float | None]) -> None:
        """Note that a trial has ended, and is not tried again."""
        if outcome.ended_by not in GOES_ON_AFTER:
            self.latest.pop(key, None)
        # If nobody has asked for its value then, because an edit has made another metric count.
        is_unknown = outcome.reports and not metrics.keys() >= self._compared
        if self.budget.objective is None or is_unknown or outcome.ended_by in CUT_SHORT:
            return
        value = None if has_failed(outcome) else feasible_value(self.budget, metrics.get)
        self.is_run_again(key)
        self.ended[key] = value
        self._count(key, value)

    def is_run_again(self, key: str) -> None:
        """Note that a trial that has ended is pending again, or runs."""
        if key not in self.ended:
            return
        del self.ended[key]
        self.best = None
        self.worse.clear()
        for each, value in self.ended.items():
            self._count(each, value)

    def _count(self, key: str, value: float | None) -> None:
        objective = self.budget.objective
        if objective and objective.better(value, self.best):
            self.best = value
            self.worse.clear()
        else:
            self.worse.add(key)

    def taken_over(self, running: Collection[str]) -> None:
        """Note that another driver goes on, before it tells what became of what ran."""
        self.unheard = set(running)

    @property
    def _compared(self) -> set[str]:
        """The metrics that trials are compared by."""
        objective, constraints = self.budget.objective, self.budget.constraints
        return {each.metric for each in ([objective] if objective else []) + [*constraints]}
