"""What stands between an environment's observations and the networks."""

from __future__ import annotations

from typing import Any

from ray.rllib.connectors.env_to_module import MeanStdFilter


def mean_std_filter(_env: Any = None, _spaces: Any = None, _device: Any = None) -> MeanStdFilter:
    """2017's `observation_filter: MeanStdFilter`: observations less their running mean, over their running deviation.

    Runs in each env runner; RLlib merges what they have seen after each iteration.
    """
    return MeanStdFilter()
