"""Which trial of an experiment is the best, and by which metrics. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from operator import itemgetter
from typing import Protocol, TypeVar

from tune_tasks.model.front import Point, best_first
from tune_tasks.model.front import front_of as undominated
from tune_tasks.model.objective import Objective, choose_objective


class Scored(Protocol):
    """A trial with values of metrics."""

    @property
    def index(self) -> int:
        """Its number; of equal trials the first is the best."""

    def metric(self, name: str) -> float | None:
        """The finite value of a metric, or None."""


_Scored = TypeVar("_Scored", bound=Scored)


def ranked(
    trials: Iterable[_Scored], objective: Objective, others: Sequence[Objective] = ()
) -> list[_Scored]:
    """Return the trials that have a value of each objective, best first.

    Of several objectives the best is the knee of the front; the rest of the front follows, and then
    what is dominated: see `model.front`.

    Args:
        trials: The trials, the failed and the infeasible ones left out.
        objective: The first objective.
        others: Further ones.
    """
    scored = _scored(trials, (objective, *others))
    if others:
        return [scored[place][1] for place in best_first([point for point, _ in scored])]
    return [trial for _, trial in sorted(scored, key=itemgetter(0))]


def best_of(
    trials: Iterable[_Scored], objective: Objective, others: Sequence[Objective] = ()
) -> _Scored | None:
    """Return the best of the trials; None if none has a value of each objective."""
    return next(iter(ranked(trials, objective, others)), None)


def front_of(trials: Iterable[_Scored], objectives: Sequence[Objective]) -> list[_Scored]:
    """Return the trials that no other one dominates, those first that are best in the first."""
    scored = _scored(trials, objectives)
    places = undominated([point for point, _ in scored])
    return [trial for _, trial in sorted((scored[place] for place in places), key=itemgetter(0))]


def _scored(
    trials: Iterable[_Scored], objectives: Sequence[Objective]
) -> list[tuple[Point, _Scored]]:
    """Return the trials that have a value of each objective, with those; in their order."""
    scored = []
    for trial in sorted(trials, key=lambda trial: trial.index):
        values = [trial.metric(each.metric) for each in objectives]
        pairs = zip(objectives, values, strict=True)
        point = tuple(each.sort_key(value) for each, value in pairs if value is not None)
        if len(point) == len(objectives):
            scored.append((point, trial))
    return scored


def objective_of(wanted: Objective | None, trials: Sequence[Scored]) -> Objective | None:
    """Return what 'best' goes by: the spec's objective, or the first default that was reported.

    Args:
        wanted: The objective that the spec names, if it names one.
        trials: The experiment's trials.
    """

    def is_reported(default: Objective) -> bool:
        return any(trial.metric(default.metric) is not None for trial in trials)

    return choose_objective(wanted, is_reported)
