"""How a sweep stands, as a value, and as the `== Status ==` block that Ray Tune printed in 2017."""

from __future__ import annotations

import socket
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from tune_tasks.model.constraints import infeasibility
from tune_tasks.model.local_time import clock
from tune_tasks.model.objective import Objective
from tune_tasks.model.text import one_line
from tune_tasks.model.trial import ENDED, TrialState, shown_name
from tune_tasks.result import metric, tracked_metrics
from tune_tasks.results.best_so_far import BestSoFar, ended_trial
from tune_tasks.results.budget_use import BudgetUse
from tune_tasks.results.ranking import objective_of, ranked
from tune_tasks.sweep.records import TrialRecord
from tune_tasks.sweep.time_left import Workload, time_left_s
from tune_tasks.tracking.info import ExperimentInfo

LISTED = 20
"""Trials of an experiment that are shown one by one."""
NAME_LENGTH = 80
"""Characters of a metric's name that are shown."""
USUAL_METRICS = {"episode_reward_mean": "rew", "mean_loss": "loss", "mean_accuracy": "acc"}
"""Metrics that are shown whenever a trial has them, each with its unit in the block."""
_ORDER = (TrialState.RUNNING, TrialState.ERROR, TrialState.PENDING, TrialState.TERMINATED)


@dataclass(frozen=True)
class StatusView:
    """The sweep as it stands.

    Attributes:
        cpu: CPUs of the cluster.
        gpu: GPUs of the cluster.
        experiments: By name.
        records: Every trial that was started, and of each experiment some that were not.
        unlisted: By experiment, how many more trials there are that were not started.
        budgets: By experiment, how far its budget is used, of those that have one.
        shown_at: In seconds since the epoch.
    """

    cpu: float
    gpu: float
    experiments: Mapping[str, ExperimentInfo]
    records: Sequence[TrialRecord]
    unlisted: Mapping[str, int] = field(default_factory=dict)
    budgets: Mapping[str, BudgetUse] = field(default_factory=dict)
    shown_at: float = field(default_factory=time.time)

    def used(self) -> tuple[float, float]:
        """CPUs and GPUs of the running trials."""
        running = [record for record in self.records if record.state is TrialState.RUNNING]
        given = [record.resources or record.trial.resources for record in running]
        return sum(r.cpu for r in given), sum(r.gpu for r in given)

    def done(self) -> int:
        """Return how many trials have ended."""
        return sum(record.state in ENDED for record in self.records)

    def total(self) -> int:
        """Return how many trials there are."""
        return len(self.records) + sum(self.unlisted.values())

    def counts(self, experiment: str) -> Counter[TrialState]:
        """Return how many trials of an experiment are in each state."""
        counts = Counter(record.state for record in self._of(experiment))
        counts[TrialState.PENDING] += self.unlisted.get(experiment, 0)
        return counts

    def time_left_s(self) -> float | None:
        """Estimate the seconds until the sweep ends; None while there is no basis for that."""
        by_trials = time_left_s(self._workload(name) for name in self.experiments)
        open_ones = [name for name in self.experiments if self._workload(name).is_open]
        by_budgets = [self._budget_left_s(name) for name in open_ones]
        if not by_budgets or None in by_budgets:
            return by_trials
        longest = max(left for left in by_budgets if left is not None)
        return longest if by_trials is None else min(by_trials, longest)

    def budget_lines(self) -> Iterator[str]:
        """Yield how far budgets are used, and when these experiments end at this pace."""
        for name, use in self.budgets.items():
            of = f" of {one_line(name)}" if len(self.experiments) > 1 else ""
            yield f"Budget{of}: {use.words}{self._end_text(name, use)}"

    def _end_text(self, name: str, use: BudgetUse) -> str:
        if use.used_up:
            return f"; {use.used_up}"
        estimates = [use.left_s, time_left_s([self._workload(name)])]
        left = min((each for each in estimates if each is not None), default=None)
        if left is None:
            return ""
        return f"; ends at about {clock(self.shown_at + left, self.shown_at)}"

    def _budget_left_s(self, name: str) -> float | None:
        return self.budgets[name].left_s if name in self.budgets else None

    def objective(self, experiment: str) -> Objective | None:
        """Return what an experiment's trials compare by so far."""
        return objective_of(self.experiments[experiment].objective, self._of(experiment))

    def best_so_far(self, experiment: str) -> str:
        """Return a line on the best trial that has ended; empty if there is none, or a front."""
        objective = self.objective(experiment)
        if objective is None or self.experiments[experiment].others:
            return ""
        trials = (
            ended_trial(r.index, r.state, r.progress.last, objective, self.infeasibility(r))
            for r in self._of(experiment)
        )
        best = BestSoFar.of((trial for trial in trials if trial), objective)
        return best.words(objective, self.counts(experiment).total())

    def best_first(self, experiment: str) -> tuple[list[TrialRecord], str]:
        """Return the trials of an experiment to show, best first, and the rest as a line of counts.

        Trials that have no value of the metric, are infeasible, or have failed come after the
        others.
        """
        records = sorted(self._of(experiment), key=_by_state)
        objective = self.objective(experiment)
        well = [record for record in records if self._may_be_best(record)]
        others = self.experiments[experiment].others
        best = ranked(well, objective, others) if objective else []
        placed = set(best)
        rest = [record for record in records if record not in placed]
        return self._folded(experiment, [*best, *rest])

    def infeasibility(self, record: TrialRecord) -> str | None:
        """Return by what a trial's latest report is not allowed, in words; None if it is."""
        if record.progress.last is None:
            return None
        return infeasibility(self.experiments[record.trial.experiment].constraints, record.metric)

    def _may_be_best(self, record: TrialRecord) -> bool:
        return record.state is not TrialState.ERROR and not self.infeasibility(record)

    def running_first(self, experiment: str) -> tuple[list[TrialRecord], str]:
        """Return the trials of an experiment to show, and the rest as a line of counts.

        Running trials come first. Of a long list the failed ones come next, because the others may
        not be shown; a short one is in the order of the trials.
        """
        records = self._of(experiment)
        if len(records) > LISTED or self.unlisted.get(experiment):
            records.sort(key=_by_state)
        else:
            records.sort(
                key=lambda record: (record.state is not TrialState.RUNNING, record.trial.index)
            )
        return self._folded(experiment, records)

    def _folded(self, experiment: str, records: list[TrialRecord]) -> tuple[list[TrialRecord], str]:
        listed = records[:LISTED]
        rest = self.counts(experiment) - Counter(record.state for record in listed)
        if not rest:
            return listed, ""
        return listed, f"… {rest.total()} more trials: {counts_text(rest)}"

    def _workload(self, experiment: str) -> Workload:
        """Return an experiment's trials by how long they took; a failed trial is no measure."""
        records = self._of(experiment)
        # Most of those that are paused stay so.
        paused = sum(record.is_paused for record in records)
        pending = self.counts(experiment)[TrialState.PENDING] - paused
        return Workload(
            ended=[_elapsed_s(r) for r in records if r.state is TrialState.TERMINATED],
            running=[_elapsed_s(r) for r in records if r.state is TrialState.RUNNING],
            pending=0 if self._is_used_up(experiment) else pending,
        )

    def _is_used_up(self, experiment: str) -> bool:
        use = self.budgets.get(experiment)
        return use is not None and use.used_up is not None

    def _of(self, experiment: str) -> list[TrialRecord]:
        return [record for record in self.records if record.trial.experiment == experiment]


def _by_state(record: TrialRecord) -> tuple[int, int]:
    return _ORDER.index(record.state), record.index


def _elapsed_s(record: TrialRecord) -> float:
    """Return the seconds that a trial had taken at its latest report."""
    return float((record.progress.last or {}).get("time_total_s", 0.0))


def counts_text(counts: Mapping[TrialState, int]) -> str:
    """Return a text such as `1 RUNNING, 3 PENDING`."""
    return ", ".join(f"{counts[state]} {state}" for state in _ORDER if counts[state])


def status_lines(view: StatusView) -> Iterator[str]:
    """Yield the lines of the `== Status ==` block."""
    cpus, gpus = view.used()
    yield "== Status =="
    yield f"Resources used: {cpus:g}/{view.cpu:g} CPUs, {gpus:g}/{view.gpu:g} GPUs"
    yield from view.budget_lines()
    for name, experiment in view.experiments.items():
        yield f"Tensorboard logdir: {experiment.folder}"
        best = view.best_so_far(name)
        if best:
            yield f"{best[0].upper()}{best[1:]}"
        listed, rest = view.running_first(name)
        named = experiment.objective.metric if experiment.objective else None
        for record in listed:
            trial = shown_name(record.trial.name, record.trial.index)
            yield f" - {trial}:\t{progress_text(record, named)}"
        if rest:
            yield f"   {rest}"
    yield ""


def progress_text(record: TrialRecord, named: str | None = None) -> str:
    """Return a text such as `RUNNING [pid=27708], 16 s, 20 ts, 0.46 acc`.

    Args:
        record: The trial.
        named: The metric that the spec names, if it does: it stands before the usual ones.
    """
    row = record.progress.last
    parts = [_state_text(record)]
    if row:
        parts += [
            f"{row['time_total_s']:.0f} s",
            f"{row['timesteps_total']} ts",
            *_metric_texts(record, row, named),
        ]
    if record.attempts > 1:
        parts.append(attempt_text(record))
    if record.outcome and record.outcome.error:
        parts.append(record.outcome.error_summary)
    return ", ".join(parts)


def attempt_text(record: TrialRecord) -> str:
    """Return a text such as `attempt 2 with 1 CPU, 0 GPUs, 4 GiB of memory`."""
    given = f" with {record.resources}" if record.resources else ""
    return f"attempt {record.attempts}{given}"


def _state_text(record: TrialRecord) -> str:
    info = record.info
    if record.is_paused and record.outcome:
        return f"{record.state}, {record.outcome.stop_reason}"
    if record.state is not TrialState.RUNNING or info is None:
        return str(record.state)
    host = f"{info.hostname} "
    if info.hostname in ("", socket.gethostname()):
        host = ""
    return f"RUNNING [{host}pid={info.pid}]"


def _metric_texts(record: TrialRecord, row: Mapping[str, Any], named: str | None) -> Iterator[str]:
    """Yield the metrics of a report, each with its unit; without a usual one, its first two."""
    shown = {name: unit for name, unit in USUAL_METRICS.items() if row.get(name) is not None}
    if named and named not in shown and metric(row, named) is not None:
        shown = {named: named, **shown}
    if not shown:
        shown = {name: name for name, _ in list(tracked_metrics(row))[:2]}
    for name, unit in shown.items():
        yield f"{metric(row, name):.3g} {one_line(unit, NAME_LENGTH)}"
    if record.progress.non_finite:
        yield f"{record.progress.non_finite} values not finite"
