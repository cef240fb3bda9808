"""What a plan may cost, from what the trials of an earlier sweep have taken. Pure.

It is an upper bound: a trial may end before it has made all the iterations that `stop` allows. What
a scheduler ends at rungs is expected as `outlook` says.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

from tune_tasks.model.stopping import Criterion, time_limit
from tune_tasks.model.text import one_line
from tune_tasks.model.trial import count
from tune_tasks.results.attempts import AttemptSummary
from tune_tasks.results.leaderboard import duration
from tune_tasks.results.trials import TrialSummary
from tune_tasks.sweep.outlook import expected_share
from tune_tasks.sweep.past import PastSweep
from tune_tasks.sweep.plan import Plan, PlannedExperiment

_ITERATION = "training_iteration"


@dataclass(frozen=True)
class PastCost:
    """What the trials of an experiment have taken in an earlier sweep.

    Attributes:
        sweep: The sweep's id.
        seconds: Of all its trials, up to their last reports.
        iterations: How many reports these were.
        at_once: How many of its trials ran at the same time, at most.
    """

    sweep: str
    seconds: float
    iterations: int
    at_once: int


@dataclass(frozen=True)
class Cost:
    """What an experiment of a plan may cost.

    Attributes:
        trials: How many trials are to run.
        iterations: How many iterations a trial makes, at most; None if `stop` does not say.
        limit_s: After how many seconds a trial ends; None if `stop` does not say.
        past: What an iteration took; None if that is not known.
        at_once: How many trials run at the same time.
        why_unknown: Why there is no `past`.
        share: Of the iterations, what trials are expected to make if a scheduler ends some.
    """

    trials: int
    iterations: int | None
    limit_s: float | None
    past: PastCost | None
    at_once: int | None
    why_unknown: str = ""
    share: float = 1.0

    @property
    def iteration_s(self) -> float | None:
        """Seconds that an iteration takes; None if that is not known."""
        return self.past.seconds / self.past.iterations if self.past else None

    @property
    def trial_s(self) -> float | None:
        """Seconds that a trial takes, at most; None if nothing bounds them."""
        bounds = [] if self.limit_s is None else [self.limit_s]
        if self.iterations is not None and self.iteration_s is not None:
            bounds.append(self.iterations * self.iteration_s)
        return min(bounds, default=None)

    def words(self) -> str:
        """A line such as `cost: at most 5 h 24 min of trials, 1 h 21 min with 4 at once (…)`."""
        if not self.trials:
            return "cost: none: no trial is left to run"
        if self.trial_s is None:
            return f"cost: unknown: {self._why()}"
        total = self.trials * self.trial_s
        line = f"cost: at most {self._span(total)} ({self._how()})"
        if self.share == 1.0 or self.trial_s == self.limit_s:
            return line
        return f"{line}; about {self._span(self.share * total)} with what the scheduler ends"

    def _span(self, total: float) -> str:
        """So many seconds of trials in words, and how long they take side by side."""
        said = f"{duration(total)} of trials"
        if not self.at_once:
            return said
        most = max(self.trial_s or 0.0, total / self.at_once)
        return f"{said}, {duration(most)} with {self.at_once} at once"

    def _why(self) -> str:
        if self.past is None:
            return self.why_unknown
        return f"`stop` does not bound {_ITERATION}"

    def _how(self) -> str:
        trials = count(self.trials, "trial")
        if self.past is None or self.iterations is None or self.trial_s == self.limit_s:
            return f"{trials} of at most {duration(self.limit_s)}"
        each = f"{self.iteration_s:.3g} s as in {self.past.sweep}"
        return f"{trials} of {count(self.iterations, 'iteration')} of {each}"


class PastCosts:
    """What the experiments of an earlier sweep have cost.

    Args:
        past: The sweep.
    """

    def __init__(self, past: PastSweep) -> None:
        self._sweep = past.info.sweep
        self._past = past
        self._experiments = {each.name: each for each in past.summary().experiments}

    def of(self, name: str) -> tuple[PastCost | None, str]:
        """What an experiment of this name has cost, or None and the reason why that is not known.

        If the sweep has one experiment alone, its name does not count.
        """
        only = next(iter(self._experiments.values())) if len(self._experiments) == 1 else None
        experiment = self._experiments.get(name, only)
        if experiment is None:
            known = ", ".join(map(one_line, self._experiments))
            return None, f"{self._sweep} has no experiment of this name (it has {known})"
        trials = [trial for trial in experiment.listed if trial.last_result]
        iterations = sum(_iterations(trial) for trial in trials)
        if not iterations:
            return None, f"no trial of {self._sweep} has reported anything"
        seconds = sum((trial.last_result or {})["time_total_s"] for trial in trials)
        attempts = [attempt for trial in trials for attempt in self._past.attempts_of(trial)]
        return PastCost(self._sweep, seconds, iterations, _most_at_once(attempts)), ""


def cost_of(
    plan: Plan,
    experiment: PlannedExperiment,
    costs: PastCosts | None,
    again: Collection[str] = (),
) -> Cost:
    """What the trials of an experiment may cost that have not ended.

    As many are expected to run at once as the spec says, or else as in the earlier sweep.

    Args:
        plan: All that is planned.
        experiment: One of it.
        costs: Of an earlier sweep; None if no sweep has this experiment.
        again: The keys of trials that have ended, and run again.
    """
    past, why = costs.of(experiment.name) if costs else (None, "no sweep has this experiment")
    stop = experiment.criteria()
    at_once = experiment.spec.max_concurrent_trials or (past.at_once if past else None)
    trials = len(experiment.trials) - _ended(plan, experiment, again)
    share = expected_share(experiment)
    return Cost(trials, most_iterations(stop), time_limit(stop), past, at_once, why, share)


def _ended(plan: Plan, experiment: PlannedExperiment, again: Collection[str]) -> int:
    """How many of an experiment's trials need not run: they have ended under an earlier driver."""
    edit = plan.edits.get(experiment.name)
    kept = [edit.begun[index] for index in edit.kept] if edit else []
    return sum(begun.has_ended and begun.key not in again for begun in kept)


def most_iterations(stop: Iterable[Criterion]) -> int | None:
    """How many iterations a trial makes, at most; None if no criterion bounds them."""
    bounds = [
        math.floor(each.bound) + 1 if each.op == ">" else math.ceil(each.bound)
        for each in stop
        if each.metric == _ITERATION and each.op in (">=", ">", "==")
    ]
    return max(1, min(bounds)) if bounds else None


def _iterations(trial: TrialSummary) -> int:
    last: Mapping[str, int] = trial.last_result or {}
    return last["training_iteration"]


def _most_at_once(attempts: Iterable[AttemptSummary]) -> int:
    """How many of these have run at the same time, at most; at least one."""
    changes = []
    for attempt in attempts:
        if attempt.ended_at is not None:
            changes += [(attempt.started_at, 1), (attempt.ended_at, -1)]
    most = running = 0
    for _, change in sorted(changes):
        running += change
        most = max(most, running)
    return max(1, most)
