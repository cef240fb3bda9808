"""What is to be shown of an experiment's search, in numbers. Pure.

`search_report` says it to people, `search_plots` draws it, `--json` prints it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from tune_tasks.model.objective import Objective
from tune_tasks.model.trial import ENDED, START_UP, EndedBy, TrialState, count
from tune_tasks.results.best_so_far import BestSoFar, ended_trial
from tune_tasks.results.branches import branched
from tune_tasks.results.early_stops import EndedRun, StopsAt, early_stops
from tune_tasks.results.next_steps import Found, next_steps
from tune_tasks.results.trials import TrialSummary
from tune_tasks.search.importance import ENOUGH, importances
from tune_tasks.search.observation import Fate, Observation, lessons

if TYPE_CHECKING:
    from tune_tasks.results.summary import ExperimentSummary

_COVERING = (START_UP, "random", "qmc")
"""Who proposes trials that cover the space."""


@dataclass(frozen=True)
class SearchView:
    """What is to be shown of a search.

    Attributes:
        algorithm: The one that has chosen the values of the domains.
        proposed_by: How many of the trials that were started each has proposed; see `Trial`.
        best: How the best became better; None without a metric to go by, and with several: what
            becomes better then is the front.
        importance: How much each parameter matters: shares of 1 by path, the greatest first. Empty
            if `best` is None.
        covering: How many trials that cover the space have ended: the importance is from these.
        stops: Where trials were stopped early.
        next: What to try next, sentences.
        merged: The paths at which branches have different domains: their importance is that of all
            of these together.
    """

    algorithm: str
    proposed_by: Mapping[str, int]
    best: BestSoFar | None
    importance: Mapping[str, float]
    covering: int
    stops: Sequence[StopsAt]
    next: Sequence[str]
    merged: frozenset[str] = frozenset()

    def label(self, path: str) -> str:
        """What a parameter whose importance is shown is called."""
        return f"{path} (all branches)" if path in self.merged else path

    @property
    def why_no_importance(self) -> str:
        """Why it cannot be said what matters; empty if it can be said."""
        if self.importance:
            return ""
        if self.covering < ENOUGH:
            there = count(self.covering, "trial")
            return (
                f"{there} that cover the space ended so far; at least {ENOUGH} are needed to say"
                " which parameters matter"
            )
        return "the trials that cover the space do not differ in what they came to"

    def as_json(self) -> dict[str, Any]:
        """The search as `--json` prints it."""
        best = self.best.improvements if self.best else ()
        return {
            "algorithm": self.algorithm,
            "proposed_by": dict(self.proposed_by),
            "best_so_far": [asdict(improvement) for improvement in best],
            "ended": len(self.best.ended) if self.best else 0,
            "importance": dict(self.importance) or None,
            "importance_from": self.covering,
            "stopped_early": [row.as_json() for row in self.stops],
            "next": list(self.next),
        }


def search_view(experiment: ExperimentSummary) -> SearchView | None:
    """What is to be shown of an experiment's search; None if it has no domains."""
    if not experiment.dimensions:
        return None
    begun = [trial for trial in experiment.listed if trial.attempts]
    proposed_by = Counter(trial.proposed_by for trial in begun if trial.proposed_by)
    stops = early_stops(_ended_runs(begun))
    objective = experiment.objective
    best = best_so_far(experiment)
    if objective is None or best is None:
        return SearchView(experiment.search, proposed_by, None, {}, 0, stops, ())
    found = _found(experiment, objective, best)
    return SearchView(
        experiment.search,
        proposed_by,
        best,
        found.importance,
        found.covering,
        stops,
        tuple(next_steps(found)),
        branched(experiment.dimensions),
    )


def best_so_far(experiment: ExperimentSummary) -> BestSoFar | None:
    """How the best of an experiment became better; None if there is not one metric to go by."""
    objective = experiment.objective
    if objective is None or experiment.others:
        return None
    ended = (
        ended_trial(t.index, t.state, t.last_result, objective, t.infeasible)
        for t in experiment.listed
    )
    return BestSoFar.of((trial for trial in ended if trial), objective)


def _found(experiment: ExperimentSummary, objective: Objective, best: BestSoFar) -> Found:
    dimensions = experiment.dimensions
    greater = objective.is_greater_better
    history = list(_covering(experiment, objective))
    taught = lessons(history, [objective.mode], ignores_failures=False)
    told = [(each.point, value) for each, (value,) in taught]
    names = set.intersection(*(set(point) for point, _ in told)) if told else set()
    return Found(
        dimensions,
        [trial.point for trial in experiment.scored() if trial.point],
        best,
        importances(told, dimensions, is_greater_better=greater),
        len(told),
        frozenset(each.path for each in dimensions if each.name in names),
    )


def _covering(experiment: ExperimentSummary, objective: Objective) -> Iterator[Observation]:
    """The trials that cover the space and have ended by themselves; infeasible ones have no value.

    So these are as bad as the worst.
    """
    for trial in experiment.listed:
        is_ended = trial.state in ENDED and not trial.cancelled
        if is_ended and trial.proposed_by in _COVERING:
            value = None if trial.infeasible else objective.value(trial.last_result)
            yield Observation(trial.index, trial.point, _fate(trial), value)


def _fate(trial: TrialSummary) -> Fate:
    if trial.state is TrialState.ERROR:
        return Fate.FAILED
    return Fate.STOPPED if trial.ended_by is EndedBy.SCHEDULER else Fate.FINISHED


def _ended_runs(trials: Sequence[TrialSummary]) -> Iterator[EndedRun]:
    for trial in trials:
        if trial.state in ENDED and trial.last_result:
            iterations = trial.last_result.get("training_iteration", 0)
            yield EndedRun(iterations, trial.ended_by is EndedBy.SCHEDULER)
