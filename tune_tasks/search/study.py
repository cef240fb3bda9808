"""`Study`: proposes the trials of one cell of an experiment's grid, none of them twice. Pure."""

from __future__ import annotations

import random
from collections.abc import Callable, Container, Iterator, Sequence

from tune_tasks.errors import ExpressionError
from tune_tasks.search.observation import Observation
from tune_tasks.search.searcher import Searcher
from tune_tasks.spec.resolution import Choose, Point
from tune_tasks.spec.search_space import Resolved

Resolve = Callable[[Choose], Resolved]
"""What a trial would try, if its parameters were chosen like that."""
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

    def propose(
        self,
        history: Sequence[Observation],
        index: int,
        resolve: Resolve,
        tried: Container[str],
    ) -> Point | None:
        """The point of a trial: the same for the same history.

        In a space of few configs a searcher proposes one config many times. So it is asked again,
        and then any config is drawn that was not tried. If there seems to be none, one is tried
        again: the trial has another seed. A point that a spec does not allow, because bounds that
        depend on it would be the wrong way round, counts as tried.

        Args:
            history: The trials that it may know of, in the order of their indices.
            index: The trial's.
            resolve: Of the trial.
            tried: What the trials before it have tried, as `text_of` has it.

        Returns:
            None if no point was found that the spec allows.
        """
        again: Point | None = None
        for choose in self._suggestions(history, index):
            resolved = _allowed(resolve, choose)
            if resolved is None:
                continue
            if text_of(resolved) not in tried:
                return resolved.point
            again = again or resolved.point
        return again

    def _suggestions(self, history: Sequence[Observation], index: int) -> Iterator[Choose]:
        for attempt in range(_TRIES):
            yield self._searcher.ask(history, index, self._rng(index, attempt))
        for attempt in range(_TRIES, _TRIES + _DRAWS):
            yield _drawing(self._rng(index, attempt))

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
