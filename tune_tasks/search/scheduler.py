"""`Scheduler`: which trial starts next, and which running one ends early.

The interface of finer control; pure.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from tune_tasks.model.trial import Outcome, Trial


class Scheduler:
    """Takes every trial in the spec's order and ends none early. Override what is to differ.

    All methods are called in the driver, from one thread, and should return at once: the sweep
    waits for them. An exception in one ends the running trials, and then the sweep.
    """

    def setup(self, trials: Sequence[Trial]) -> None:
        """The sweep begins; `trials` are all of them, in order."""

    def choose(self, pending: Sequence[Trial]) -> Trial | None:
        """The trial to start next, now that there is room for one.

        None to wait until a running one has ended.

        None while none is running ends the sweep; the trials that are left stay PENDING.

        Args:
            pending: Those not started, in order, and those to be tried again; at least one. Trials
                of an experiment that is at its `max_concurrent_trials` are left out.
        """
        return pending[0]

    def on_result(self, trial: Trial, result: Mapping[str, Any]) -> str | None:
        """A running trial has reported; returns why it is to end, or None to let it go on.

        Args:
            trial: The trial.
            result: Its latest report as it stands in `result.json`, without `config`. Seen about
                once a second for each trial, and its last one always, before `on_end`: where a
                trial reports faster, those in between are in its file and in the trackers alone.
        """
        return None

    def on_end(self, trial: Trial, outcome: Outcome) -> None:
        """An attempt of the trial has ended."""
