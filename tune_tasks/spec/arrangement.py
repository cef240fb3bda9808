"""Which combination of its grid each trial of an experiment tries, and which indices there are.

A new sweep goes through the combinations in order. A sweep whose spec was edited keeps the trials
that have begun, each under its own index; the combinations that are left go to the indices that no
trial has had. Pure, and as small as the number of trials that have begun: a grid of 1,000,000
points is not 1,000,000 objects.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import overload


@dataclass(frozen=True)
class Kept:
    """A trial that has begun under an earlier form of the spec, and that the spec still has.

    Attributes:
        combination: The one of the grid that gives its config.
        name: The name that it has had, which its folder goes by.
        proposed_by: See `Trial`.
    """

    combination: int
    name: str
    proposed_by: str = ""


class Arrangement:
    """The trials of one experiment.

    Args:
        count: How many trials the spec asks for.
        grid_size: How many combinations the grid has.
        kept: By index.
        taken: The indices of all trials that have begun. No other trial gets one of them, because
            its files would be mixed up with those of the one that has begun.

    Attributes:
        indices: The trials' indices, ascending.
        kept: By index.
    """

    def __init__(
        self,
        count: int,
        grid_size: int,
        kept: Mapping[int, Kept] | None = None,
        taken: Iterable[int] = (),
    ) -> None:
        self.kept = kept or {}
        combinations = (each.combination for each in self.kept.values())
        self._free = _Without(taken)
        self._left = _Without(_places(combinations, count, grid_size))
        self._fresh = count - len(self._left.numbers)
        self.indices: Sequence[int] = range(count)
        if self._free.numbers:
            self.indices = _Indices(sorted(self.kept), self._free, self._fresh)

    @property
    def fresh(self) -> int:
        """How many of the trials have not begun."""
        return self._fresh

    def combination(self, index: int) -> int:
        """What a trial tries: a combination of the grid, modulo the grid's size."""
        if index in self.kept:
            return self.kept[index].combination
        return self._left[self._free.place(index)]


def indices_of(count: int, begun: Collection[int], dropped: Collection[int]) -> Sequence[int]:
    """The indices of all trials of an experiment, ascending, from those that have begun.

    Args:
        count: How many trials it has.
        begun: The indices of the trials that have begun.
        dropped: Those of them that it no longer has.
    """
    kept = sorted(set(begun) - set(dropped))
    if not dropped and all(index < count for index in begun):
        return range(count)
    return _Indices(kept, _Without(begun), count - len(kept))


def place_of(index: int, indices: Sequence[int]) -> int | None:
    """The place of an index among ascending ones; None if it is not there."""
    place = bisect_left(indices, index)
    is_there = place < len(indices) and indices[place] == index
    return place if is_there else None


def _places(combinations: Iterable[int], count: int, grid_size: int) -> Iterator[int]:
    """The places in the plain order that trials with these combinations fill, the first ones."""
    for combination, times in Counter(combinations).items():
        yield from islice(range(combination, count, grid_size), times)


class _Without:
    """The numbers 0, 1, 2, … without some of them."""

    def __init__(self, numbers: Iterable[int]) -> None:
        self.numbers = sorted(numbers)
        self._before = [number - i for i, number in enumerate(self.numbers)]

    def __getitem__(self, place: int) -> int:
        return place + bisect_right(self._before, place)

    def place(self, number: int) -> int:
        """How many are smaller than a number."""
        return number - bisect_left(self.numbers, number)


class _Indices(Sequence[int]):
    """The indices of the trials that are kept and of those that have not begun, ascending.

    Args:
        kept: Those of the kept ones, ascending.
        free: Those that no trial has had.
        fresh: How many of the free ones there are.
    """

    def __init__(self, kept: Sequence[int], free: _Without, fresh: int) -> None:
        self._kept = kept
        self._free = free
        self._fresh = fresh
        self._places = [i + min(free.place(index), fresh) for i, index in enumerate(kept)]

    def __len__(self) -> int:
        return len(self._kept) + self._fresh

    @overload
    def __getitem__(self, place: int) -> int: ...
    @overload
    def __getitem__(self, place: slice) -> Sequence[int]: ...
    def __getitem__(self, place: int | slice) -> int | Sequence[int]:
        chosen = range(len(self))[place]
        if isinstance(chosen, range):
            return [self._index(each) for each in chosen]
        return self._index(chosen)

    def _index(self, place: int) -> int:
        kept = bisect_right(self._places, place)
        if kept and self._places[kept - 1] == place:
            return self._kept[kept - 1]
        return self._free[place - kept]
