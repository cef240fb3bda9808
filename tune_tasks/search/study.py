"""`Study`: proposes the trials of one cell of an experiment's grid, none of them twice. Pure."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence

from tune_tasks.search.observation import Observation
from tune_tasks.search.searcher import Searcher
from tune_tasks.spec.domains import Coordinate
from tune_tasks.spec.resolution import Choose, Point

Resolve = Callable[[Choose], Point]
"""The point that a trial would have, if its parameters were chosen like that."""
_TRIES = 10
_DRAWS = 1_000


class Study:
    """See the module's docstring.

    Args:
        searcher: Chooses.
        stream: Names the stream of random numbers: seed, experiment, cell.
    """

    def __init__(self, searcher: Searcher, stream: str) -> None:
        self._searcher = searcher
        self._stream = stream

    def propose(self, history: Sequence[Observation], index: int, resolve: Resolve) -> Point:
        """The point of a trial: the same for the same history.

        In a space of few configs a searcher proposes one config many times. So it is asked again,
        and then any config is drawn that was not tried. If there seems to be none, one is tried
        again: the trial has another seed.

        Args:
            history: The trials that it may know of, in the order of their indices.
            index: The trial's.
            resolve: Of the trial.
        """
        tried = {_key(each.point) for each in history}
        first: Point | None = None
        for attempt in range(_TRIES):
            point = resolve(self._searcher.ask(history, index, self._rng(index, attempt)))
            if _key(point) not in tried:
                return point
            first = first or point
        for attempt in range(_DRAWS):
            point = resolve(_drawing(self._rng(index, _TRIES + attempt)))
            if _key(point) not in tried:
                return point
        assert first is not None
        return first

    def _rng(self, index: int, attempt: int) -> random.Random:
        return random.Random(f"{self._stream}/{index}/ask/{attempt}")  # noqa: S311 - no secrets


def _drawing(rng: random.Random) -> Choose:
    return lambda _name, scale: scale.at(rng.random())


def _key(point: Point) -> frozenset[tuple[str, Coordinate]]:
    return frozenset(point.items())
