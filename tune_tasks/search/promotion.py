"""ASHA as its paper has it: trials wait at a rung, and the best ones go on.

Source: Li et al., "A System for Massively Parallel Hyperparameter Tuning", MLSys 2020
(arXiv:1810.05934), Algorithm 2. In its symbols: r is `grace_period`, R is `max_t`, η is
`reduction_factor`; rung k is at r·η^k. `asha` is the form that ends trials, without checkpoints.

A trial that comes to a rung is paused there, unless it is among the best ⌊n/η⌋ of the n that have
come so far. It waits with its checkpoint, and its place is free. The next place goes to the best
trial that waits and is among the best ⌊n/η⌋ by then, at the highest rung that has one (the paper's
`get_job`), and to a new trial if none has one. So the first to come do not go on for being the
first, and a good trial is not lost because only better ones were there so far.

Two things are not in the paper. A trial that comes to a rung and is promotable goes on at once,
without a pause: it is what `get_job` would choose. And once nothing else is left to do, the best
trial of the highest rung goes on although ⌊n/η⌋ is 0, until one has come to its end.

- **Not a number**, an infinity, and a missing metric are worse than every number. Such a trial is
  never promoted, so it ends at the rung.
- **Ties**: who came first is before the other.
- **Sparse reports**: a report that passes several rungs counts at each of them, and the trial waits
  at the last.
- **A trial that has come to its own end** counts at the rungs that it has not reached, too, with
  its last value.
- **A trial that has failed for good** keeps its rank: who is behind it is no better for that.
- **Stragglers**: nobody waits for anybody in particular. A promotion is not taken back if better
  trials come later; the paper expects about √n of these among n.

It does not claim to find what is good late and bad early: raise `grace_period` for that.
"""

from __future__ import annotations

import math
import random
from bisect import bisect_left, insort
from collections.abc import Collection
from dataclasses import dataclass, field

from tune_tasks.model.milestones import Milestones, Reached
from tune_tasks.model.objective import Objective
from tune_tasks.search.asha import said, those_who_go_on
from tune_tasks.search.judge import Judge, Pause

_WORST = float("inf")
_ORDERS = 32
"""So many orders of values tell how many trials come to a rung."""
_MOST_SHUFFLED = 500


@dataclass
class _Rung:
    """The trials that have come to one rung, the best first.

    Attributes:
        order: Of each its sort key, how many had come before it, and its index.
        trials: The same by index.
    """

    order: list[tuple[float, int, int]] = field(default_factory=list)
    trials: dict[int, tuple[float, int, int]] = field(default_factory=dict)

    def add(self, index: int, key: float) -> None:
        self.trials[index] = (key, len(self.order), index)
        insort(self.order, self.trials[index])

    def place(self, index: int) -> str:
        """A trial's rank in words: `rank 5 of 12`."""
        return f"rank {self.rank(index)} of {len(self.order)}"

    def rank(self, index: int) -> int:
        """From 1 on."""
        return bisect_left(self.order, self.trials[index]) + 1

    def best(self, count: int) -> list[int]:
        """So many of the best that have a number."""
        return [index for key, _, index in self.order[:count] if key < _WORST]


class Promotion(Judge):
    """See the module's docstring.

    Args:
        objective: What counts.
        time_attr: The field of a report that rungs are about.
        steps: The rungs and `max_t`, from `asha.rungs`.
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
        # The last rung that each trial has come to.
        self._at: dict[int, float] = {}
        self._failed: set[int] = set()

    def milestones(self, index: int) -> Milestones:
        """See `Judge`."""
        return Milestones(
            self._objective,
            self._time_attr,
            tuple(self._rungs),
            awaits_checkpoint=True,
            judges_each=True,
        )

    def judge(self, index: int, reached: Reached) -> str | Pause | None:
        """See `Judge`."""
        rung = self._rungs.get(reached.milestone)
        # No rung: the spec was edited since. Or the trial had come to its end, and runs again.
        if rung is None or index in rung.trials:
            return None
        rung.add(index, self._key(reached.value))
        self._at[index] = reached.milestone
        self._failed.discard(index)
        if reached.value is None:
            self._failed.add(index)
            return f"no finite {self._objective.metric} {self._where(index)}"
        if index in rung.best(self._count(rung)):
            return None
        return Pause(f"paused {self._where(index)}: {self._standing(index, rung)}")

    def ended(self, index: int, value: float | None) -> None:
        """See `Judge`."""
        for rung in self._rungs.values():
            if index not in rung.trials:
                rung.add(index, self._key(value))

    def failed(self, index: int) -> None:
        """See `Judge`."""
        self._failed.add(index)

    # ── Promotions ─────

    def promotable(self, waiting: Collection[int], *, is_last: bool = False) -> int | None:
        """The index of the trial that is to go on next; None if all are to wait on.

        Args:
            waiting: The trials that are paused.
            is_last: Whether nothing else is left to do.
        """
        for step, rung in reversed(self._rungs.items()):
            for index in rung.best(self._count(rung)):
                if index in waiting and self._at.get(index) == step:
                    return index
        # The spec was edited since: they have come to none of its rungs.
        stray = next((index for index in waiting if index not in self._at), None)
        return self._last_one(waiting) if stray is None and is_last else stray

    def _last_one(self, waiting: Collection[int]) -> int | None:
        """The best at the highest rung that has one, if it waits; else it has gone further."""
        for step, rung in reversed(self._rungs.items()):
            alive = (i for i in rung.best(len(rung.order)) if i not in self._failed)
            best = next(alive, None)
            # One that has come to its own end early is here by its value alone: look further down.
            if best is not None and self._at.get(best, -math.inf) >= step:
                return best if best in waiting and self._at[best] == step else None
        return None

    def why_not(self, index: int) -> str:
        """Why a trial was not promoted in the end, in words."""
        if index not in self._at:
            return "not promoted"
        rung = self._rungs[self._at[index]]
        best = those_who_go_on(max(1, self._count(rung)))
        place = rung.place(index)
        return f"not promoted: {place} {self._where(index)}, {best}"

    def _count(self, rung: _Rung) -> int:
        """How many go on from a rung."""
        return int(len(rung.order) / self._factor)

    def _standing(self, index: int, rung: _Rung) -> str:
        place = rung.place(index)
        best = self._count(rung)
        if best == 0:
            return f"{place}, one goes on once {math.ceil(self._factor)} are there"
        return f"{place}, {those_who_go_on(best)}"

    def _where(self, index: int) -> str:
        return f"at {said(self._at[index], self._time_attr)}"

    def _key(self, value: float | None) -> float:
        return _WORST if value is None else self._objective.sort_key(value)


def expected_at(steps: tuple[float, ...], trials: int, reduction_factor: float) -> list[float]:
    """How many of so many trials come to each rung, if the order of their values were chance."""
    expected = [float(trials)]
    for _ in steps[1:]:
        expected.append(_promoted_of(round(expected[-1]), reduction_factor))
    return expected


def _promoted_of(count: int, reduction_factor: float) -> float:
    """How many of so many trials that come to a rung one by one go on from it, on average.

    Those beyond the best ⌊n/η⌋ grow as √n, as the paper has it.
    """
    shuffled = min(count, _MOST_SHUFFLED)
    promoted = [_promoted_in(order, shuffled, reduction_factor) for order in range(_ORDERS)]
    beyond = sum(promoted) / _ORDERS - shuffled / reduction_factor
    return max(1.0, count / reduction_factor + beyond * math.sqrt(count / max(1, shuffled)))


def _promoted_in(order: int, count: int, reduction_factor: float) -> int:
    chance = random.Random(order)  # noqa: S311 - the same figures each time
    values: list[float] = []
    promoted: set[float] = set()
    for number in range(1, count + 1):
        value = chance.random()
        insort(values, value)
        best = int(number / reduction_factor)
        # Nobody else can have become one of the best by this one.
        promoted.update(values[max(0, best - 1) : best])
        if bisect_left(values, value) < best:
            promoted.add(value)
    return len(promoted)
