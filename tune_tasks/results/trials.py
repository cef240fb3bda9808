"""One trial at its sweep's end, and the sequence of all trials of an experiment. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from operator import eq
from typing import Any, cast, overload

from tune_tasks.model.failure import Failure, FailureCause
from tune_tasks.model.files import RESULTS
from tune_tasks.model.masking import masked, masked_by_path
from tune_tasks.model.objective import finite_metric
from tune_tasks.model.trial import (
    NOT_TRIED_AGAIN,
    EndedBy,
    Resources,
    TrialState,
    last_line,
    shown_name,
)

_IN_THE_DOCUMENT = (
    "name",
    "index",
    "config",
    "state",
    "stop_reason",
    "last_result",
    "reports",
    "non_finite",
    "logdir",
    "mlflow_run_id",
    "error",
    "attempts",
    "cancelled",
    "foreign_lines",
    "missing",
    "cause",
    "resources",
    "proposed_by",
    "ended_by",
    "infeasible",
)
"""The attributes of a trial that `--json` prints, in order."""


@dataclass(frozen=True)
class TrialSummary:
    """One trial at the sweep's end.

    Attributes:
        config: What `train()` received, its secrets too. Print, store and send `shown_config`.
        searched: The searched part of it by dotted path; likewise `shown_searched`.
        state: PENDING if it never started.
        stop_reason: Why its last attempt ended; None if that has not ended.
        last_result: Its last report as it stands in `result.json`, without `config`; None without a
            report.
        reports: Number of reports of the last attempt.
        non_finite: Number of reported values that were NaN or infinite.
        logdir: Folder of the last attempt.
        error: Traceback or cause if the state is ERROR.
        attempts: Number of attempts begun.
        cancelled: Whether the sweep was interrupted before the trial ended.
        elapsed_s: Seconds of `train()` until its last report; of a running trial, until now.
        mlflow_url: Page of its MLflow run, if the tracking server has pages.
        foreign_lines: Lines of its `result.json` that are not reports; they were skipped.
        missing: Files of its last attempt that something else had removed, or truncated, by the
            sweep's end.
        failure: Why it failed, as rules take it, if the state is ERROR.
        resources: What its last attempt was given.
        point: The coordinates of its parameters, by name, as searchers have them.
        proposed_by: Who says what its domains are; see `Trial`.
        ended_by: What ended its last attempt; None if that has not ended.
        infeasible: By what its last report is not allowed, in words; None if it is, or there is no
            report. It is never the best then.
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
    failure: Failure | None = field(default=None, repr=False)
    resources: Resources = field(default_factory=Resources)
    point: Mapping[str, float | int] = field(default_factory=dict, repr=False)
    proposed_by: str = ""
    ended_by: EndedBy | None = None
    infeasible: str | None = None

    @property
    def cause(self) -> str | None:
        """What has made it fail, `exception` or `out_of_memory` for example; None if it did not."""
        if self.state is not TrialState.ERROR:
            return None
        return str(self.failure.cause if self.failure else FailureCause.EXCEPTION)

    @property
    def not_tried_again(self) -> str:
        """Why it was not tried again although a rule of `retry` says so; empty if it says not."""
        reason = self.stop_reason or ""
        return reason.partition(f"error; {NOT_TRIED_AGAIN}: ")[2]

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
        return finite_metric(self.last_result, name)

    def as_json(self) -> dict[str, Any]:
        """The trial as `--json` prints it."""
        attributes = {name: getattr(self, name) for name in _IN_THE_DOCUMENT}
        return {
            **attributes,
            "config": self.shown_config,
            "state": str(self.state),
            "resources": asdict(self.resources),
            "proposed_by": self.proposed_by or None,
            "ended_by": str(self.ended_by) if self.ended_by else None,
        }


def not_started(used_up: str | None) -> str:
    """Return why a trial was not started, for people.

    Args:
        used_up: What has ended its experiment; None if nothing has.
    """
    return f"not started: {used_up}" if used_up else "not started"


class Trials(Sequence[TrialSummary]):
    """All trials of an experiment, in order, of which many were never started.

    A trial that is not listed is made each time that somebody asks for it, because a sweep that is
    stopped may leave a million of them, and its end needs no more of them than their number.

    Args:
        listed: Some of the trials, in order, with every one that was started.
        indices: Of all trials, in order.
        make: Makes a trial that is not listed, from its place among all trials.
    """

    def __init__(
        self,
        listed: Sequence[TrialSummary],
        indices: Sequence[int],
        make: Callable[[int], TrialSummary],
    ) -> None:
        self.listed = listed
        self._by_index = {trial.index: trial for trial in listed}
        self._indices = indices
        self._make = make

    def __len__(self) -> int:
        return len(self._indices)

    @overload
    def __getitem__(self, place: int) -> TrialSummary: ...
    @overload
    def __getitem__(self, place: slice) -> list[TrialSummary]: ...
    def __getitem__(self, place: int | slice) -> TrialSummary | list[TrialSummary]:
        chosen = range(len(self))[place]
        if isinstance(chosen, range):
            return [self._trial(i) for i in chosen]
        return self._trial(chosen)

    def _trial(self, place: int) -> TrialSummary:
        return self._by_index.get(self._indices[place]) or self._make(place)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Sequence):
            return NotImplemented
        return len(self) == len(other) and all(map(eq, self, other))

    __hash__ = None  # type: ignore[assignment] # as of a list

    def __repr__(self) -> str:
        return f"<{len(self)} trials>"

    def __reduce__(self) -> tuple[type[list[TrialSummary]], tuple[list[TrialSummary]]]:
        """Travel as a list of all trials: the plan, which makes them, stays in this process."""
        return list, (list(self),)
