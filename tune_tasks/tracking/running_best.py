"""Follows which trial of an experiment is the best while its sweep runs. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from tune_tasks.model.attempt import AttemptInfo
from tune_tasks.model.constraints import infeasibility
from tune_tasks.model.objective import (
    DEFAULT_OBJECTIVES,
    Objective,
    choose_objective,
    finite_metric,
)
from tune_tasks.model.stopping import Criterion
from tune_tasks.model.trial import GOES_ON_AFTER, EndedBy, Outcome, TrialState
from tune_tasks.results.ranking import best_of, front_of, ranked


@dataclass(frozen=True)
class Candidate:
    """A trial by its latest report.

    Attributes:
        key: The attempt's key.
        values: The finite values of the metrics that 'best' may go by.
    """

    index: int
    name: str
    key: str
    values: Mapping[str, float]

    def metric(self, name: str) -> float | None:
        """Return the latest value of a metric, or None."""
        return self.values.get(name)


class RunningBest:
    """Knows the best trial of an experiment, and how many trials are done.

    'Best' means the same as in the summary: of the trials that did not fail, the one whose latest
    report is the best. Of a trial that is tried again, the latest attempt alone counts. A begin, a
    report or an end may be told twice, or late: that changes nothing.

    Args:
        wanted: The spec's objective. Without one, 'best' goes by the first default metric that a
            trial has reported.
        constraints: A trial whose latest report does not meet them is not the best.
        others: Of several objectives, those after the first: the best trial is the knee then.
    """

    def __init__(
        self,
        wanted: Objective | None,
        constraints: Sequence[Criterion] = (),
        others: Sequence[Objective] = (),
    ) -> None:
        self._wanted = wanted
        self._constraints = constraints
        self._others = others
        self._possible = (wanted,) if wanted else DEFAULT_OBJECTIVES
        self._reported: set[str] = set()
        # By the trial's index: the latest attempt of each trial that was tried again.
        self._latest: dict[int, int] = {}
        # By the trial's index: those that may still change, or be taken back.
        self._open: dict[int, Candidate] = {}
        # By the first metric. Of the trials that have ended only the best one, or the front, is
        # kept: there may be a million.
        self._best_ended: dict[str, list[Candidate]] = {}
        self._done: set[int] = set()

    @property
    def done(self) -> int:
        """Number of trials that have ended."""
        return len(self._done)

    @property
    def objective(self) -> Objective | None:
        """What 'best' goes by; None if no report had one of the default metrics so far."""
        return choose_objective(self._wanted, lambda default: default.metric in self._reported)

    def best(self) -> Candidate | None:
        """Return the best trial so far; it may still be running."""
        objective = self.objective
        if objective is None:
            return None
        return best_of(self._candidates(objective), objective, self._others)

    def front(self) -> list[Candidate]:
        """Return the front of several objectives so far; empty if there is one objective."""
        objective = self.objective
        if objective is None or not self._others:
            return []
        return front_of(self._candidates(objective), (objective, *self._others))

    def _candidates(self, objective: Objective) -> list[Candidate]:
        return [*self._open.values(), *self._best_ended.get(objective.metric, ())]

    def begin(self, info: AttemptInfo) -> None:
        """Take a new attempt: what the trial's earlier attempts have reported counts no more.

        An attempt may follow one that did not fail: a pause has ended that, or its driver has died.
        """
        index = info.trial.index
        if info.attempt > self._latest.get(index, 1):
            self._latest[index] = info.attempt
            self._open.pop(index, None)
            self._done.discard(index)

    def report(self, info: AttemptInfo, row: Mapping[str, object]) -> None:
        """Take an attempt's latest report."""
        if self._is_superseded(info):
            return
        values: dict[str, float] = {}
        for objective in (*self._possible, *self._others):
            value = objective.value(row)
            if value is not None:
                values[objective.metric] = value
        self._reported |= values.keys()
        if infeasibility(self._constraints, lambda name: finite_metric(row, name)):
            values = {}
        index = info.trial.index
        self._open[index] = Candidate(index, info.trial.name, info.key, values)

    def end(self, info: AttemptInfo, outcome: Outcome) -> None:
        """Take an attempt's end; a trial that will be tried again is not done."""
        if self._is_superseded(info):
            return
        index = info.trial.index
        failed = outcome.state is TrialState.ERROR
        # There may be even more attempts, because those that were lost are no failures; and fewer,
        # because a rule may say so. `begin` corrects the one, the sweep's end the other.
        goes_on = outcome.ended_by in (EndedBy.EXPLOITED, EndedBy.PAUSED)
        if not (goes_on or (failed and info.trial.is_tried_again_after(info.attempt))):
            self._done.add(index)
        if failed:
            self._open.pop(index, None)
        elif index in self._open and outcome.ended_by not in GOES_ON_AFTER:
            self._keep_best(self._open.pop(index))

    def _is_superseded(self, info: AttemptInfo) -> bool:
        return info.attempt < self._latest.get(info.trial.index, 1)

    def _keep_best(self, candidate: Candidate) -> None:
        for objective in self._possible:
            rivals = [candidate, *self._best_ended.get(objective.metric, ())]
            if self._others:
                best = front_of(rivals, (objective, *self._others))
            else:
                best = ranked(rivals, objective)[:1]
            self._best_ended[objective.metric] = best
