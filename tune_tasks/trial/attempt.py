"""One attempt of a trial in its own process.

Load the user's function, run it in the main thread, say how it ended.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib
import inspect
import logging
import os
import random
import signal
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Any

from tune_tasks.errors import TrainableError, TrialStopped, TuneError
from tune_tasks.model.text import showable
from tune_tasks.model.trial import EndedBy, Outcome, Trial, TrialState
from tune_tasks.trial.forking import children_as_outside, children_end_here
from tune_tasks.trial.process_state import alarms_ended, put_back
from tune_tasks.trial.reporter import StatusReporter
from tune_tasks.trial.script_end import garbage_collected
from tune_tasks.trial.trainable import Trainable
from tune_tasks.trial.user_mlflow import trial_run_active

_INTERRUPT = signal.SIGUSR1
_RESEND_AFTER_S = (0.001, 0.01, 0.05, 0.1)
_LOG_LINES_PER_CALL = 500
_OWN_FILES = (
    str(Path(__file__).parents[1]) + os.sep,
    contextlib.__file__,
    importlib.__file__,
    "<frozen ",
)
_RLLIB_FILES = (str(Path(__file__).parents[1] / "rllib") + os.sep,)


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
    reporter: StatusReporter,
    interrupter: Interrupter,
    environment: Mapping[str, str],
) -> Outcome:
    """Call the user's function and say how it ended. Runs in the process's main thread.

    Raises nothing.

    What `train()` sets for the whole process is as before afterwards (see `process_state`), the
    folder's modules are forgotten.
    """
    error, ended_in_time = None, ""
    try:
        reporter.raise_if_stopped()
        with (
            put_back(assignment.cwd, environment),
            trial_run_active(environment),
            children_as_outside(),
            garbage_collected(),
        ):
            _load_and_call(assignment, reporter, interrupter)
    except TrialStopped:
        pass
    except SystemExit as exc:
        error = _user_traceback(exc) + _argparse_message(exc) if exc.code not in (None, 0) else None
    except BaseException as exc:  # noqa: BLE001 - whatever user code raises is the trial's error, never ours
        if not (interrupter.has_raised and isinstance(exc, KeyboardInterrupt)):
            error = _user_traceback(exc)
            ended_in_time = f"; train() then raised {type(exc).__name__}"
    reports, stop = reporter.progress.reports, reporter.stop
    if lost := reporter.close():
        error = f"{lost}\n\n{error}" if error and lost not in error else error or lost
        return Outcome(TrialState.ERROR, EndedBy.ERROR, "error", error, reports)
    if stop:
        if error:
            sys.stderr.write(error)
        return Outcome(
            TrialState.TERMINATED,
            stop.ended_by,
            stop.reason + (ended_in_time if error else ""),
            reports=reports,
        )
    if error is None and reports == 0:
        error = (
            "train() returned without a report; call"
            " status_reporter.report(TrainingResult(timesteps_total=…, …)) in it"
        )
    if error:
        return Outcome(TrialState.ERROR, EndedBy.ERROR, "error", error, reports)
    return Outcome(TrialState.TERMINATED, EndedBy.RETURNED, "train() returned", reports=reports)


def _load_and_call(
    assignment: Assignment, reporter: StatusReporter, interrupter: Interrupter
) -> None:
    trial = assignment.trial
    seed_everything(trial.seed)
    # Loading executes user code, too; within `loaded()` a child of train() would end by removing
    # what was unpacked.
    with alarms_ended(), children_end_here(_user_traceback), assignment.trainable.loaded() as train:
        seed_everything(trial.seed)
        reporter.begin()
        with interrupter.armed(reporter.interruption), children_end_here(_user_traceback):
            if reporter.stop is None:
                _check_result(train(trial.config, reporter))


def _check_result(result: object) -> None:
    if inspect.iscoroutine(result) or inspect.isgenerator(result) or inspect.isasyncgen(result):
        with contextlib.suppress(AttributeError):
            result.close()  # type: ignore[union-attr]
        raise TrainableError(
            "train() is a generator or async function and was not executed; expected a plain"
            " function"
        )


def _user_traceback(exc: BaseException) -> str:
    """The traceback from user code on: the frames above it, ours, say nothing to the user.

    The message where all are ours.

    What drives RLlib stands where a user's `train()` would: its frames are shown, except for errors
    that are written for users.
    """
    frames = exc.__traceback__
    shown = () if isinstance(exc, TuneError) else _RLLIB_FILES
    while (
        frames
        and (file := frames.tb_frame.f_code.co_filename).startswith(_OWN_FILES)
        and not file.startswith(shown)
    ):
        frames = frames.tb_next
    return "".join(traceback.format_exception(type(exc), exc, frames))


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


class _Interruption(TrialStopped, KeyboardInterrupt):
    """TrialStopped out of a signal.

    Where that breaks into Ray's native code (`ray.get`), only a KeyboardInterrupt comes out, and
    that as a plain one; all else is lost there, or ends the process.
    """


class Interrupter:
    """Raises TrialStopped in the main thread from another thread.

    It does so at once, also out of `time.sleep` and endless loops, by a signal. The handler stays
    installed for the life of the process, because a late signal would end it otherwise.

    Attributes:
        has_raised: Whether it has since it was armed.
    """

    def __init__(self) -> None:
        self._armed = self.has_raised = False
        self._reason: Callable[[], str | None] = lambda: None
        signal.signal(_INTERRUPT, self._raise)

    @contextlib.contextmanager
    def armed(self, reason: Callable[[], str | None]) -> Iterator[None]:
        """While user code runs.

        From here on `interrupt()` has an effect, as long as `reason` gives one.
        """
        # The user code of an earlier trial may have installed its own
        signal.signal(_INTERRUPT, self._raise)
        self._reason = reason
        self.has_raised = False
        self._armed = True
        try:
            yield
        finally:
            self._armed = False

    def interrupt(self) -> None:
        """Signal the main thread if user code runs in it that was not interrupted yet.

        A signal that arrives just before a blocking call begins ends nothing, so that it is sent a
        few times.
        """
        for pause_s in _RESEND_AFTER_S:
            if not self._armed or self.has_raised:
                return
            signal.pthread_kill(threading.main_thread().ident or 0, _INTERRUPT)
            time.sleep(pause_s)

    def _raise(self, _signum: int, _frame: FrameType | None) -> None:
        if self._armed and not self.has_raised and (reason := self._reason()):
            self.has_raised = True
            raise _Interruption(reason)


class LogCapture:
    """Sends file descriptors 1 and 2 to the trial's log.

    What Python, C code and child processes print.

    `forward` hands complete new lines on to a logger.
    """

    def __init__(self, path: Path, logger: logging.Logger | logging.LoggerAdapter[Any]) -> None:
        self._path, self._logger = path, logger
        self._forwarded = 0
        self.lines = 0

    def __enter__(self) -> LogCapture:
        log = os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o666)
        self._saved = (os.dup(1), os.dup(2))
        _flush()
        os.dup2(log, 1)
        os.dup2(log, 2)
        os.close(log)
        return self

    def __exit__(self, *_: object) -> None:
        _flush()
        for number, saved in enumerate(self._saved, start=1):
            os.dup2(saved, number)
            os.close(saved)

    def forward(self, *, last: bool = False) -> None:
        """Log the lines printed since the last call; `last` takes an unfinished line too."""
        _flush()
        data = self._new_data()
        end = len(data) if last else data.rfind(b"\n") + 1
        lines = [
            _as_on_a_terminal(line)
            for line in data[:end].decode(errors="replace").removesuffix("\n").split("\n")
        ]
        self._forwarded += end
        if end:
            self.lines += len(lines)
            for line in _shortened(lines, self._path):
                self._logger.info("%s", line)

    def _new_data(self) -> bytes:
        try:
            with self._path.open("rb") as file:
                file.seek(self._forwarded)
                return file.read()
        except OSError:  # user code removed its own log
            return b""


def _as_on_a_terminal(line: str) -> str:
    """A progress bar goes back to the line's beginning for each step, and shows the last one."""
    return showable(line.rstrip("\r").rpartition("\r")[2])


def _shortened(lines: list[str], path: Path) -> list[str]:
    """The lines of one call.

    Of too many the first and the last ones, for what a burst comes to stands at its end.
    """
    if len(lines) <= _LOG_LINES_PER_CALL:
        return lines
    half = _LOG_LINES_PER_CALL // 2
    return [*lines[:half], f"… {len(lines) - 2 * half} more lines, see {path}", *lines[-half:]]


def _flush() -> None:
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(Exception):
            stream.flush()
