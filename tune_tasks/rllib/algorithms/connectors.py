"""What stands between an environment's observations and the networks."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import numpy as np
import tree
from ray.rllib.connectors.env_to_module import MeanStdFilter
from ray.rllib.utils.filter import RunningStat


class MergedMeanStdFilter(MeanStdFilter):
    """2017's `observation_filter: MeanStdFilter`.

    Observations less their running mean, over their running deviation.

    Runs in each env runner; RLlib merges what they have seen after each iteration. What a RLlib
    2.60 filter tells of the observations since the last merge is how far its mean has moved, which
    `merge_states` takes for their mean: with each merge the mean goes towards 0. Here it is their
    mean, and the sum of squares about it (Chan et al. 1979, solved for the newer part).
    """

    _merged: Mapping[Any, list[RunningStat]] = MappingProxyType({})

    def set_state(self, state: dict[Any, Any]) -> None:
        """Begin anew with what all env runners have seen."""
        super().set_state(state)
        self._merged = {
            agent: [stat.copy() for stat in tree.flatten(f.running_stats)]
            for agent, f in self._filters.items()
        }

    def get_state(
        self, components: Any = None, *, not_components: Any = None, **kwargs: Any
    ) -> dict[Any, Any]:
        """All observations' statistics, and those of the observations since the last merge."""
        if self._filters is None:
            self._init_new_filters()
        for agent, found in self._filters.items():
            stats = tree.flatten(found.running_stats)
            for stat, before in zip(
                stats,
                self._merged.get(agent, [RunningStat(stat.shape) for stat in stats]),
                strict=True,
            ):
                _tell_since(stat, before)
        state: dict[Any, Any] = super().get_state(
            components, not_components=not_components, **kwargs
        )
        return state


def _tell_since(stat: RunningStat, before: RunningStat) -> None:
    """Set the statistics of what `stat` has seen after `before`."""
    count = stat.num_pushes_delta = stat.num_pushes - before.num_pushes
    if not count:
        stat.mean_delta_array, stat.sum_sq_diff_delta_array = (
            np.zeros(stat.shape),
            np.zeros(stat.shape),
        )
        return
    stat.mean_delta_array = (
        stat.num_pushes * stat.mean_array - before.num_pushes * before.mean_array
    ) / count
    between = (
        (before.mean_array - stat.mean_delta_array) ** 2
        * before.num_pushes
        * count
        / stat.num_pushes
    )
    stat.sum_sq_diff_delta_array = np.maximum(
        0, stat.sum_sq_diff_array - before.sum_sq_diff_array - between
    )


def mean_std_filter(
    _env: Any = None, _spaces: Any = None, _device: Any = None
) -> MergedMeanStdFilter:
    """What RLlib calls to make an env runner's filter."""
    return MergedMeanStdFilter()
