"""Population based training: the worst go on from where the best are, with other settings.

Source: Jaderberg et al., "Population Based Training of Neural Networks", 2017 (arXiv:1711.09846):
`exploit` by truncation selection, `explore` by perturbing or resampling (`exploring`). A trial is a
member of the population. It is judged after every `interval`, once it has written a checkpoint
there, so that whoever is judged can also be gone on from. Nobody waits for anybody.

A member that comes to a boundary is ranked with all others that have been judged: each by its value
at this boundary, or, if it has not come so far, at the last one before. If it is among the worst
⌈n · quantile⌉ of the n, it goes on from one of as many best, which is drawn; these are half of all
at most. Among fewer than 1 / quantile nobody is replaced, unless the population is smaller.

- **Not a number**, an infinity, and a missing metric are worse than every number. Nobody goes on
  from such a member.
- **Ties**: nobody goes on from a member that is not better.
- **Stragglers**: those that are behind are ranked by what they had there. Early comers look better
  than they are, and are replaced at a later boundary.
- **A grid** has a population in each of its cells.
- **A trial that has failed for good** leaves the population. One that has come to its own end stays
  in it: others are measured by it, and go on from it.

It does not claim that a schedule is good without the weights that it was found with.
"""

from __future__ import annotations

import math
from array import array
from bisect import bisect_right
from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

from tune_tasks.errors import ExpressionError
from tune_tasks.model.masking import masked_by_path
from tune_tasks.model.milestones import Milestones, Reached
from tune_tasks.model.objective import Objective
from tune_tasks.model.text import one_line
from tune_tasks.search.asha import said
from tune_tasks.search.exploring import Explorer
from tune_tasks.search.judge import Exploit, Judge
from tune_tasks.spec.resolution import Choose, Point, chosen, position_of
from tune_tasks.spec.search_space import Resolved

_TRIES = 100
_SHOWN = 3
_LENGTH = 40
_WORST = float("inf")


class Members(Protocol):
    """The trials of an experiment, as `spec.expansion.Expansion` has them."""

    indices: Sequence[int]

    def cell_of(self, index: int) -> int:
        """Which population a trial belongs to."""

    def resolved(self, index: int, choose: Choose | None = None) -> Resolved:
        """What a trial tries now, or would try if its parameters were chosen so."""


class Population(Judge):
    """See the module's docstring.

    Args:
        objective: What counts.
        time_attr: The field of a report that the interval is about.
        interval: From one boundary to the next.
        quantile: The share that is replaced, and that is gone on from, up to one half.
        explorer: Changes what a member has taken.
        members: The experiment's trials.
        stream: Names the stream of random numbers.
    """

    def __init__(
        self,
        objective: Objective,
        time_attr: str,
        interval: float,
        quantile: float,
        explorer: Explorer,
        members: Members,
        stream: str,
    ) -> None:
        self._objective = objective
        self._time_attr = time_attr
        self._interval = interval
        self._quantile = quantile
        self._explorer = explorer
        self._members = members
        self._stream = stream
        # By cell and trial: its boundaries, rising, and its sort key at each of them.
        self._seen: dict[int, dict[int, tuple[array[float], array[float]]]] = {}
        self._sizes: dict[int, int] = {}

    def milestones(self, index: int) -> Milestones:
        """See `Judge`."""
        return Milestones(
            self._objective,
            self._time_attr,
            (self._interval,),
            self._interval,
            awaits_checkpoint=True,
        )

    def judge(self, index: int, reached: Reached) -> Exploit | None:
        """See `Judge`."""
        cell = self._members.cell_of(index)
        self._note(cell, index, reached)
        keys = self._keys_at(cell, reached.milestone)
        order = sorted(keys, key=lambda each: (keys[each], each))
        replaced = min(math.ceil(len(order) * self._quantile), len(order) // 2)
        rank = order.index(index) + 1
        if len(order) < self._fewest(cell) or rank <= len(order) - replaced:
            return None
        donors = [each for each in order[:replaced] if keys[each] < keys[index]]
        where = f"rank {rank} of {len(order)} at {said(reached.milestone, self._time_attr)}"
        return self._exploit(index, donors, where, f"{self._stream}/{index}/{reached.milestone:g}")

    def failed(self, index: int) -> None:
        """See `Judge`."""
        self._seen.get(self._members.cell_of(index), {}).pop(index, None)

    def _note(self, cell: int, index: int, reached: Reached) -> None:
        members = self._seen.setdefault(cell, {})
        steps, keys = members.setdefault(index, (array("d"), array("d")))
        steps.append(reached.milestone)
        value = reached.value
        keys.append(_WORST if value is None else self._objective.sort_key(value))

    def _keys_at(self, cell: int, milestone: float) -> dict[int, float]:
        """The sort key of each member at a boundary, or at its last one before."""
        found = {}
        for index, (steps, keys) in self._seen[cell].items():
            place = bisect_right(steps, milestone)
            if place:
                found[index] = keys[place - 1]
        return found

    def _fewest(self, cell: int) -> int:
        """Among fewer members than these nobody is replaced."""
        if cell not in self._sizes:
            cells = (self._members.cell_of(index) for index in self._members.indices)
            self._sizes[cell] = sum(each == cell for each in cells)
        return min(math.ceil(1 / self._quantile), self._sizes[cell])

    def _exploit(
        self, index: int, donors: Sequence[int], where: str, stream: str
    ) -> Exploit | None:
        if not donors:
            return None
        donor = donors[int(position_of(f"{stream}/donor") * len(donors))]
        taken = self._members.resolved(donor).point
        for number in range(_TRIES):
            point = self._explorer.explored(taken, _drawing(f"{stream}/{number}"))
            # Two members that are the same would have nothing to learn from one another.
            reason = self._reason(index, donor, point, where) if point != taken else ""
            if reason:
                return Exploit(donor, point, reason)
        reason = self._reason(index, donor, taken, where)
        return Exploit(donor, taken, reason) if reason else None

    def _reason(self, index: int, donor: int, point: Point, where: str) -> str:
        """Why a member is replaced, and by what; empty if it cannot have this point.

        Bounds that depend on other settings may be the wrong way round.
        """
        before = self._members.resolved(index).searched
        try:
            after = self._members.resolved(index, chosen(point)).searched
        except ExpressionError:
            return ""
        return f"{where}; goes on from trial {donor}, {differences(before, after)}"


def differences(before: Mapping[str, object], after: Mapping[str, object]) -> str:
    """What has changed, in few words: `lr 0.1 -> 0.12, dropout 0.2 -> 0.1`."""
    # Compared as they are, because two secrets look the same
    paths = [path for path, value in after.items() if value != before.get(path)]
    old, new = masked_by_path(before), masked_by_path(after)
    changed = [f"{path} {_shown(old.get(path))} -> {_shown(new[path])}" for path in paths]
    more = len(changed) - _SHOWN
    ending = [f"{more} more"] if more > 0 else []
    return ", ".join([*changed[:_SHOWN], *ending]) or "with the same config"


def _shown(value: object) -> str:
    return f"{value:.4g}" if isinstance(value, float) else one_line(str(value), _LENGTH)


def _drawing(stream: str) -> Callable[[str], float]:
    return lambda purpose: position_of(f"{stream}/{purpose}")
