"""Replay: a trial's config changes at the steps that a schedule names, whatever it reports.

Peer: Ray Tune's `PopulationBasedTrainingReplay`. At each step the trial goes on from its own
checkpoint, with the config of the next stage (`spec/replaying`).

It claims nothing of what comes out: another seed, or another machine, gives other values. Who
passes several steps at once goes on with the last of them. The metric is of no account.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from tune_tasks.model.milestones import Milestones, Reached
from tune_tasks.model.objective import Objective
from tune_tasks.search.asha import said
from tune_tasks.search.judge import Exploit, Judge
from tune_tasks.search.pbt import differences
from tune_tasks.spec.replaying import STAGE
from tune_tasks.spec.resolution import Choose
from tune_tasks.spec.search_space import Resolved


class Staged(Protocol):
    """The trials of an experiment, as `spec.expansion.Expansion` has them."""

    def resolved(self, index: int, choose: Choose | None = None) -> Resolved:
        """What a trial tries now."""

    def staged(self, index: int, stage: int) -> Resolved:
        """What a trial tries in a stage of the schedule."""


class Replay(Judge):
    """See the module's docstring.

    Args:
        time_attr: The field of a report that the schedule is about.
        at: Its steps, rising.
        trials: Whose configs change.
    """

    asks_again = True

    def __init__(self, time_attr: str, at: Sequence[float], trials: Staged) -> None:
        self._time_attr = time_attr
        self._at = tuple(at)
        self._trials = trials

    def milestones(self, index: int) -> Milestones:
        """See `Judge`."""
        goes_by = Objective(self._time_attr, "max")  # no judge without one, and any would do
        return Milestones(goes_by, self._time_attr, self._at, awaits_checkpoint=True)

    def judge(self, index: int, reached: Reached) -> Exploit | None:
        """See `Judge`."""
        stage = sum(step <= reached.milestone for step in self._at)
        before = self._trials.resolved(index)
        if stage <= before.point.get(STAGE, 0):
            return None
        after = self._trials.staged(index, stage)
        where = f"the schedule at {said(reached.milestone, self._time_attr)}"
        reason = f"{where}: {differences(before.searched, after.searched)}"
        return Exploit(index, {**before.point, STAGE: stage}, reason)
