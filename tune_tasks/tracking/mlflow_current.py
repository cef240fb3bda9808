"""Which run of a trial is the current one in MLflow: that of its latest attempt."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from tune_tasks.model.attempt import AttemptInfo
from tune_tasks.tracking.mlflow_runs import MlflowRuns
from tune_tasks.tracking.mlflow_tags import superseded_tags


class CurrentRuns:
    """Has each trial have one current run: a later attempt's run takes the place of those before.

    Attempts may be opened in any order, and at the same time: if MLflow was away, or after a
    resume. Each is expected before its run is there, and looks for others once it is. So of any two
    one sees the other.

    Args:
        runs: The runs of the sweep.
    """

    def __init__(self, runs: MlflowRuns) -> None:
        self._runs = runs
        # By the trial's key: the latest attempt of those that were tried again.
        self._latest: dict[str, int] = {}

    def expect(self, info: AttemptInfo) -> None:
        """Know of an attempt whose run may not be there yet."""
        key = info.trial.key
        if info.attempt > self._latest.get(key, 1):
            self._latest[key] = info.attempt

    def settle(self, experiment_id: str, info: AttemptInfo) -> None:
        """Tag which one is the current run, now that an attempt's run is there."""
        latest = self._latest.get(info.trial.key, 1)
        before = self._nearest(experiment_id, info, range(info.attempt - 1, 0, -1))
        after = self._nearest(experiment_id, info, range(info.attempt + 1, latest + 1))
        own = self._runs.ids[info.key]
        if before:
            self._runs.log_tags(before, superseded_tags(own))
        if after:
            self._runs.log_tags(own, superseded_tags(after))

    def _nearest(self, experiment_id: str, info: AttemptInfo, numbers: Sequence[int]) -> str | None:
        """Return the run of the first of the trial's attempts that has one."""
        keys = (replace(info, attempt=number).key for number in numbers)
        found = (self._runs.look_up(experiment_id, key) for key in keys)
        return next(filter(None, found), None)
