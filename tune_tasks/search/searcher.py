"""`Searcher`: what to try next, as a function of what has happened. Pure."""

from __future__ import annotations

import random
from abc import ABC, abstractmethod
from collections.abc import Sequence

from tune_tasks.search.observation import Observation
from tune_tasks.spec.resolution import Choose


class Searcher(ABC):
    """Proposes configs. Derive from it to have `search: own` go by a rule of yours.

    It keeps nothing: equal questions have equal answers. So a sweep that goes on after a crash
    proposes what it would have proposed, and nothing of a searcher has to be stored.
    """

    @abstractmethod
    def ask(self, history: Sequence[Observation], index: int, rng: random.Random) -> Choose:
        """Propose what a trial tries.

        Called in the driver, in a thread of its own, for one trial of an experiment at a time; for
        several experiments at the same time, if they have one searcher. It may take its time: what
        runs goes on, and the trial starts once there is an answer. If it raises, or answers with
        what is no coordinate, the trial's values are drawn, and a warning says why.

        Args:
            history: The trials that it may know of, in the order of their indices, and before them
                those of earlier sweeps, if `warm_start` says so. Those of one combination of the
                grid: each has a search of its own.
            index: The trial's. It is asked again, up to ten times with other random numbers, if
                bounds that depend on other settings are the wrong way round for what it has chosen.
            rng: All randomness comes from it. It is the same whenever this trial is asked for.

        Returns:
            A function that is called with the name and the scale of each parameter that the trial
            has, as its config unfolds, and returns the parameter's coordinate, or None to have it
            drawn. A parameter of a branch is asked for once the branch is chosen. A scale is a
            `Unit`, whose coordinates are numbers in [0, 1], `Steps`, whole numbers, or
            `Categories`, whose numbers stand in no order; what is beyond it is taken back to its
            end.
        """
