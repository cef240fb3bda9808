"""Follows which trial of an experiment is the best while its sweep runs. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from tune_tasks.model.attempt import AttemptInfo
from tune_tasks.model.objective import DEFAULT_OBJECTIVES, Objective, choose_objective
from tune_tasks.model.trial import Outcome, TrialState
from tune_tasks.results.ranking import best_of


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
    report is the best. A report or an end may be told twice: that changes nothing.

    Args:
        wanted: The spec's objective. Without one, 'best' goes by the first default metric that a
            trial has reported.
    """

    def __init__(self, wanted: Objective | None) -> None:
        self._wanted = wanted
        self._possible = (wanted,) if wanted else DEFAULT_OBJECTIVES
        self._reported: set[str] = set()
        self._running: dict[str, Candidate] = {}
        # By metric. Only the best of the trials that ended is kept: there may be a million.
        self._best_ended: dict[str, Candidate] = {}
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
        candidates = list(self._running.values())
        if objective.metric in self._best_ended:
            candidates.append(self._best_ended[objective.metric])
        return best_of(candidates, objective)

    def report(self, info: AttemptInfo, row: Mapping[str, object]) -> None:
        """Take an attempt's latest report."""
        values: dict[str, float] = {}
        for objective in self._possible:
            value = objective.value(row)
            if value is not None:
                values[objective.metric] = value
        self._reported |= values.keys()
        self._running[info.key] = Candidate(info.trial.index, info.trial.name, info.key, values)

    def end(self, info: AttemptInfo, outcome: Outcome) -> None:
        """Take an attempt's end; a trial that will be tried again is not done."""
        candidate = self._running.pop(info.key, None)
        failed = outcome.state is TrialState.ERROR
        if not (failed and info.trial.is_tried_again_after(info.attempt)):
            self._done.add(info.trial.index)
        if candidate and not failed:
            self._keep_best(candidate)

    def _keep_best(self, candidate: Candidate) -> None:
        for objective in self._possible:
            rivals = [candidate]
            if objective.metric in self._best_ended:
                rivals.append(self._best_ended[objective.metric])
            best = best_of(rivals, objective)
            if best:
                self._best_ended[objective.metric] = best
