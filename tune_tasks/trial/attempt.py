"""One attempt of a trial in its own process.

Load the user's function, run it in the main thread, say how it ended.
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
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import FrameType

from tune_tasks.errors import TrainableError, TrialStopped, TuneError
from tune_tasks.model.trial import EndedBy, Outcome, Trial, TrialState
from tune_tasks.trial.forking import children_as_outside, children_end_here
from tune_tasks.trial.interrupter import Interrupter
from tune_tasks.trial.process_state import alarms_ended, put_back
from tune_tasks.trial.reporter import StatusReporter
from tune_tasks.trial.reports import TrialReports
from tune_tasks.trial.script_end import garbage_collected
from tune_tasks.trial.trainable import Trainable
from tune_tasks.trial.user_mlflow import trial_run_active

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
        folder: The attempt's folder.
        cwd: The driver's working directory; taken where it exists.
    """

    trial: Trial
    attempt: int
    trainable: Trainable
    folder: Path
    cwd: Path


def run_train(
    assignment: Assignment,
    reports: TrialReports,
    interrupter: Interrupter,
    environment: Mapping[str, str],
) -> Outcome:
    """Call the user's function and say how it ended. Runs in the process's main thread.

    Raises nothing.

    What `train()` sets for the whole process is as before afterwards (see `process_state`), the
    folder's modules are forgotten.
    """
    error, ended_in_time = None, ""
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
        pass
    except SystemExit as exc:
        error = user_traceback(exc) + _argparse_message(exc) if exc.code not in (None, 0) else None
    except BaseException as exc:  # noqa: BLE001 - whatever user code raises is the trial's error, never ours
        if not (interrupter.has_raised and isinstance(exc, KeyboardInterrupt)):
            error = user_traceback(exc)
            ended_in_time = f"; train() then raised {type(exc).__name__}"
    count, stop = reports.progress.reports, reports.stop
    if lost := reports.close():
        error = f"{lost}\n\n{error}" if error and lost not in error else error or lost
        return Outcome(TrialState.ERROR, EndedBy.ERROR, "error", error, count)
    if stop:
        if error:
            sys.stderr.write(error)
        return Outcome(
            TrialState.TERMINATED,
            stop.ended_by,
            stop.reason + (ended_in_time if error else ""),
            reports=count,
        )
    if error is None and count == 0:
        error = (
            "train() returned without a report; call"
            " status_reporter.report(TrainingResult(timesteps_total=…, …)) in it"
        )
    if error:
        return Outcome(TrialState.ERROR, EndedBy.ERROR, "error", error, count)
    return Outcome(TrialState.TERMINATED, EndedBy.RETURNED, "train() returned", reports=count)


def _load_and_call(
    assignment: Assignment,
    reports: TrialReports,
    interrupter: Interrupter,
    user_traceback: Callable[[BaseException], str],
) -> None:
    trial = assignment.trial
    seed_everything(trial.seed)
    # Loading executes user code, too; within `loaded()` a child of train() would end by removing
    # what was unpacked.
    with alarms_ended(), children_end_here(user_traceback), assignment.trainable.loaded() as train:
        seed_everything(trial.seed)
        reports.begin()
        with interrupter.armed(reports.interruption), children_end_here(user_traceback):
            if reports.stop is None:
                _check_result(train(trial.config, StatusReporter(reports)))


def _check_result(result: object) -> None:
    if inspect.iscoroutine(result) or inspect.isgenerator(result) or inspect.isasyncgen(result):
        with contextlib.suppress(AttributeError):
            result.close()  # type: ignore[union-attr]
        raise TrainableError(
            "train() is a generator or async function and was not executed; expected a plain"
            " function"
        )


def _user_traceback(exc: BaseException, shown: str = "") -> str:
    """The traceback from user code on; the message alone if all frames are ours.

    Args:
        exc: The error.
        shown: A package of ours that stands in the place of user code (see `Trainable`). Its frames
            are hidden, too, if the error is written for users.
    """
    if isinstance(exc, TuneError):
        shown = ""
    frames = exc.__traceback__
    while frames and _is_hidden(frames.tb_frame, shown):
        frames = frames.tb_next
    return "".join(traceback.format_exception(type(exc), exc, frames))


def _is_hidden(frame: FrameType, shown: str) -> bool:
    if shown and frame.f_globals.get("__name__", "").startswith(f"{shown}."):
        return False
    return frame.f_code.co_filename.startswith(_OWN_FILES)


def _argparse_message(exc: SystemExit) -> str:
    """What argparse had to say of a script's command line.

    It prints that, and exits with a 2 that says nothing.
    """
    for frame, _ in traceback.walk_tb(exc.__traceback__):
        if frame.f_code is argparse.ArgumentParser.error.__code__:
            return (
                f"argparse: {frame.f_locals['message']} (a trial has no command line; its values"
                " are in `config`)\n"
            )
    return ""


def seed_everything(seed: int) -> None:
    """Seed `random`, NumPy and, where it is loaded, torch, with a seed in [0, 2**32)."""
    import numpy as np

    random.seed(seed)
    np.random.seed(seed)  # user code draws from the global generator
    if "torch" in sys.modules:
        sys.modules["torch"].manual_seed(seed)
