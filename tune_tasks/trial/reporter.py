"""`StatusReporter`: what user code reports through. Lives in the trial's process.

Safe to use from any of its threads.
"""

from __future__ import annotations

import contextlib
import json
import math
import numbers
import os
import socket
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

from tune_tasks.errors import ReportError, TrialStopped, did_you_mean
from tune_tasks.model.masking import masked
from tune_tasks.model.result_file import Progress, ResultFile
from tune_tasks.model.stopping import first_met
from tune_tasks.model.trial import EndedBy, Stop, Trial
from tune_tasks.result import REPORTED_METRICS, TrainingResult, metric, non_finite_metrics

_OWN_FIELDS = (*REPORTED_METRICS, "neg_mean_loss")


@dataclass(frozen=True)
class Earlier:
    """How far a trial had come that goes on from a checkpoint; its counts go on from here.

    Attributes:
        timesteps_total: Of its last report.
        time_total_s: Of its last report.
        training_iteration: Of its last report.
    """

    timesteps_total: int = 0
    time_total_s: float = 0.0
    training_iteration: int = 0


class StatusReporter:
    """Passed to `train(config, status_reporter)`.

    A report is checked, completed and in the trial's `result.json` before `report()` returns; it
    waits for no network.

    Attributes:
        seed: The trial's own seed, in [0, 2**32), derived from the spec's seed and the trial's
            index.
        logdir: The folder of this attempt's files, for checkpoints and whatever else is to be kept.
        progress: What has been reported so far.
        stop: The decision to end the trial, once it is taken.
        raised_in_main: Whether a report in the main thread has raised TrialStopped.
        unseen_metrics: The metrics of stop criteria that no report had so far.
    """

    def __init__(
        self,
        trial: Trial,
        results: Path,
        experiment_id: str,
        *,
        clock: Callable[[], float] = time.monotonic,
        wall_clock: Callable[[], float] = time.time,
    ) -> None:
        self.seed = trial.seed
        self.logdir = results.parent
        self.progress = Progress()
        self.stop: Stop | None = None
        self.raised_in_main = False
        self.unseen_metrics = {c.metric for c in trial.stop}
        self._criteria = trial.stop
        self._clock, self._wall_clock = clock, wall_clock
        self._file = ResultFile(results)
        self._pid = os.getpid()
        self._lock = threading.Lock()
        self._listener: Callable[[], None] = lambda: None
        self._has_begun = False
        self._started = self._last_time = clock()
        self._last_timesteps = self._earlier_iterations = 0
        self._date = (0, "")
        self._constant = {
            "experiment_id": experiment_id,
            "pid": self._pid,
            "hostname": socket.gethostname(),
        }
        # The config is the same in every report: it is encoded once.
        self._tail = (
            ', "config": ' + json.dumps(masked(trial.config), default=repr) + "}\n"
        ).encode()

    def report(self, result: TrainingResult) -> None:
        """Report training status.

        Args:
            result: With `timesteps_total`; the other fields as far as they apply.

        Raises:
            ReportError: If the result is no valid TrainingResult; says which field, and what was
                expected. Or if the earlier reports are gone, for something else has overwritten or
                removed `result.json`. Or in another process than the trial's.
            TrialStopped: If this report meets a stop criterion (it is kept), or the trial was to
                end already (it is not).
            OSError: If the report cannot be written to the disk.
        """
        # Before the lock, which may have been held while the process forked
        if os.getpid() != self._pid:
            raise ReportError(
                _elsewhere(f"report() was called in process {os.getpid()}, a child of")
            )
        if not isinstance(result, TrainingResult):
            raise ReportError(f"report() expects a TrainingResult, got {type(result).__name__}")
        with self._lock:
            if self.stop:
                self._raise(self.stop)
            row = self._complete(result)
            line = _encoded(row) + self._tail
            self._file.append(line)
            self._note(row)
            stop = self.stop = self._decided(row)
            first = self.progress.reports == 1
        if first or stop:
            self._listener()
        if stop:
            self._raise(stop)

    def __call__(self, **metrics: Any) -> None:
        """Report by keywords, as in Ray Tune of 2018.

        `status_reporter(timesteps_total=…, mean_loss=…, my_metric=…)`.

        Keywords that are no fields of TrainingResult become entries of `info`. Raises what
        `report()` raises.
        """
        if "timesteps_total" not in metrics:
            raise ReportError(f"timesteps_total is required{_hint(metrics)}")
        fields = {name: metrics.pop(name) for name in TrainingResult._fields if name in metrics}
        if metrics:
            fields["info"] = {**_mapping(fields.get("info") or {}), **metrics}
        self.report(TrainingResult(**fields))

    def request_stop(self, stop: Stop) -> None:
        """End the trial for a reason that no report can tell.

        Every later report raises TrialStopped.
        """
        with self._lock:
            self.stop = self.stop or stop

    def raise_if_stopped(self) -> None:
        """Raise TrialStopped where the trial is to end."""
        if self.stop:
            raise TrialStopped(self.stop.reason)

    def on_change(self, listener: Callable[[], None]) -> None:
        """Have `listener` called after the first report and after one that ends the trial."""
        self._listener = listener

    def elapsed_s(self) -> float:
        """Seconds since `train()` began; 0 before."""
        return self._clock() - self._started if self._has_begun else 0.0

    def began_s(self) -> float | None:
        """Seconds since `train()` began; None before."""
        return self.elapsed_s() if self._has_begun else None

    def begin(self, earlier: Earlier = Earlier()) -> None:
        """Start the clock: `train()` begins now, or goes on from where it had come earlier."""
        self._has_begun = True
        self._last_time = self._clock()
        self._started = self._last_time - earlier.time_total_s
        self._last_timesteps, self._earlier_iterations = (
            earlier.timesteps_total,
            earlier.training_iteration,
        )

    def prepare(self) -> None:
        """`train()` prepares itself, which is no time of training.

        It has not begun until `begin()` is called again.
        """
        self._has_begun = False

    def close(self) -> str | None:
        """Close the file.

        Later reports, from threads that `train()` left behind, raise TrialStopped.

        Returns:
            What has become of the file, if its reports are gone; else None.
        """
        with self._lock:
            self.stop = self.stop or Stop(EndedBy.RETURNED, "train() has returned")
            self._file.close()
            return self._file.problem

    def interruption(self) -> str | None:
        """Why user code in the main thread is to be interrupted.

        None where it is not, or where a report there has raised.
        """
        return self.stop.reason if self.stop and not self.raised_in_main else None

    def __reduce__(self) -> NoReturn:
        raise ReportError(
            _elsewhere("status_reporter cannot be sent to another process: it belongs to")
        )

    def _decided(self, row: Mapping[str, Any]) -> Stop | None:
        if reason := first_met(self._criteria, row):
            return Stop(EndedBy.CRITERION, reason)
        if "done" in row:
            return Stop(EndedBy.DONE, f"done after {row['timesteps_total']} timesteps")
        return None

    def _raise(self, stop: Stop) -> NoReturn:
        if threading.current_thread() is threading.main_thread():
            self.raised_in_main = True
        raise TrialStopped(stop.reason)

    def _complete(self, result: TrainingResult) -> dict[str, Any]:
        """The report as a dict of plain values, with the fields that are ours to fill in."""
        row: dict[str, Any] = {"timesteps_total": _timesteps(result.timesteps_total)}
        for name in _OWN_FIELDS:
            value = getattr(result, name)
            if value is not None:
                row[name] = value if type(value) is float else _number(name, value)
        if row.get("mean_loss") is not None:
            row["neg_mean_loss"] = -row["mean_loss"]
        if result.info is not None:
            row["info"] = _plain_info(result.info)
        if _flag("done", result.done):
            row["done"] = True
        now, wall = self._clock(), self._wall_clock()
        row |= self._constant
        row["training_iteration"] = self._earlier_iterations + self.progress.reports + 1
        row["timesteps_this_iter"] = row["timesteps_total"] - self._last_timesteps
        row["time_this_iter_s"] = now - self._last_time
        row["time_total_s"] = now - self._started
        row["date"] = self._date_of(wall)
        row["timestamp"] = wall
        self._last_time = now
        return row

    def _date_of(self, wall: float) -> str:
        second = int(wall)
        if self._date[0] != second:
            self._date = (second, time.strftime("%Y-%m-%d_%H-%M-%S", time.localtime(second)))
        return self._date[1]

    def _note(self, row: dict[str, Any]) -> None:
        broken = len(non_finite_metrics(row))
        self._last_timesteps = row["timesteps_total"]
        if self.unseen_metrics:
            self.unseen_metrics -= {
                name for name in self.unseen_metrics if metric(row, name) is not None
            }
        before = self.progress
        self.progress = Progress(
            before.reports + 1, self._file.size, row, before.non_finite + broken
        )


def _elsewhere(what: str) -> str:
    return (
        f"{what} the trial's own process, which alone can report; have it send the values to that"
        " process (return them, or put them into a multiprocessing.Queue), and report them there"
    )


def _timesteps(value: object) -> int:
    if value is None:
        raise ReportError("timesteps_total is required: the number of training steps so far")
    number = _number("timesteps_total", value)
    if not (0 <= number < 2**63 and number == number // 1):
        raise ReportError(f"timesteps_total: expected a whole number >= 0, got {_shown(value)}")
    return int(number)


def _number(name: str, value: Any) -> int | float:
    """A Python number from anything that is one: NumPy scalars, tensors of one element, Decimal."""
    if isinstance(value, (str, bytes, bool)) or not hasattr(value, "__float__"):
        raise ReportError(f"{name}: expected a number, got {_shown(value)}")
    try:
        return _integer(int(value)) if isinstance(value, numbers.Integral) else float(value)
    except (TypeError, ValueError, RuntimeError, OverflowError) as exc:
        raise ReportError(f"{name}: expected a number, got {_shown(value)}") from exc


def _integer(value: int) -> int | float:
    """The same; as a float, if need be an infinite one, where 64 bits do not hold it.

    No tracker could take it.
    """
    if -(2**63) <= value < 2**63:
        return value
    try:
        return float(value)
    except OverflowError:
        return math.inf if value > 0 else -math.inf


def _flag(name: str, value: object) -> bool:
    if value is None or isinstance(value, bool):
        return bool(value)
    with contextlib.suppress(TypeError, ValueError, RuntimeError):
        if value in (0, 1):  # NumPy's booleans too
            return bool(value)
    raise ReportError(f"{name}: expected True or False, got {_shown(value)}")


def _mapping(info: object) -> Mapping[Any, Any]:
    if not isinstance(info, Mapping):
        raise ReportError(f"info: expected a dict of further metrics, got {_shown(info)}")
    return info


def _plain_info(info: object) -> dict[str, Any]:
    try:
        return {str(key): _plain_value(value) for key, value in _mapping(info).items()}
    except RecursionError:
        raise ReportError("info: expected plain values, got some nested without end") from None


def _encoded(row: Mapping[str, Any]) -> bytes:
    """The row as JSON without the closing brace."""
    try:
        return json.dumps(row, default=_plain).encode()[:-1]
    except (TypeError, ValueError, RecursionError) as exc:
        raise ReportError(f"info: expected values that JSON can hold: {exc}") from exc


def _shown(value: object, length: int = 80) -> str:
    """The value for a message: short, and whatever its `repr` does."""
    try:
        text = repr(value)
    except Exception:  # noqa: BLE001 - user code
        text = f"a {type(value).__name__}"
    return text if len(text) <= length else f"{text[: length - 1]}…"


def _plain_value(value: Any) -> Any:
    if value is None or type(value) in (float, bool, str):
        return value
    if isinstance(value, (bool, int, float, str)):
        return _demoted(value)
    if isinstance(value, Mapping):
        return {str(key): _plain_value(item) for key, item in value.items()}
    return _plain(value)


def _demoted(value: Any) -> Any:
    """A value of a subclass of a plain type (numpy.float64, an IntEnum) as one of that type."""
    if isinstance(value, int):
        return _integer(int(value))
    return float(value) if isinstance(value, float) else str.__str__(value)


def _plain(value: Any) -> Any:
    """What JSON can hold of a value that it does not know."""
    if hasattr(value, "tolist"):  # NumPy and torch
        return value.tolist()
    if isinstance(value, (list, tuple, set, frozenset)):
        return [_plain_value(item) for item in value]
    if isinstance(value, numbers.Real):
        return float(value)
    return _shown(value, 10_000)


def _hint(metrics: Mapping[str, Any]) -> str:
    return next((h for h in (did_you_mean("timesteps_total", [m]) for m in metrics) if h), "")
