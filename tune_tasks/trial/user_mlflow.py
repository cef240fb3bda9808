"""MLflow in the user's script: the trial's run is the active one, and no later trial finds it.

A trial's process does not import MLflow unless the script does, because that costs seconds and 200
MB. So all of this happens when the script's own import of MLflow has ended, or at the trial's start
if an earlier trial in the process has imported it.

What the script calls keeps MLflow's own meaning, except for calls that would lead away from the
trial's run (`mlflow_wrappers`):

- In each thread and forked child the trial's run is the active one to begin with. `start_run()`
  without `nested` gives the trial's run, as often as it is called; with `nested` it makes a child
  of it. `end_run()` takes the run from MLflow's stack of active runs, but the run stays RUNNING:
  the recorder ends it, once it has sent what was reported.
- `set_experiment` and `set_tracking_uri` change nothing, because a run cannot be moved. A note in
  the trial's log says so.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping

from tune_tasks.trial.import_hook import after_import
from tune_tasks.trial.mlflow_run import ThisProcess, TrialRun
from tune_tasks.trial.mlflow_state import MlflowState, activate, complain
from tune_tasks.trial.mlflow_wrappers import wrap_functions


@contextlib.contextmanager
def trial_run_active(environment: Mapping[str, str]) -> Iterator[None]:
    """Have user code log to the trial's run. Afterwards MLflow is as before.

    Args:
        environment: MLflow's variables, which name the run. Without them the script's calls go
            to the same place as outside of a sweep, and are forgotten afterwards, too.
    """
    ThisProcess.trial = TrialRun.named_in(environment)
    leave: list[Callable[[str], None]] = []
    status = "FINISHED"

    def enter() -> None:
        leave.append(_enter(ThisProcess.trial))

    try:
        with after_import("mlflow", enter):
            yield
    except Exception:
        status = "FAILED"
        raise
    finally:
        for step in leave:
            step(status)
        ThisProcess.trial = None


def _enter(run: TrialRun | None) -> Callable[[str], None]:
    """Make the run MLflow's active one.

    Returns:
        A function that undoes this, and all that the script did to MLflow. It takes the status for
        the runs that the script has left open.
    """
    try:
        wrap_functions()
        before = MlflowState.now()
        if run:
            activate(run)
    # Another version of MLflow may lack what we change.
    except Exception as exc:  # noqa: BLE001 - a tracker never fails a trial
        complain("MLflow's active run could not be set", exc)
        return lambda _: None
    return before.restore
