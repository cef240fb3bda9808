"""`Study`: proposes the trials of one cell of an experiment's grid, none of them twice. Pure."""

from __future__ import annotations

import random
from collections.abc import Callable, Container, Sequence

from tune_tasks.errors import ExpressionError
from tune_tasks.search.observation import Observation
from tune_tasks.search.searcher import Searcher
from tune_tasks.spec.domains import Coordinate, Scale
from tune_tasks.spec.resolution import Choose, Point
from tune_tasks.spec.search_space import Resolved

Resolve = Callable[[Choose], Resolved]
"""What a trial would try, if its parameters were chosen like that."""
_ASKS = 10
_ATTEMPTS = 1_000
_WIDENING = 0.01
"""How much likelier it is, with each attempt, that a value is drawn anew."""


class Study:
    """See the module's docstring.

    Args:
        searcher: Chooses.
        stream: Names the stream of random numbers: seed, experiment, cell.
    """

    def __init__(self, searcher: Searcher, stream: str) -> None:
        self._searcher = searcher
        self._stream = stream

    def propose(
        self,
        history: Sequence[Observation],
        index: int,
        resolve: Resolve,
        tried: Container[str],
    ) -> Point | None:
        """The point of a trial: the same for the same history.

        In a space of few configs a searcher proposes one config many times. Then one near it is
        taken that was not tried, and one further off if there is none. If there seems to be none at
        all, the proposal is tried again: the trial has another seed. If a spec does not allow a
        point, because bounds that depend on it would be the wrong way round, the searcher is asked
        again, some times.

        Args:
            history: The trials that it may know of, in the order of their indices.
            index: The trial's.
            resolve: Of the trial.
            tried: What the trials before it have tried, as `text_of` has it.

        Returns:
            None if no point was found that the spec allows.
        """
        proposed: Point | None = None
        for attempt in range(_ATTEMPTS):
            choose = self._suggestion(history, index, attempt, proposed)
            resolved = _allowed(resolve, choose)
            if resolved is None:
                continue
            if text_of(resolved) not in tried:
                return resolved.point
            if proposed is None:
                proposed = resolved.point
        return proposed

    def _suggestion(
        self, history: Sequence[Observation], index: int, attempt: int, proposed: Point | None
    ) -> Choose:
        rng = self._rng(index, attempt)
        if proposed is not None:
            return _near(proposed, attempt, rng)
        if attempt < _ASKS:
            return self._searcher.ask(history, index, rng)
        return _drawing(rng)

    def _rng(self, index: int, attempt: int) -> random.Random:
        return random.Random(f"{self._stream}/{index}/ask/{attempt}")  # noqa: S311 - no secrets


def text_of(resolved: Resolved) -> str:
    """What a trial tries, to be compared: another coordinate may be the same value."""
    return repr(sorted(resolved.searched.items()))


def _allowed(resolve: Resolve, choose: Choose) -> Resolved | None:
    try:
        return resolve(choose)
    except ExpressionError:
        return None


def _drawing(rng: random.Random) -> Choose:
    return lambda _name, scale: scale.at(rng.random())


def _near(point: Point, attempt: int, rng: random.Random) -> Choose:
    """One value of a point is drawn anew, on average; more of them with each attempt."""
    share = 1 / max(1, len(point)) + _WIDENING * attempt

    def choose(name: str, scale: Scale) -> Coordinate:
        drawn = scale.at(rng.random())
        return drawn if rng.random() < share else point.get(name, drawn)

    return choose
