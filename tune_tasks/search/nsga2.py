"""NSGA-II with generations that follow from the history. Imported once it is asked.

NSGA-II (Deb et al. 2002) is Optuna's. There a trial's generation is what was written down when it
was proposed; here it follows from the order of the trials' indices, so that a sampler that knows
the history alone proposes what one that was there from the beginning would have proposed.
"""

from __future__ import annotations

from collections.abc import Sequence

from optuna.samplers import NSGAIISampler
from optuna.study import Study
from optuna.trial import FrozenTrial


class ReplayedNsga2(NSGAIISampler):
    """Asks NSGA-II for a member of the generation that follows the complete ones.

    Args:
        seed: Of its random numbers.
        size: Of a generation.
        told: The trials that have ended, in the order of their indices: a generation after the
            other. Those of the last one are not looked at before it is complete.
    """

    def __init__(self, seed: int, size: int, told: Sequence[FrozenTrial]) -> None:
        super().__init__(population_size=size, seed=seed)
        starts = range(0, len(told) - size + 1, size)
        self._generations = [list(told[start : start + size]) for start in starts]

    def get_trial_generation(self, study: Study, trial: FrozenTrial) -> int:
        """See Optuna's `BaseGASampler`."""
        return len(self._generations)

    def get_population(self, study: Study, generation: int) -> list[FrozenTrial]:
        """See Optuna's `BaseGASampler`."""
        return self._generations[generation]
