"""`Searcher`: what to try next, as a function of what has happened. Pure."""

from __future__ import annotations

import random
from abc import ABC, abstractmethod
from collections.abc import Sequence

from tune_tasks.search.observation import Observation
from tune_tasks.spec.resolution import Choose


class Searcher(ABC):
    """Proposes configs. Keeps nothing: equal questions have equal answers.

    So a sweep that goes on after a crash proposes what it would have proposed, and nothing of a
    searcher has to be stored.
    """

    @abstractmethod
    def ask(self, history: Sequence[Observation], index: int, rng: random.Random) -> Choose:
        """Propose what a trial tries.

        Called in the driver, in a thread of its own.

        Args:
            history: The trials that it may know of, in the order of their indices.
            index: The trial's.
            rng: All randomness comes from it. It is the same whenever this trial is asked for.

        Returns:
            A function that is called with the name and the scale of each parameter that the trial
            has, as its config unfolds, and returns the parameter's coordinate, or None to have it
            drawn. A parameter of a branch is asked for once the branch is chosen.
        """
