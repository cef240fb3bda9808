"""What a sweep came to.

Every trial's end, the best of each experiment, and the texts that say so.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, TypeVar, cast

from tune_tasks.model.code_version import CodeVersion
from tune_tasks.model.files import RESULTS
from tune_tasks.model.masking import masked, masked_by_path
from tune_tasks.model.objective import DEFAULT_OBJECTIVES, Mode, Objective, choose_objective
from tune_tasks.model.text import one_line
from tune_tasks.model.trial import TrialState, last_line, shown_name
from tune_tasks.result import metric as metric_of

if TYPE_CHECKING:
    import pandas as pd

_LISTED = 20
_CONFIG_LENGTH = 1_000
_LAST = (TrialState.RUNNING, TrialState.PENDING, TrialState.TERMINATED, TrialState.ERROR)


@dataclass(frozen=True)
class TrialSummary:
    """One trial at the sweep's end.

    Attributes:
        config: What `train()` received, its secrets too; `shown_config` is for all that is printed,
            stored or sent.
        searched: The searched part of it by dotted path; likewise `shown_searched`.
        state: PENDING where it never started.
        stop_reason: Why its last attempt ended; None while it has not.
        last_result: Its last report as it stands in `result.json`, without `config`; None without a
            report.
        reports: Number of reports of the last attempt.
        non_finite: Number of reported values that were NaN or infinite.
        logdir: Folder of the last attempt.
        error: Traceback or cause where the state is ERROR.
        attempts: Number of attempts begun.
        cancelled: Whether the sweep was interrupted before the trial ended.
        elapsed_s: Seconds of `train()`, until its last report or, where it runs, until now.
        mlflow_url: Page of its MLflow run, where the tracking server has one.
        foreign_lines: Lines of its `result.json` that are no reports; they were skipped.
        missing: Files of its last attempt that something else had removed, or truncated, by the
            sweep's end.
    """

    experiment: str
    name: str
    index: int
    config: Mapping[str, Any] = field(repr=False)
    searched: Mapping[str, Any] = field(repr=False)
    state: TrialState
    stop_reason: str | None = None
    last_result: Mapping[str, Any] | None = None
    reports: int = 0
    non_finite: int = 0
    logdir: str | None = None
    mlflow_run_id: str | None = None
    error: str | None = None
    attempts: int = 0
    cancelled: bool = False
    elapsed_s: float | None = None
    mlflow_url: str | None = None
    foreign_lines: int = 0
    missing: tuple[str, ...] = ()

    @property
    def lost(self) -> bool:
        """Whether its reports are no longer on the disk, though it ended well."""
        return self.state is not TrialState.ERROR and RESULTS in self.missing

    @property
    def error_summary(self) -> str:
        """The cause in one line: the last of the traceback."""
        return last_line(self.error or "")

    @property
    def shown_name(self) -> str:
        """The name as it is shown, which is cut if it is very long."""
        return shown_name(self.name, self.index)

    @property
    def shown_config(self) -> dict[str, Any]:
        """The config with its secrets masked."""
        return cast("dict[str, Any]", masked(self.config))

    @property
    def shown_searched(self) -> dict[str, Any]:
        """What was searched, with its secrets masked."""
        return masked_by_path(self.searched)

    def metric(self, name: str) -> float | None:
        """The last finite value of a metric, or None."""
        value = metric_of(self.last_result or {}, name)
        return value if value is not None and math.isfinite(value) else None

    def as_json(self) -> dict[str, Any]:
        """The trial as `--json` prints it."""
        keys = [
            *(
                "name",
                "index",
                "config",
                "state",
                "stop_reason",
                "last_result",
                "reports",
                "non_finite",
            ),
            *(
                "logdir",
                "mlflow_run_id",
                "error",
                "attempts",
                "cancelled",
                "foreign_lines",
                "missing",
            ),
        ]
        return {key: getattr(self, key) for key in keys} | {
            "config": self.shown_config,
            "state": str(self.state),
        }


@dataclass(frozen=True)
class ExperimentSummary:
    """One experiment at the sweep's end.

    Attributes:
        objective: What 'best' goes by; None if no trial reported a metric to go by.
        unmet: Criteria's metrics that no trial ever reported.
        mlflow_run_id: The sweep's parent run.
        experiment_url: MLflow's page of the experiment; None where the tracking URI is no web
            address.
        code: Which version of the code ran, where it was in files.
        view_url: The page that compares the sweep's trials, ready made; None where no metric was
            reported, too.
        unlisted: Trials that were not started and are not among `trials`; 0 at the sweep's end.
    """

    name: str
    trials: list[TrialSummary]
    logdir: Path
    objective: Objective | None = None
    unmet: list[str] = field(default_factory=list)
    mlflow_run_id: str | None = None
    experiment_url: str | None = None
    view_url: str | None = None
    code: CodeVersion | None = None
    unlisted: int = 0

    @property
    def size(self) -> int:
        """How many trials the experiment has."""
        return len(self.trials) + self.unlisted

    @property
    def metric(self) -> str | None:
        """The metric that 'best' goes by; None if no trial reported one to go by."""
        return self.objective.metric if self.objective else None

    @property
    def mode(self) -> Mode:
        """`max` or `min`: which value of the metric is the best."""
        return self.objective.mode if self.objective else "max"

    @property
    def page(self) -> str | None:
        """The MLflow page to look at first, where there is one."""
        return self.view_url or self.experiment_url

    @property
    def failed(self) -> list[TrialSummary]:
        """The trials that ended in ERROR."""
        return [trial for trial in self.trials if trial.state is TrialState.ERROR]

    @property
    def lost(self) -> list[TrialSummary]:
        """The trials that ended well and whose reports are no longer on the disk."""
        return [trial for trial in self.trials if trial.lost]

    @property
    def done(self) -> int:
        """How many trials have ended."""
        return sum(
            trial.state in (TrialState.TERMINATED, TrialState.ERROR) for trial in self.trials
        )

    def best(self) -> TrialSummary | None:
        """The trial whose last report has the best value of the metric; None where none has one."""
        return next(iter(self.scored()), None)

    def best_value(self) -> float | None:
        """The best trial's value of the metric; None if there is no best trial."""
        best = self.best()
        if best is None or self.objective is None:
            return None
        return best.metric(self.objective.metric)

    def scored(self) -> list[TrialSummary]:
        """The trials that have a value of the metric and did not fail, best first."""
        if self.objective is None:
            return []
        alive = [trial for trial in self.trials if trial.state is not TrialState.ERROR]
        return ranked(alive, self.objective)

    def ranking(self) -> list[TrialSummary]:
        """Every trial.

        Those with a value, best first, then those that run, wait, have ended without one, failed.
        """
        scored = self.scored()
        indices = {trial.index for trial in scored}
        others = [trial for trial in self.trials if trial.index not in indices]
        return scored + sorted(others, key=lambda t: (_LAST.index(t.state), t.index))

    def dataframe(self) -> pd.DataFrame:
        """One row a trial; see `Summary.dataframe`."""
        return _dataframe(self.trials)


@dataclass(frozen=True)
class Summary:
    """A sweep at its end. Also what `run_experiments` returns.

    Attributes:
        sweep: The sweep's id.
        experiments: In the spec's order.
        interrupted: Whether it was cancelled before all trials had ended.
        ended_early: Why trials were left that never began, though nobody cancelled it; None if none
            were.
        prefect_url: Page of the flow run.
        tracking_uri: MLflow's.
    """

    sweep: str
    experiments: list[ExperimentSummary]
    interrupted: bool = False
    prefect_url: str = ""
    tracking_uri: str = ""
    ended_early: str | None = None

    @property
    def trials(self) -> list[TrialSummary]:
        """Every trial of every experiment."""
        return [trial for experiment in self.experiments for trial in experiment.trials]

    @property
    def failed(self) -> list[TrialSummary]:
        """The trials that ended in ERROR."""
        return [trial for experiment in self.experiments for trial in experiment.failed]

    @property
    def ended_well(self) -> bool:
        """Whether no trial failed, none was left out, and the reports of all are on the disk."""
        return not (
            self.ended_early
            or any(experiment.failed or experiment.lost for experiment in self.experiments)
        )

    def best(self, experiment: str | None = None) -> TrialSummary | None:
        """The best trial of an experiment; of the only one, or the first, where none is named."""
        chosen = [e for e in self.experiments if experiment in (None, e.name)]
        return chosen[0].best() if chosen else None

    def dataframe(self) -> pd.DataFrame:
        """One row a trial.

        What was searched as `config/<path>`, the numbers of the last report, state and reason.
        """
        return _dataframe(self.trials)

    def as_json(self) -> dict[str, Any]:
        """The document that `--json` prints."""
        return {
            "sweep": self.sweep,
            "interrupted": self.interrupted,
            "ended_early": self.ended_early,
            "prefect_url": self.prefect_url,
            "mlflow_tracking_uri": self.tracking_uri,
            "experiments": {e.name: _experiment_json(e) for e in self.experiments},
        }

    def one_line(self) -> str:
        """`10 trials: 9 TERMINATED, 1 ERROR`, and which failed."""
        counts = {state: sum(t.state is state for t in self.trials) for state in TrialState}
        parts = ", ".join(f"{count} {state}" for state, count in counts.items() if count)
        names = ", ".join(trial.shown_name for trial in self.failed[:5]) + (
            ", …" if len(self.failed) > 5 else ""
        )
        failed = f"; failed: {names}" if self.failed else ""
        early = f"; ended early: {self.ended_early}" if self.ended_early else ""
        lost = [trial.shown_name for experiment in self.experiments for trial in experiment.lost]
        gone = (
            f"; without their reports: {', '.join(lost[:5])}{', …' if len(lost) > 5 else ''}"
            if lost
            else ""
        )
        return f"{len(self.trials)} trials: {parts}{failed}{gone}{early}"


def _experiment_json(experiment: ExperimentSummary) -> dict[str, Any]:
    best = experiment.best()
    return {
        "metric": experiment.metric,
        "mode": experiment.mode,
        "logdir": str(experiment.logdir),
        "mlflow_run_id": experiment.mlflow_run_id,
        "mlflow_url": experiment.page,
        "code": asdict(experiment.code) if experiment.code else None,
        "trials": [trial.as_json() for trial in experiment.trials],
        "best": best.as_json() if best else None,
    }


def _dataframe(trials: Iterable[TrialSummary]) -> pd.DataFrame:
    import pandas as pd

    return pd.DataFrame([_table_row(trial) for trial in trials])


def _table_row(trial: TrialSummary) -> dict[str, Any]:
    searched = {f"config/{path}": value for path, value in trial.shown_searched.items()}
    numbers = {
        k: v
        for k, v in (trial.last_result or {}).items()
        if isinstance(v, (int, float)) and k != "pid"
    }
    info = {
        k: v
        for k, v in ((trial.last_result or {}).get("info") or {}).items()
        if isinstance(v, (int, float))
    }
    first = {
        "experiment": trial.experiment,
        "index": trial.index,
        "name": trial.name,
        "state": str(trial.state),
    }
    # `first` comes first, and wins over an entry of `info` that has one of its names.
    return {
        **first,
        **searched,
        **info,
        **numbers,
        **first,
        "stop_reason": trial.stop_reason,
        "logdir": trial.logdir,
    }


def objective_of(wanted: Objective | None, trials: Sequence[TrialSummary]) -> Objective | None:
    """Return what 'best' goes by: the spec's objective, or the first default that was reported.

    Args:
        wanted: The objective that the spec names, if it names one.
        trials: The experiment's trials.
    """

    def is_reported(default: Objective) -> bool:
        return any(trial.metric(default.metric) is not None for trial in trials)

    return choose_objective(wanted, is_reported)


class Scored(Protocol):
    """A trial with values of metrics."""

    @property
    def index(self) -> int:
        """Its number; of equal trials the first is the best."""

    def metric(self, name: str) -> float | None:
        """The finite value of a metric, or None."""


_Scored = TypeVar("_Scored", bound=Scored)


def ranked(trials: Iterable[_Scored], objective: Objective) -> list[_Scored]:
    """Return the trials that have a value of the metric, best first."""
    scored: list[tuple[float, int, _Scored]] = []
    for trial in trials:
        value = trial.metric(objective.metric)
        if value is not None:
            scored.append((objective.sort_key(value), trial.index, trial))
    scored.sort(key=lambda entry: entry[:2])
    return [trial for _, _, trial in scored]


def best_of(trials: Iterable[_Scored], objective: Objective) -> _Scored | None:
    """Return the trial with the best value of the metric; None if no trial has a value."""
    return next(iter(ranked(trials, objective)), None)


def report_lines(summary: Summary) -> Iterator[str]:
    """The end of a sweep for people.

    Per experiment the best trial with its config, why the trials stopped, what failed.
    """
    for experiment in summary.experiments:
        yield f"== {one_line(experiment.name)} =="
        yield from _best_lines(experiment)
        yield from _stopped_lines(experiment)
        yield from _failed_lines(experiment)
        yield from _file_lines(experiment)
        for name in experiment.unmet:
            yield (
                f"Warning: stop.{one_line(name)} never triggered: no trial reported"
                f" {one_line(name)!r}"
            )


def _best_lines(experiment: ExperimentSummary) -> Iterator[str]:
    best = experiment.best()
    value = experiment.best_value()
    if best is None or experiment.objective is None or value is None:
        yield f"No best trial: {why_no_best(experiment)}"
        return
    yield f"Best trial: {best.shown_name} with {experiment.objective.words(value)}"
    yield f"  config: {one_line(str(best.shown_searched or best.shown_config), _CONFIG_LENGTH)}"


def why_no_best(experiment: ExperimentSummary) -> str:
    """Why no trial of an experiment is the best, for people."""
    reported = [trial.last_result for trial in experiment.trials if trial.last_result]
    if reported and all(row.get("episodes_total") == 0 for row in reported):
        return (
            "no episode has ended: let the trials go on for longer, or bound their episodes"
            " (`horizon` in `config`)"
        )
    possible = [experiment.objective] if experiment.objective else DEFAULT_OBJECTIVES
    for objective in possible:
        reason = _why_none_is_best_by(objective.metric, experiment.trials)
        if reason:
            return reason
    if experiment.metric:
        return f"no trial reported a number as {experiment.metric!r}"
    return "no trial reported a metric to go by (set `metric` and `mode` in the spec)"


def _why_none_is_best_by(name: str, trials: Iterable[TrialSummary]) -> str | None:
    """Say why no trial is the best by a metric, if a trial reported the metric at all."""
    reporting = [t for t in trials if metric_of(t.last_result or {}, name) is not None]
    if not reporting:
        return None
    if all(trial.metric(name) is None for trial in reporting):
        if all(trial.non_finite >= trial.reports for trial in reporting):
            return f"{one_line(name)} was never finite"
        return f"{one_line(name)} was not finite in the last report of any trial"
    if all(trial.state is TrialState.ERROR for trial in reporting):
        return f"every trial that reported {one_line(name)} failed"
    return None


def _stopped_lines(experiment: ExperimentSummary) -> Iterator[str]:
    for trial in experiment.trials[:_LISTED]:
        if trial.state is TrialState.ERROR:
            continue
        nan = f" ({trial.non_finite} values not finite)" if trial.non_finite else ""
        yield f" - {trial.shown_name}:\t{trial.state}, {trial.stop_reason or 'not started'}{nan}"
    if len(experiment.trials) > _LISTED:
        yield f"   … {len(experiment.trials) - _LISTED} more"


def _failed_lines(experiment: ExperimentSummary) -> Iterator[str]:
    failed = experiment.failed
    for trial in failed[:_LISTED]:
        yield f" - {trial.shown_name}:\tERROR, {trial.error_summary}"
        yield f"     traceback: {trial.logdir}/error.txt"
    if len(failed) > _LISTED:
        yield f"   … {len(failed) - _LISTED} more failed"


def _file_lines(experiment: ExperimentSummary) -> Iterator[str]:
    """What something else has done to the trials' files.

    Where that is not the very error of the trial.
    """
    trials = [trial for trial in experiment.trials if RESULTS not in trial.error_summary]
    lacking = [trial for trial in trials if trial.missing]
    for trial in lacking[:_LISTED]:
        files = f"{', '.join(trial.missing)} in {trial.logdir}"
        yield f"Warning: {trial.shown_name}: something else has removed or truncated {files}"
    if len(lacking) > _LISTED:
        yield f"   … {len(lacking) - _LISTED} more lack files"
    written_into = [trial for trial in trials if trial.foreign_lines]
    for trial in written_into[:_LISTED]:
        lines = "1 line" if trial.foreign_lines == 1 else f"{trial.foreign_lines} lines"
        yield (
            f"Warning: {trial.shown_name}: something else writes into its {RESULTS}; skipped"
            f" {lines} that are no reports"
        )
    if len(written_into) > _LISTED:
        yield f"   … {len(written_into) - _LISTED} more with such lines"


def where_to_look(summary: Summary) -> Iterator[str]:
    """The addresses of a sweep's three views."""
    if summary.prefect_url:
        yield f"Prefect flow run:   {summary.prefect_url}"
    yield (
        f"MLflow experiments: {', '.join(one_line(e.name) for e in summary.experiments)} in"
        f" {summary.tracking_uri}"
    )
    for experiment in summary.experiments:
        if experiment.page:
            yield f"MLflow, compared:   {experiment.page}"
    for experiment in summary.experiments:
        yield f"TensorBoard:        tensorboard --logdir {experiment.logdir}"
    yield (
        "`tune-tasks ui` shows Prefect's and MLflow's pages again: a server that the sweep started"
        " has ended with it."
    )
