"""What to try next, in words, from what a search has found. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from tune_tasks.model.text import one_line
from tune_tasks.results.best_so_far import BestSoFar
from tune_tasks.search.dimension import Dimension
from tune_tasks.spec.domains import Coordinate, Steps

Point = Mapping[str, Coordinate]
"""The coordinates of a trial's parameters, by name."""

_BEST = 5
_AT_A_BOUND = 4
"""So many of the best: by chance that happens to one parameter in 80,000."""
_FEW_STEPS = 5
_TRIALS_FOR_BEST = 3 * _BEST
_NEAR = 0.05
_TRIALS_FOR_FLAT = 32
"""From so many trials on one that does nothing has less than a twentieth of what matters."""
_FLAT = 0.03
_MANY = 20
_LATE = 0.1
_FUTILE = 0.75
"""Of random searches, one half has its best trial in the first half."""


@dataclass(frozen=True)
class Found:
    """What a search has found.

    Attributes:
        dimensions: What was searched.
        ranked: The points of the trials that have a value, best first.
        best: How the best became better.
        importance: How much each parameter matters, as a share, by path.
        covering: From how many trials that is known.
        everywhere: The paths of the parameters that every one of these trials had.
    """

    dimensions: Sequence[Dimension]
    ranked: Sequence[Point]
    best: BestSoFar
    importance: Mapping[str, float]
    covering: int
    everywhere: frozenset[str]


def next_steps(found: Found) -> Iterator[str]:
    """Yield a sentence for each thing that the numbers speak for."""
    if len(found.ranked) >= _TRIALS_FOR_BEST:
        for dimension in found.dimensions:
            yield from _at_an_end(dimension, found.ranked[:_BEST])
    if found.covering >= _TRIALS_FOR_FLAT:
        yield from _flat(found)
    if len(found.best.ended) >= _MANY and found.best.improvements:
        yield from _about_the_number(found.best)


def _at_an_end(dimension: Dimension, best: Sequence[Point]) -> Iterator[str]:
    """Yield that the best trials lie at a bound, if they do."""
    if not dimension.has_ends:
        return
    there = [point[dimension.name] for point in best if dimension.name in point]
    for end, word in enumerate(("lower", "upper")):
        at_end = sum(_is_at(dimension, coordinate, end) for coordinate in there)
        if at_end >= _enough_at_an_end(dimension):
            yield _widen(dimension, at_end, end, word)


def _is_at(dimension: Dimension, coordinate: Coordinate, end: int) -> bool:
    scale = dimension.scale
    if isinstance(scale, Steps) and coordinate == (scale.low, scale.high)[end]:
        return True
    return abs(dimension.position(coordinate) - end) <= _NEAR


def _enough_at_an_end(dimension: Dimension) -> int:
    """How many of the best have to be there: all of them, if chance alone brings many."""
    scale = dimension.scale
    has_few = isinstance(scale, Steps) and scale.high - scale.low < _FEW_STEPS
    return _BEST if has_few else _AT_A_BOUND


def _widen(dimension: Dimension, count: int, end: int, word: str) -> str:
    name = f"`{one_line(dimension.path)}`"
    lie = f"{count} of the best {_BEST}"
    ends = dimension.ends()
    if dimension.kind == "choice":
        which = ("least", "greatest")[end]
        more = ("smaller", "greater")[end]
        value = f", {ends[end]:g}" if ends else ""
        return f"{name}: {lie} have the {which} option{value}: offer {more} ones"
    value = f" {ends[end]:g}" if ends else ""
    return f"{name}: {lie} lie at the {word} bound{value}: widen it, if it can be"


def _flat(found: Found) -> Iterator[str]:
    """Yield the parameters that have made hardly any difference. Rare ones never make much."""
    for path, share in found.importance.items():
        if share < _FLAT and path in found.everywhere:
            yield (
                f"`{one_line(path)}`: {100 * share:.1f} % of the importance, from"
                f" {found.covering} trials: give it a fixed value"
            )


def _about_the_number(best: BestSoFar) -> Iterator[str]:
    ended = len(best.ended)
    last = best.improvements[-1]
    if best.since >= _FUTILE * ended:
        yield (
            f"number of trials: the last {best.since} of {ended} found nothing better than trial"
            f" {last.index}: fewer may do"
        )
    elif best.since <= _LATE * ended:
        few = max(1, round(_LATE * ended))
        yield (
            f"number of trials: the best one is among the last {few} of {ended}: more may find"
            " better ones"
        )
