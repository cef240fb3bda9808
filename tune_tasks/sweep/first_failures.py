"""Whether a sweep's first trials all fail alike, before anything is reported. Pure.

Then the other trials most likely would, too: the script cannot be imported, a file is not there.
"""

from __future__ import annotations

from tune_tasks.model.failure import FailureCause
from tune_tasks.model.trial import Outcome, Trial
from tune_tasks.sweep.retries import failure_of, has_failed

ENOUGH = 3
"""So many trials that fail alike say that the others would."""


class FirstFailures:
    """Watches the first trials to end.

    Args:
        keeps_going: Whether the sweep goes on whatever they say.
    """

    def __init__(self, *, keeps_going: bool) -> None:
        self._is_watching = not keeps_going
        self._failed: list[Trial] = []
        self._alike = ""

    def has_reported(self) -> None:
        """A trial has reported: trials can be run."""
        self._is_watching = False

    def ended(self, trial: Trial, outcome: Outcome) -> str | None:
        """Take in a trial's end; returns why the sweep is to stop, if it is.

        A machine that is lost takes several trials with it, and says nothing of the others.
        """
        if not self._is_watching:
            return None
        failure = failure_of(outcome)
        is_first = not self._failed
        is_alike = has_failed(outcome) and not outcome.reports
        is_alike = is_alike and failure.cause is not FailureCause.MACHINE_LOST
        if not is_alike or not (is_first or failure.alike == self._alike):
            self._is_watching = False
            return None
        self._alike = failure.alike
        self._failed.append(trial)
        if len(self._failed) < ENOUGH:
            return None
        self._is_watching = False
        return (
            f"the first trials have all failed before any report: {outcome.error_summary}"
            f" ({_named(self._failed)}); the others run all the same with --keep-going"
        )


def _named(trials: list[Trial]) -> str:
    """Trials in few words: `trials 0, 1, 2`."""
    if len({trial.experiment for trial in trials}) == 1:
        return f"trials {', '.join(str(trial.index) for trial in trials)}"
    return f"trials {', '.join(trial.key for trial in trials)}"
