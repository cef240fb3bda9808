"""The observation filter between an environment and the networks."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import numpy as np
import tree
from ray.rllib.connectors.env_to_module import MeanStdFilter
from ray.rllib.utils.filter import RunningStat


class MergedMeanStdFilter(MeanStdFilter):
    """Observations less their running mean, over their running deviation.

    It is 2017's `observation_filter: MeanStdFilter`. It runs in each env runner, and RLlib merges
    what the env runners have seen after each iteration.

    A filter of RLlib 2.60 tells of the observations since the last merge how far its mean has
    moved, which `merge_states` takes for their mean: with each merge the mean goes towards 0. This
    one tells their mean, and the sum of squares about it (Chan et al. 1979, solved for the newer
    part).
    """

    _merged: Mapping[Any, list[RunningStat]] = MappingProxyType({})

    def set_state(self, state: dict[Any, Any]) -> None:
        """Begin anew with what all env runners have seen."""
        super().set_state(state)
        # private: _filters, because the connector's state does not say what it was merged from.
        self._merged = {
            agent: [stat.copy() for stat in tree.flatten(found.running_stats)]
            for agent, found in self._filters.items()
        }

    def get_state(
        self, components: Any = None, *, not_components: Any = None, **kwargs: Any
    ) -> dict[Any, Any]:
        """All observations' statistics, and those of the observations since the last merge."""
        # private: _filters and _init_new_filters, as in RLlib's own `get_state`.
        if self._filters is None:
            self._init_new_filters()
        for agent, found in self._filters.items():
            stats = tree.flatten(found.running_stats)
            merged = self._merged.get(agent) or [RunningStat(stat.shape) for stat in stats]
            for stat, before in zip(stats, merged, strict=True):
                _tell_since(stat, before)
        state: dict[Any, Any] = super().get_state(
            components, not_components=not_components, **kwargs
        )
        return state


def _tell_since(stat: RunningStat, before: RunningStat) -> None:
    """Set the statistics of what `stat` has seen after `before`."""
    count = stat.num_pushes - before.num_pushes
    stat.num_pushes_delta = count
    if not count:
        stat.mean_delta_array = np.zeros(stat.shape)
        stat.sum_sq_diff_delta_array = np.zeros(stat.shape)
        return
    total = stat.num_pushes * stat.mean_array
    mean = (total - before.num_pushes * before.mean_array) / count
    weight = before.num_pushes * count / stat.num_pushes
    between = (before.mean_array - mean) ** 2 * weight
    within = stat.sum_sq_diff_array - before.sum_sq_diff_array - between
    stat.mean_delta_array = mean
    # Not below 0, which rounding could give.
    stat.sum_sq_diff_delta_array = np.maximum(0, within)


def mean_std_filter(
    _env: Any = None, _spaces: Any = None, _device: Any = None
) -> MergedMeanStdFilter:
    """The filter of an env runner; RLlib calls this."""
    return MergedMeanStdFilter()
