"""The median stopping rule.

Source: Golovin et al., "Google Vizier: A Service for Black-Box Optimization", KDD 2017, section
3.2.2. A trial is ended at a step s if its best value so far is worse than the median of the other
trials' running means up to s.

- A trial is compared with those that have come to the same milestone, ended ones included, and
  with those that have come to their own end before it. There must be `min_trials` of them.
- **Not a number**, an infinity, and a missing metric have no part in a mean. A trial that has no
  finite value at all by then is ended if the others have.
- **Ties** go on.
- **Stragglers** are measured against all that have passed before them.

It makes no assumption about the curves' form, and so it claims little: half of the trials go on at
each milestone, however bad they are.
"""

from __future__ import annotations

from array import array
from collections import defaultdict
from collections.abc import Iterator, Mapping
from math import isnan, nan
from statistics import median

from tune_tasks.model.milestones import Milestones, Reached
from tune_tasks.model.objective import Objective
from tune_tasks.search.asha import said
from tune_tasks.search.judge import Judge

_NO_MEAN = nan


class _Means:
    """The running means of the trials that have come to a milestone, each 16 bytes."""

    def __init__(self) -> None:
        self._trials = array("q")
        self._means = array("d")

    def add(self, index: int, mean: float | None) -> None:
        self._trials.append(index)
        self._means.append(_NO_MEAN if mean is None else mean)

    def with_those_before(self, done: Mapping[int, float | None]) -> Iterator[float]:
        """The means there, and those of trials that have come to their own ends before."""
        here = dict(zip(self._trials, self._means, strict=True))
        yield from (mean for mean in here.values() if not isnan(mean))
        for index, mean in done.items():
            if mean is not None and index not in here:
                yield mean


class Median(Judge):
    """See the module's docstring.

    Args:
        objective: What counts.
        time_attr: The field of a report that milestones are about.
        grace_period: The first milestone.
        interval: From one milestone to the next.
        min_trials: How many others there must be.
    """

    def __init__(
        self,
        objective: Objective,
        time_attr: str,
        grace_period: float,
        interval: float,
        min_trials: int,
    ) -> None:
        self._milestones = Milestones(objective, time_attr, (grace_period,), interval)
        self._min_trials = min_trials
        self._means: defaultdict[float, _Means] = defaultdict(_Means)
        self._last_means: dict[int, float | None] = {}
        self._done: dict[int, float | None] = {}

    def milestones(self, index: int) -> Milestones:
        """See `Judge`."""
        return self._milestones

    def judge(self, index: int, reached: Reached) -> str | None:
        """See `Judge`."""
        here = self._means[reached.milestone]
        others = list(here.with_those_before(self._done))
        here.add(index, reached.mean)
        self._last_means[index] = reached.mean
        if len(others) < self._min_trials:
            return None
        return self._verdict(reached, median(others), len(others))

    def ended(self, index: int, value: float | None) -> None:
        """See `Judge`."""
        self._done[index] = self._last_means.get(index, value)

    def _verdict(self, reached: Reached, bound: float, others: int) -> str | None:
        objective = self._milestones.objective
        where = f"at {said(reached.milestone, self._milestones.time_attr)}"
        whose = f"the median of {others} others' means, {bound:.6g}"
        if reached.best is None:
            return f"no finite {objective.metric} {where}; {whose}"
        if not objective.better(bound, than=reached.best):
            return None
        return f"its best {objective.words(reached.best)} {where} is worse than {whose}"
