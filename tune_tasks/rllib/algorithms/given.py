"""Sets those of a config's settings that its caller has given."""

from __future__ import annotations

from typing import Any

from ray.rllib.algorithms.algorithm_config import AlgorithmConfig, NotProvided


def set_given(config: AlgorithmConfig, **settings: Any) -> None:
    """Set each setting whose value is not RLlib's `NotProvided`.

    Args:
        config: The config, which is changed.
        **settings: The settings by name.
    """
    for name, value in settings.items():
        if value is not NotProvided:
            setattr(config, name, value)
