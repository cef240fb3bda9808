"""When a sweep may end, from how long its trials have taken so far. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

_MINUTE = 60
_HOUR = 3600
_DAY = 86400


@dataclass(frozen=True)
class Workload:
    """The trials of one experiment.

    Attributes:
        ended: Seconds that each trial took that has ended as it should.
        running: Seconds that each running trial has taken so far.
        pending: How many are still to start.
    """

    ended: Sequence[float]
    running: Sequence[float]
    pending: int

    @property
    def is_open(self) -> bool:
        """Whether something runs, or is still to start."""
        return bool(self.running or self.pending)


def time_left_s(workloads: Iterable[Workload]) -> float | None:
    """Estimate the seconds until the last trial ends; None while there is no basis for that.

    A trial is expected to take as long as those of its experiment took on average, and as many to
    run at once as do now. The basis is one ended trial of each open experiment, and in all as many
    as run at once: the first ones to end are the short ones, and alone would promise too much.
    """
    workloads = list(workloads)
    open_ones = [workload for workload in workloads if workload.is_open]
    at_once = sum(len(workload.running) for workload in workloads)
    ended = sum(len(workload.ended) for workload in workloads)
    if not at_once or ended < at_once or not all(workload.ended for workload in open_ones):
        return None
    to_do = 0.0
    longest = 0.0
    for workload in open_ones:
        usual = sum(workload.ended) / len(workload.ended)
        left = [max(usual - elapsed, 0.0) for elapsed in workload.running]
        to_do += sum(left) + usual * workload.pending
        longest = max(longest, *left, usual if workload.pending else 0.0)
    return max(longest, to_do / at_once)


def time_left_text(seconds: float) -> str:
    """Return it as a person would say it: `about 12 min left`."""
    if seconds < 1.5 * _MINUTE:
        return f"about {max(10, 10 * round(seconds / 10))} s left"
    if seconds < 1.5 * _HOUR:
        return f"about {round(seconds / _MINUTE)} min left"
    if seconds < 1.5 * _DAY:
        return f"about {round(seconds / _HOUR, 1):g} h left"
    return f"about {round(seconds / _DAY, 1):g} days left"
