"""Whether a sweep that is to be resumed has nothing left to run: then nothing need be started."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from tune_tasks.model.files import AttemptPaths
from tune_tasks.model.result_file import read_progress
from tune_tasks.results.summary import Summary
from tune_tasks.results.trials import TrialSummary
from tune_tasks.sweep.beginning import beginning_of
from tune_tasks.sweep.past import past_sweep
from tune_tasks.sweep.request import Request
from tune_tasks.trial.trainable import TrainFunction


def nothing_left(
    request: Request, callables: Mapping[str, TrainFunction], spec_text: str | None
) -> Summary | None:
    """What a sweep came to that is to be resumed, if nothing of it is left to run; else None.

    Something is left, too, if the spec was edited, or if reports are no longer on the disk.

    Args:
        request: What is asked for.
        callables: Functions by experiment name.
        spec_text: What the spec's file said when the command was given.

    Raises:
        BadInputError: If the request is wrong, or the spec was edited and nobody has accepted that.
    """
    beginning = beginning_of(request) if request.resume else None
    history = beginning.earlier if beginning else None
    if beginning is None or history is None or history.unfinished:
        return None
    if beginning.retry_failed or history.owes_retries:
        return None
    if beginning.plan(callables, spec_text).is_edited:
        return None
    summary = past_sweep(beginning.path, is_held=False).summary()
    if any(_lacks_reports(trial) for e in summary.experiments for trial in e.listed):
        return None
    return replace(summary, interrupted=False, ended_early=None)


def _lacks_reports(trial: TrialSummary) -> bool:
    if trial.logdir is None:
        return False
    return read_progress(AttemptPaths(Path(trial.logdir)).results).reports < trial.reports
