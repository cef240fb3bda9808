"""What people are told as soon as they have asked a sweep to stop. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from tune_tasks.model.timeouts import SILENCE_S
from tune_tasks.model.trial import Trial, count
from tune_tasks.sweep.interruption import CTRL_C


def longest_end_s(running: Sequence[Trial], patience_s: float) -> float:
    """After how many seconds the last of some trials is ended from outside, if it has not ended.

    Args:
        running: The trials.
        patience_s: Seconds that they have at most, whatever their own grace.
    """
    longest = max((trial.stop_grace_s for trial in running), default=0.0)
    return min(longest + SILENCE_S, patience_s)


def stopping_words(reason: str, running: Sequence[Trial], patience_s: float) -> str:
    """A line that says what happens now, and how long it takes at most."""
    if not running:
        return f"{reason}: no trial runs; the sweep ends"
    at_most = longest_end_s(running, patience_s)
    line = f"{reason}: stopping {count(len(running), 'running trial')}, at most {at_most:g} s"
    return f"{line}; Ctrl-C again ends them now" if reason == CTRL_C else line
