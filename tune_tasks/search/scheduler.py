"""Decides which trial starts next, and which running trial ends early. Pure.

`Scheduler` is the interface for users who write their own.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from tune_tasks.model.milestones import Milestones, Reached
from tune_tasks.model.trial import Outcome, Trial


class Scheduler:
    """Takes every trial in the spec's order and ends none early. Override what is to differ.

    All methods are called in the driver, from one thread, and should return at once: the sweep
    waits for them. An exception in one ends the running trials, and then the sweep.
    """

    def setup(self, trials: Sequence[Trial]) -> None:
        """The sweep begins; `trials` are all of them, in order, each resolved when asked for.

        The config of a trial that a model will propose is empty until then.
        """

    def choose(self, pending: Sequence[Trial]) -> Trial | None:
        """The trial to start next, now that there is room for one. By default it is the first.

        Args:
            pending: The trials that may start, at least one: first those to be tried again, then
                those that were never started, in order. It has no trials of an experiment that is
                at its `max_concurrent_trials`.
                A trial is resolved each time that it is asked for, so `pending[0]` and
                `len(pending)` cost the same with ten and with a million pending trials. A loop
                costs as much as it looks at: leave it early if you can. Compare trials by `key`.

        Returns:
            One of `pending`, or None to wait until a running trial has ended. None while no trial
            is running ends the sweep; the trials that are left stay PENDING.
        """
        return pending[0]

    def on_result(self, trial: Trial, result: Mapping[str, Any]) -> str | None:
        """A running trial has reported; returns why it is to end, or None to let it go on.

        Args:
            trial: The trial.
            result: Its latest report as it stands in `result.json`, without `config`. About one
                report a second of each trial is seen, and always the last one, before `on_end`. If
                a trial reports faster, the others are in its file and in the trackers only.
        """
        return None

    def milestones(self, trial: Trial) -> Milestones | None:
        """When a trial is to wait in `report()` until `on_milestone` has judged it.

        Asked at each start of a trial, and always to be answered alike. By default there are none.
        """
        return None

    def on_milestone(self, trial: Trial, reached: Reached) -> str | None:
        """A trial has come to a milestone; returns why it is to end, or None to let it go on.

        It is ended in the very report that has reached the milestone; if a population compares its
        members there, too, at the checkpoint that follows. Each milestone is judged once, also if
        the trial comes there again in another attempt. The trial waits: be quick.

        Args:
            trial: The trial.
            reached: The milestone, and the values that the trial has reported up to it.
        """
        return None

    def on_end(self, trial: Trial, outcome: Outcome) -> None:
        """An attempt of the trial has ended."""
