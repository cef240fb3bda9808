"""Who went on from whom in a population, and with which settings: a part of the report."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path

from tune_tasks.model.files import AttemptPaths, attempt_folder, trial_folder
from tune_tasks.model.text import left_out, one_line
from tune_tasks.model.trial import EndedBy
from tune_tasks.results.markdown import table
from tune_tasks.results.trials import TrialSummary

_MOST = 1_000
_ROWS = 40

_Exchange = tuple[int, int, str]
"""After how many reports; the trial's index; what happened, in words."""


def exchange_lines(trials: Iterable[TrialSummary]) -> Iterator[str]:
    """Yield the part of a report on the trials that went on with another config, in order.

    Args:
        trials: Of an experiment.
    """
    tried_again = (trial for trial in trials if trial.attempts > 1 and trial.logdir)
    found = sorted(each for trial in islice(tried_again, _MOST) for each in _exchanges(trial))
    if not found:
        return
    yield "## Who went on from where"
    yield ""
    rows = ((at, index, one_line(reason)) for at, index, reason in found[:_ROWS])
    yield from table(("after iteration", "trial", "why, and what changed"), rows)
    if len(found) > _ROWS:
        yield from left_out(len(found), _ROWS)
        yield ""


def _exchanges(trial: TrialSummary) -> Iterator[_Exchange]:
    folder = trial_folder(Path(trial.logdir or ""), trial.attempts)
    for number in range(1, trial.attempts):
        outcome = AttemptPaths(attempt_folder(folder, number)).read_outcome()
        if outcome and outcome.ended_by is EndedBy.EXPLOITED:
            yield outcome.reports, trial.index, outcome.stop_reason
