"""Brings the trackers up to what the files of a sweep have, in this process, without Ray.

For a sweep whose trackers were away until its end, or whose driver has died. It may be done any
number of times: each time the trackers hold the same, every point once.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from tune_tasks.model.attempt import AttemptInfo
from tune_tasks.model.result_file import Progress
from tune_tasks.model.timeouts import LEAST_PATIENCE_S, PATIENCE_S
from tune_tasks.model.trial import Outcome
from tune_tasks.recording.recorder import Recorder
from tune_tasks.results.summary import Summary
from tune_tasks.tracking.base import Tracker
from tune_tasks.tracking.info import SweepInfo
from tune_tasks.tracking.mlflow import MlflowTracker
from tune_tasks.tracking.tensorboard import TensorBoardTracker


@dataclass(frozen=True)
class EndedAttempt:
    """An attempt as the journal and its files have it.

    Attributes:
        info: Who it was.
        progress: What it has reported: `read_progress` of its `result.json`.
        outcome: How it ended.
    """

    info: AttemptInfo
    progress: Progress
    outcome: Outcome


@dataclass(frozen=True)
class Delivery:
    """What came of a delivery.

    Attributes:
        summary: The sweep's end, with the trackers' ids and pages.
        missing: What the trackers lack nevertheless, by tracker: what they lack, and why.
    """

    summary: Summary
    missing: Mapping[str, str]


def deliver(
    sweep: SweepInfo,
    attempts: Iterable[EndedAttempt],
    summary: Summary,
    *,
    patience_s: float = PATIENCE_S,
    trackers: Sequence[Tracker] = (),
) -> Delivery:
    """Have the trackers hold everything of a sweep, and its end. Changes the working directory.

    Runs that a dead driver left running are ended. A sweep that the trackers know as ended is
    opened again, and ended as the summary says.

    Args:
        sweep: Names and folders.
        attempts: Every attempt of every trial, in the order in which they began.
        summary: The sweep's end.
        patience_s: Seconds to wait for a tracker that takes nothing.
        trackers: The main one first; by default MLflow and TensorBoard.
    """
    if not trackers:
        trackers = (MlflowTracker(sweep.tracking_uri), TensorBoardTracker())
    with contextlib.chdir(sweep.cwd):  # a new store keeps its files there
        recorder = Recorder(trackers[0], trackers[1:])
        try:
            return _delivered(recorder, sweep, attempts, summary, patience_s)
        finally:
            recorder.end()


def _delivered(
    recorder: Recorder,
    sweep: SweepInfo,
    attempts: Iterable[EndedAttempt],
    summary: Summary,
    patience_s: float,
) -> Delivery:
    recorder.begin(sweep, again=True)
    for attempt in attempts:
        recorder.restore(attempt.info, attempt.progress, attempt.outcome)
    missing = _drained(recorder, patience_s)
    summary = recorder.close_sweep(summary)
    # Nobody waits in vain for the same tracker twice.
    missing = _drained(recorder, LEAST_PATIENCE_S if missing else patience_s)
    return Delivery(summary, missing)


def _drained(recorder: Recorder, patience_s: float) -> Mapping[str, str]:
    while True:
        missing = recorder.drain(patience_s)
        if missing is not None:
            return missing
