"""What trials try before anything is known: points that cover the space, or random ones. Pure.

A trial's point follows from the seed and its round alone, so that a plan can show it.
"""

from __future__ import annotations

from collections.abc import Sequence

from tune_tasks.spec.domains import Coordinate, Scale
from tune_tasks.spec.resolution import Choose, drawn
from tune_tasks.spec.search import Search
from tune_tasks.spec.search_space import SearchSpace

_MOST_DIMENSIONS = 1_000
"""Of parameters; what is beyond is drawn."""
_BLOCK = 256
"""Points that are made at once."""
_BITS = 30
"""Of a coordinate, and of the number of points."""


class StartUp:
    """The first points of a search, or all of them if it learns nothing.

    Args:
        search: The experiment's.
        space: What is searched.
        seed: In [0, 2**32).
    """

    def __init__(self, search: Search, space: SearchSpace, seed: int) -> None:
        is_random = search.algorithm == "random" or not space.parameters
        names = [parameter.name for parameter in space.parameters]
        self._sobol = None if is_random else Sobol(names, seed)

    def chooser(self, round_: int) -> Choose:
        """What the trials of a round try; those of all cells of the grid try the same."""
        return self._sobol.chooser(round_) if self._sobol else drawn


class Sobol:
    """Scrambled Sobol points (Owen 1998), which cover a space more evenly than random ones.

    Args:
        names: The parameters, one dimension each, those of all branches.
        seed: Of the scrambling.
    """

    def __init__(self, names: Sequence[str], seed: int) -> None:
        kept = sorted(set(names))[:_MOST_DIMENSIONS]
        self._dimensions = {name: i for i, name in enumerate(kept)}
        self._seed = seed
        self._blocks: dict[int, list[list[float]]] = {}

    def chooser(self, number: int) -> Choose:
        """What point 0, 1, 2, … says of each parameter."""
        point = self._point(number)

        def choose(name: str, scale: Scale) -> Coordinate | None:
            dimension = self._dimensions.get(name)
            return None if dimension is None else scale.at(point[dimension])

        return choose

    def _point(self, number: int) -> list[float]:
        block, place = divmod(number, _BLOCK)
        if block not in self._blocks:
            # One is kept: trials are asked for in order.
            self._blocks = {block: self._block(block * _BLOCK)}
        return self._blocks[block][place]

    def _block(self, first: int) -> list[list[float]]:
        from scipy.stats import qmc  # takes half a second

        sequence = qmc.Sobol(len(self._dimensions), rng=self._seed, bits=_BITS)
        if first:
            sequence.fast_forward(first)
        points: list[list[float]] = sequence.random(_BLOCK).tolist()
        return points
