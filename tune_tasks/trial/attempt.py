"""Runs one attempt of a trial: loads the user's function, calls it, and says how it ended.

User code has the main thread, because signals, CUDA and Ray expect that.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib
import inspect
import os
import random
import sys
import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from types import FrameType

from tune_tasks.errors import TrainableError, TrialStopped, TuneError
from tune_tasks.model.checkpoint import CheckpointRef
from tune_tasks.model.failure import Failure, FailureCause
from tune_tasks.model.milestones import Milestones
from tune_tasks.model.trial import EndedBy, Outcome, Stop, Trial, TrialState
from tune_tasks.trial.forking import children_as_outside, children_end_here
from tune_tasks.trial.interrupter import Interrupter
from tune_tasks.trial.process_state import alarms_ended, put_back
from tune_tasks.trial.reporter import StatusReporter
from tune_tasks.trial.reports import TrialReports
from tune_tasks.trial.script_end import garbage_collected
from tune_tasks.trial.trainable import Trainable
from tune_tasks.trial.user_mlflow import trial_run_active

_NO_REPORT = (
    "train() returned without a report; call"
    " status_reporter.report(TrainingResult(timesteps_total=…, …)) in it"
)
_TOLD_TO_END = "ray_terminate_msg"
"""What the SystemExit that Ray's handler of SIGTERM raises has, and no other."""
_OWN_FILES = (
    str(Path(__file__).parents[1]) + os.sep,
    contextlib.__file__,
    importlib.__file__,
    "<frozen ",
)


@dataclass(frozen=True)
class Assignment:
    """What a worker needs to run one attempt.

    Attributes:
        trial: The trial.
        attempt: Counts the trial's attempts from 1.
        trainable: Gives the function to call.
        folder: The attempt's folder.
        cwd: The driver's working directory; user code runs there if this machine has it.
        checkpoint: The latest checkpoint of the trial, to go on from; None if it has none.
        storage: The address that stands for the trial's folder in the sweep's storage; None if the
            sweep has no storage.
        milestones: When each of the trial's judges judges it, in their order.
    """

    trial: Trial
    attempt: int
    trainable: Trainable
    folder: Path
    cwd: Path
    checkpoint: CheckpointRef | None = None
    storage: str | None = field(default=None, repr=False)
    milestones: tuple[Milestones, ...] = ()


@dataclass(frozen=True)
class _End:
    """How user code has ended.

    Attributes:
        error: The traceback or the reason, if it has failed.
        raised: The class of the exception that it raised; empty if it has exited.
        failure: The same as `error`, as rules take it.
    """

    error: str | None = None
    raised: str = ""
    failure: Failure | None = None


def run_train(
    assignment: Assignment,
    reports: TrialReports,
    interrupter: Interrupter,
    environment: Mapping[str, str],
) -> Outcome:
    """Call the user's function and say how it ended. Runs in the process's main thread.

    What `train()` sets for the whole process is as before afterwards (see `process_state`), and the
    modules of the script's folder are forgotten.

    Args:
        assignment: What to run.
        reports: Takes the trial's reports.
        interrupter: Ends user code when the monitor says so.
        environment: Variables to be set for user code.

    Raises:
        SystemExit: If the process was told to end (SIGTERM). The trial has not failed then, so
            nobody is told that it has: Ray does that if the sweep's driver has died.
    """
    end = _run_user_code(assignment, reports, interrupter, environment)
    # Read before the reports are closed, because closing them sets a reason to stop.
    stop = reports.stop
    count = reports.progress.reports
    lost = reports.close()
    if lost:
        return _failed(end.failure, _with_what_was_lost(end.error, lost), count)
    if stop:
        return _stopped(stop, end, count)
    if end.error:
        return _failed(end.failure, end.error, count)
    if count == 0:
        return _failed(None, _NO_REPORT, count)
    return Outcome(TrialState.TERMINATED, EndedBy.RETURNED, "train() returned", reports=count)


def _run_user_code(
    assignment: Assignment,
    reports: TrialReports,
    interrupter: Interrupter,
    environment: Mapping[str, str],
) -> _End:
    user_traceback = partial(_user_traceback, shown=assignment.trainable.shown_package())
    try:
        reports.raise_if_stopped()
        with (
            put_back(assignment.cwd, environment),
            trial_run_active(environment),
            children_as_outside(),
            garbage_collected(),
        ):
            _load_and_call(assignment, reports, interrupter, user_traceback)
    except TrialStopped:
        return _End()
    except SystemExit as exc:
        if hasattr(exc, _TOLD_TO_END):
            raise
        if exc.code in (None, 0):
            return _End()
        error = user_traceback(exc) + _argparse_message(exc)
        return _End(error, failure=Failure.of(exc))
    except BaseException as exc:  # noqa: BLE001 - whatever user code raises is the trial's error
        # Ray's native code makes a plain KeyboardInterrupt of the interrupter's exception.
        if interrupter.has_raised and isinstance(exc, KeyboardInterrupt):
            return _End()
        return _End(user_traceback(exc), type(exc).__name__, Failure.of(exc))
    return _End()


def _failed(failure: Failure | None, error: str, count: int) -> Outcome:
    if failure is None:
        failure = Failure(FailureCause.EXCEPTION, error)
    return Outcome.failed(failure, error, count)


def _stopped(stop: Stop, end: _End, count: int) -> Outcome:
    """The outcome of a trial that was to end: it ended well, even if its clean-up has failed."""
    reason = stop.reason
    if end.error:
        sys.stderr.write(end.error)
    if end.raised:
        reason += f"; train() then raised {end.raised}"
    return Outcome(TrialState.TERMINATED, stop.ended_by, reason, reports=count)


def _with_what_was_lost(error: str | None, lost: str) -> str:
    """The error with what has become of the reports, if `report()` has not said so already."""
    if error is None:
        return lost
    if lost in error:
        return error
    return f"{lost}\n\n{error}"


def _load_and_call(
    assignment: Assignment,
    reports: TrialReports,
    interrupter: Interrupter,
    user_traceback: Callable[[BaseException], str],
) -> None:
    trial = assignment.trial
    seed_everything(trial.seed)
    # Children are caught twice. Loading executes user code, which may fork. And a child of train()
    # must not leave `loaded()`, which would remove the folder that its parent still runs in.
    with alarms_ended(), children_end_here(user_traceback), assignment.trainable.loaded() as train:
        # Again, because the script's top has drawn numbers: train() begins with the trial's seed.
        seed_everything(trial.seed)
        reports.begin()
        with interrupter.armed(reports.decision.interruption), children_end_here(user_traceback):
            if reports.stop is None:
                _check_result(train(trial.config, StatusReporter(reports)))


def _check_result(result: object) -> None:
    is_lazy = inspect.iscoroutine(result) or inspect.isgenerator(result)
    if not is_lazy and not inspect.isasyncgen(result):
        return
    # Python would warn of a coroutine that nobody has awaited. Asynchronous generators cannot be
    # closed here.
    with contextlib.suppress(AttributeError):
        result.close()  # type: ignore[attr-defined]
    raise TrainableError(
        "train() is a generator or async function and was not executed; expected a plain function"
    )


def _user_traceback(exc: BaseException, shown: str = "") -> str:
    """The traceback from user code on, or the message alone if all frames are ours.

    Args:
        exc: The error.
        shown: The trainable's `shown_package()`: its frames are shown, except for errors that are
            written for users.
    """
    if isinstance(exc, TuneError):
        shown = ""
    frames = exc.__traceback__
    while frames and _is_hidden(frames.tb_frame, shown):
        frames = frames.tb_next
    return "".join(traceback.format_exception(type(exc), exc, frames))


def _is_hidden(frame: FrameType, shown: str) -> bool:
    module = frame.f_globals.get("__name__", "")
    if shown and module.startswith(f"{shown}."):
        return False
    return frame.f_code.co_filename.startswith(_OWN_FILES)


def _argparse_message(exc: SystemExit) -> str:
    """The message of argparse, if the script parses a command line. A trial has none.

    Argparse prints the message, and exits with a 2 that says nothing.
    """
    for frame, _ in traceback.walk_tb(exc.__traceback__):
        if frame.f_code is argparse.ArgumentParser.error.__code__:
            message = frame.f_locals["message"]
            return (
                f"argparse: {message} (a trial has no command line; its values are in `config`)\n"
            )
    return ""


def seed_everything(seed: int) -> None:
    """Seed the global generators of `random`, of NumPy, and of torch if it is loaded.

    Args:
        seed: In [0, 2**32), which is what NumPy takes.
    """
    import numpy as np

    random.seed(seed)
    np.random.seed(seed)
    if "torch" in sys.modules:
        sys.modules["torch"].manual_seed(seed)
