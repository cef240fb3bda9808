"""How a sweep may stand."""

from pathlib import Path
from types import SimpleNamespace

from tune_tasks.model.attempt import AttemptInfo
from tune_tasks.model.files import AttemptPaths
from tune_tasks.model.objective import Objective
from tune_tasks.model.result_file import Progress
from tune_tasks.model.trial import EndedBy, Outcome, Trial, TrialState
from tune_tasks.recording.protocol import AttemptStatus
from tune_tasks.sweep.records import Attempt, TrialRecord
from tune_tasks.sweep.status import StatusView

ENDED = Outcome(TrialState.TERMINATED, EndedBy.RETURNED, "train() returned")
FAILED = Outcome(TrialState.ERROR, EndedBy.ERROR, "error", "Traceback\nValueError: bad")


def record(index, row=None, outcome=None, running=False, non_finite=0):
    trial = Trial("exp", index, f"script_mnist_{index}", "script", {}, {}, seed=0)
    made = TrialRecord(trial, outcome=outcome)
    if row or running:
        made.attempt = Attempt(1, AttemptPaths(Path("/logs")), None, None, 0)
        progress = Progress(
            1, 10, row and {"time_total_s": 16.4, "timesteps_total": 20, **row}, non_finite
        )
        made.status = AttemptStatus(
            AttemptInfo(trial, 1, Path("/logs"), pid=27708), progress=progress
        )
    return made


def waiting(index):
    """A trial whose first attempt has failed, and that is to be tried again."""
    made = record(index, {}, FAILED, running=True)
    made.will_retry = True
    return made


def view(*records, metric=None, mode=None, constraints=(), others=(), **more):
    return StatusView(
        4,
        0,
        {
            "exp": SimpleNamespace(
                folder=Path("/tmp/ray/exp"),
                objective=Objective.of_spec(metric, mode),
                constraints=constraints,
                others=others,
            )
        },
        records,
        **more,
    )
