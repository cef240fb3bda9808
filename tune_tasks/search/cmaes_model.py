"""CMA-ES: a normal distribution that moves to where the good trials are (Hansen 2016).

The optimizer is built anew for each question: the trials that have ended, in the order of their
indices, are told to it generation by generation. Those of the last generation that is not complete
yet are not told. It sees numbers alone: categories and conditional parameters are not for it.
"""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from tune_tasks.model.objective import Mode
from tune_tasks.search.observation import Observation, lessons, violations
from tune_tasks.search.searcher import Searcher
from tune_tasks.spec.domains import Coordinate, Scale
from tune_tasks.spec.resolution import Choose

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Vector = NDArray[Any]

_SIGMA = 1 / 6
"""Of the first generation: a sixth of each parameter's range, as Optuna has it."""


class CmaesSearcher(Searcher):
    """Asks CMA-ES, which begins at the best of the first trials.

    Args:
        scales: Every parameter's; at least one.
        first: How many trials are known before it begins.
        mode: Of the objective.
        ignores_failures: Whether failed trials teach nothing; else they are as bad as the worst.
    """

    def __init__(
        self,
        scales: Mapping[str, Scale],
        first: int,
        *,
        mode: Mode,
        ignores_failures: bool = False,
    ) -> None:
        self._scales = scales
        self._first = first
        self._mode = mode
        self._ignores_failures = ignores_failures

    def ask(self, history: Sequence[Observation], index: int, rng: random.Random) -> Choose:
        """Propose what a trial tries; see `Searcher.ask`."""
        import cmaes
        import numpy as np

        solutions = self._solutions(history)
        # Those of earlier sweeps come before all others, and it has proposed none of them.
        count = max(self._first, sum(each.index < 0 for each in history))
        first = solutions[:count]
        mean = min(first, key=lambda each: each[1])[0] if first else np.full(len(self._scales), 0.5)
        bounds = np.array([[0.0, 1.0]] * len(self._scales))
        optimizer = cmaes.CMA(mean, _SIGMA, bounds, seed=rng.getrandbits(32))
        size = optimizer.population_size
        later = solutions[count:]
        for start in range(0, len(later) - size + 1, size):
            optimizer.tell(later[start : start + size])
        position = dict(zip(self._scales, optimizer.ask().tolist(), strict=True))

        def choose(name: str, scale: Scale) -> Coordinate:
            return scale.at(position[name])

        return choose

    def _solutions(self, history: Sequence[Observation]) -> list[tuple[Vector, float]]:
        """The trials that have ended: where they were, and how bad."""
        taught = [
            (each, -values[0] if self._mode == "max" else values[0])
            for each, values in lessons(
                history, [self._mode], ignores_failures=self._ignores_failures
            )
        ]
        ranks = _ranks(taught, violations(history))
        names = self._scales.keys()
        # Those of an earlier form of the spec may lack a parameter.
        return [
            (self._place(each), ranks.get(each.index, bad))
            for each, bad in taught
            if names <= each.point.keys()
        ]

    def _place(self, each: Observation) -> Vector:
        import numpy as np

        scales = self._scales.items()
        places = (scale.position(each.point[name]) for name, scale in scales)
        return np.array(list(places))


def _ranks(
    taught: Sequence[tuple[Observation, float]], violated: Mapping[int, Sequence[float]]
) -> dict[int, float]:
    """What is told of the trials in place of their values, if there are constraints.

    CMA-ES looks at the order alone. An infeasible trial is behind every feasible one, and of two
    infeasible ones the one that is less far beyond the constraints is before the other (Deb 2000).
    """
    if not violated:
        return {}

    def order(each: tuple[Observation, float]) -> tuple[float, float]:
        trial, bad = each
        beyond = sum(excess for excess in violated[trial.index] if excess > 0)
        return (beyond, 0.0 if beyond else bad)

    rank = {at: float(number) for number, at in enumerate(sorted(set(map(order, taught))))}
    return {each[0].index: rank[order(each)] for each in taught}
