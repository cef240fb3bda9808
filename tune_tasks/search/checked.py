"""`Checked`: a searcher of the user's own, whose answers are looked at. Pure.

What it says goes into configs and into the sweep's journal, and what it is shown is what others are
shown, too.
"""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from dataclasses import replace
from typing import SupportsFloat

from tune_tasks.search.observation import Observation
from tune_tasks.search.searcher import Searcher
from tune_tasks.spec.domains import Coordinate, Scale, Unit
from tune_tasks.spec.resolution import Choose


class Checked(Searcher):
    """See the module's docstring.

    Args:
        searcher: The user's.
    """

    def __init__(self, searcher: Searcher) -> None:
        self._searcher = searcher

    def ask(self, history: Sequence[Observation], index: int, rng: random.Random) -> Choose:
        """Ask the user's searcher; see `Searcher.ask`.

        Raises:
            TypeError: If it gives no function, or one that gives something else than numbers.
            ValueError: If a number is not finite.
            Exception: Whatever the searcher raises.
        """
        shown = [replace(each, point=dict(each.point)) for each in history]
        choose: object = self._searcher.ask(shown, index, rng)
        if not callable(choose):
            raise TypeError(
                "ask() is to return a function of a parameter's name and scale, and returned"
                f" {choose!r}"
            )
        return lambda name, scale: _coordinate(name, scale, choose(name, scale))


def _coordinate(name: str, scale: Scale, said: object) -> Coordinate | None:
    """What was said of a parameter, as a number of Python's own: NumPy's is not JSON."""
    if said is None:
        return None
    if not isinstance(said, SupportsFloat):
        raise TypeError(f"{name}: expected a coordinate on {scale}, or None; got {said!r}")
    number = float(said)
    if not math.isfinite(number):
        raise ValueError(f"{name}: expected a coordinate on {scale}, or None; got {number}")
    return number if isinstance(scale, Unit) else round(number)
