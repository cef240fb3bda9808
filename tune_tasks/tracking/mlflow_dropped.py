"""Has the runs of trials that an edit of the spec has dropped stand apart in MLflow."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tune_tasks.model.trial_key import experiment_of
from tune_tasks.tracking.info import SweepInfo
from tune_tasks.tracking.mlflow_runs import MlflowRuns

if TYPE_CHECKING:
    from mlflow.entities import Run

_ROLE = "tune_tasks.role"
_DROPPED = "dropped"


def settle_dropped(runs: MlflowRuns, sweep: SweepInfo) -> None:
    """Give runs of dropped trials a role of their own, and end them if nobody has.

    No view and no question about trials shows them then. Runs that an earlier edit has dropped, and
    that the sweep has again, get their role back. Doing it twice does no harm.

    Args:
        runs: Of the sweep.
        sweep: Says which trials are dropped.
    """
    dropped = frozenset(sweep.dropped)
    of_dropped = (experiment_of(key) for key in sweep.dropped)
    for name in dict.fromkeys([*sweep.experiments, *of_dropped]):
        for run, key in runs.of_sweep(name):
            is_dropped = name not in sweep.experiments or experiment_of(key) in dropped
            _settle(runs, run, key, is_dropped=is_dropped)


def _settle(runs: MlflowRuns, run: Run, key: str, *, is_dropped: bool) -> None:
    role = run.data.tags.get(_ROLE)
    own_role = "sweep" if key.endswith("/parent") else "trial"
    if is_dropped and role == own_role:
        runs.log_tags(run.info.run_id, {_ROLE: _DROPPED})
    elif not is_dropped and role == _DROPPED:
        runs.log_tags(run.info.run_id, {_ROLE: own_role})
    if is_dropped and run.info.status == "RUNNING":
        runs.client.set_terminated(run.info.run_id, "KILLED")
