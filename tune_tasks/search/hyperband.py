"""Hyperband in its asynchronous form: ASHA with several grace periods side by side.

Source: Li et al., "Hyperband", JMLR 18 (2018), algorithm 1, for the brackets and the share of
trials that each of them has; Li et al., "A System for Massively Parallel Hyperparameter Tuning",
MLSys 2020, for running them asynchronously. In the paper's symbols: s counts the brackets down from
s_max = ⌊log_η(R/r)⌋; bracket s starts with n_s = ⌈(s_max + 1)/(s + 1) · η^s⌉ trials at its first
rung r·η^(s_max − s).

It hedges against a grace period that is too short: one bracket lets its trials run to the end. That
costs: if early values tell how a trial ends, ASHA is better.

Trials are dealt to the brackets by their index, in the paper's proportion, and so are those of each
combination of a grid: the same trial is always in the same bracket, however often the sweep is
resumed, as long as the grid is as large. What `asha` says about ties, stragglers, and values that
are not numbers holds within each bracket.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from itertools import accumulate
from math import ceil

from tune_tasks.model.milestones import Milestones, Reached
from tune_tasks.model.objective import Objective
from tune_tasks.search.asha import Asha
from tune_tasks.search.judge import Judge


class Hyperband(Judge):
    """See the module's docstring.

    Args:
        objective: What counts.
        time_attr: The field of a report that rungs are about.
        steps: The rungs and `max_t`, from `asha.rungs`.
        reduction_factor: η, above 1.
        brackets: At most; None for as many as there are rungs.
        grid_size: How many combinations the grid has.
    """

    def __init__(
        self,
        objective: Objective,
        time_attr: str,
        steps: tuple[float, ...],
        reduction_factor: float,
        brackets: int | None = None,
        grid_size: int = 1,
    ) -> None:
        count = min(len(steps), brackets or len(steps))
        self._brackets = [
            Asha(objective, time_attr, steps[first:], reduction_factor) for first in range(count)
        ]
        self._shares = shares(len(steps), count, reduction_factor)
        self._grid_size = grid_size

    def milestones(self, index: int) -> Milestones:
        """See `Judge`."""
        return self._bracket(index).milestones(index)

    def judge(self, index: int, reached: Reached) -> str | None:
        """See `Judge`."""
        return self._bracket(index).judge(index, reached)

    def ended(self, index: int, value: float | None) -> None:
        """See `Judge`."""
        self._bracket(index).ended(index, value)

    def _bracket(self, index: int) -> Asha:
        return self._brackets[bracket_of(index, self._grid_size, self._shares)]


def shares(rungs: int, brackets: int, reduction_factor: float) -> tuple[float, ...]:
    """The share of the trials that each bracket has, the one with the shortest grace first.

    Args:
        rungs: How many there are, `max_t` included: s_max + 1.
        brackets: How many are used.
        reduction_factor: η.
    """
    levels = range(rungs - 1, rungs - 1 - brackets, -1)
    sizes = [ceil(rungs / (s + 1) * reduction_factor**s) for s in levels]
    return tuple(size / sum(sizes) for size in sizes)


def bracket_of(index: int, grid_size: int, shares: tuple[float, ...]) -> int:
    """The bracket of a trial.

    A number's digits, mirrored at the point, spread over [0, 1) evenly in every stretch of numbers
    (van der Corput's sequence); the shares divide that interval. The combinations of a grid go
    through the same sequence, each from another beginning on.
    """
    round_, combination = divmod(index, grid_size)
    position = (_mirrored(combination) + _mirrored(round_)) % 1
    ends = list(accumulate(shares))
    return next((number for number, end in enumerate(ends) if position < end), len(shares) - 1)


def dealt(indices: Iterable[int], grid_size: int, shares: tuple[float, ...]) -> list[int]:
    """How many of the trials with these indices are in each bracket."""
    counts = Counter(bracket_of(index, grid_size, shares) for index in indices)
    return [counts[bracket] for bracket in range(len(shares))]


def _mirrored(number: int) -> float:
    value = 0.0
    digit = 0.5
    while number:
        number, bit = divmod(number, 2)
        value += bit * digit
        digit /= 2
    return value
