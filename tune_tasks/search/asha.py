"""ASHA, the asynchronous form of successive halving, with trials that are stopped.

Source: Li et al., "A System for Massively Parallel Hyperparameter Tuning", MLSys 2020
(arXiv:1810.05934). In its symbols: r is `grace_period`, R is `max_t`, η is `reduction_factor`; rung
k is at r·η^k. The paper promotes trials that wait; this form lets a trial run on until it is
judged, as Ray Tune and Syne Tune do, and so needs no checkpoints.

At a rung a trial goes on if it is among the best ⌊n/η⌋ of the n that have come there so far, itself
included, and always if it is the best. While n is below η everybody goes on, because ⌊n/η⌋ is 0. To
wait longer, until 2η, costs more than it finds (`benchmarks/README.md`).

- **Not a number**, an infinity, and a missing metric are worse than every number. Such a trial
  does not go on if any other at its rung has a number, however few they are.
- **Ties**: who came first is before the other.
- **Sparse reports**: a report that passes several rungs counts at each of them.
- **A trial that has come to its own end** counts at the rungs that it has not reached, too, with
  its last value: it is done, and others are measured by it.
- **Stragglers** are judged against those that are there when they come; nobody waits for anybody.

It does not claim to find what is good late and bad early: raise `grace_period` for that.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterator
from dataclasses import dataclass, field

from tune_tasks.model.milestones import Milestones, Reached
from tune_tasks.model.objective import Objective
from tune_tasks.search.judge import Judge

_WORST = float("inf")


def rungs(grace_period: float, max_t: float, reduction_factor: float) -> tuple[float, ...]:
    """The rungs r·η^k below `max_t`, and `max_t` itself, at which nobody is judged any more."""
    found: list[float] = []
    rung = grace_period
    while rung < max_t:
        found.append(rung)
        rung = grace_period * reduction_factor ** len(found)
    return (*found, max_t)


def expected_at(steps: tuple[float, ...], trials: int, reduction_factor: float) -> list[float]:
    """How many of so many trials come to each rung, if the order of their values were chance."""
    expected = [float(trials)]
    for _ in steps[1:]:
        here = round(expected[-1])
        expected.append(sum(_chance(count, reduction_factor) for count in range(1, here + 1)))
    return expected


def _chance(count: int, reduction_factor: float) -> float:
    """The chance that the trial that is number `count` at a rung goes on from there."""
    return 1.0 if count < reduction_factor else best_of(count, reduction_factor) / count


def best_of(count: int, reduction_factor: float) -> int:
    """How many of so many trials at a rung go on."""
    return max(1, int(count / reduction_factor))


@dataclass
class _Rung:
    """The values at one rung, as sort keys, the best first.

    Attributes:
        keys: Of every trial that has come there.
        trials: Their indices.
    """

    keys: list[float] = field(default_factory=list)
    trials: set[int] = field(default_factory=set)

    def add(self, index: int, key: float) -> int:
        """Add a trial; returns its rank, from 1. Of equal ones the first is before the others."""
        self.trials.add(index)
        rank = bisect_right(self.keys, key) + 1
        self.keys.insert(rank - 1, key)
        return rank

    @property
    def finite(self) -> int:
        """How many of them have a number."""
        return bisect_left(self.keys, _WORST)


class Asha(Judge):
    """See the module's docstring.

    Args:
        objective: What counts.
        time_attr: The field of a report that rungs are about.
        steps: The rungs and `max_t`, from `rungs`.
        reduction_factor: η, above 1.
    """

    def __init__(
        self,
        objective: Objective,
        time_attr: str,
        steps: tuple[float, ...],
        reduction_factor: float,
    ) -> None:
        self._objective = objective
        self._time_attr = time_attr
        self._factor = reduction_factor
        self._rungs = {step: _Rung() for step in steps[:-1]}

    def milestones(self, index: int) -> Milestones:
        """See `Judge`."""
        return Milestones(self._objective, self._time_attr, tuple(self._rungs))

    def judge(self, index: int, reached: Reached) -> str | None:
        """See `Judge`."""
        rung = self._rungs.get(reached.milestone)
        # No rung: the spec was edited since. Or the trial had come to its end, and runs again.
        if rung is None or index in rung.trials:
            return None
        rank = rung.add(index, self._key(reached.value))
        count = len(rung.keys)
        where = f"at {said(reached.milestone, self._time_attr)}"
        if reached.value is None:
            no_number = f"no finite {self._objective.metric} {where}"
            return f"{no_number}, {rung.finite} of {count} have one" if rung.finite else None
        best = best_of(count, self._factor)
        if count < self._factor or rank <= best:
            return None
        return f"rank {rank} of {count} {where}, {those_who_go_on(best)}"

    def ended(self, index: int, value: float | None) -> None:
        """See `Judge`."""
        for rung in self._missed(index):
            rung.add(index, self._key(value))

    def _missed(self, index: int) -> Iterator[_Rung]:
        return (rung for rung in self._rungs.values() if index not in rung.trials)

    def _key(self, value: float | None) -> float:
        return _WORST if value is None else self._objective.sort_key(value)


def said(step: float, time_attr: str) -> str:
    """A step in words: `9 iterations`, `100 timesteps`, `60 s`."""
    units = {"training_iteration": "iteration", "timesteps_total": "timestep", "time_total_s": "s"}
    unit = units.get(time_attr, time_attr)
    is_plural = step != 1 and unit in ("iteration", "timestep")
    return f"{step:g} {unit}{'s' if is_plural else ''}"


def those_who_go_on(count: int) -> str:
    """So many trials in words: `the best 4 go on`."""
    return "the best one goes on" if count == 1 else f"the best {count} go on"
