"""The keys of the environment, from `config` and `model`: how it is made and wrapped."""

from __future__ import annotations

import dataclasses
import typing

from tune_tasks.errors import ConfigError
from tune_tasks.rllib.config.keys_2017 import Part
from tune_tasks.rllib.config.options import IMAGE_OPTIONS, EnvironmentOptions
from tune_tasks.rllib.config.sorted_keys import SortedKeys
from tune_tasks.rllib.config.values import check_hint, check_range
from tune_tasks.rllib.envs.env_class import is_class
from tune_tasks.rllib.envs.env_ids import is_atari


def environment_options(env: str | None, keys: SortedKeys) -> EnvironmentOptions:
    """Return how the environment is made and wrapped.

    Notes in `keys.problems` a value that cannot be used, and an option of images if `env` is not an
    Atari game.
    """
    hints = typing.get_type_hints(EnvironmentOptions)
    entries = keys.parts[Part.ENVIRONMENT]
    has_images = env is None or is_class(env) or is_atari(env)
    for name, entry in entries.items():
        with keys.noting():
            if name in IMAGE_OPTIONS and not has_images:
                raise ConfigError(
                    f"has no effect on {env}, which is not an Atari game played by its images",
                    entry.key,
                )
            check_hint(hints[name], entry.value, entry.key)
            check_range(name, entry.value, entry.key)
    options = EnvironmentOptions(arguments=dict(keys.arguments), framestack=_framestack(keys))
    return dataclasses.replace(options, **{name: entry.value for name, entry in entries.items()})


def _framestack(keys: SortedKeys) -> int:
    """The number of images by default: one for an LSTM, which has a memory of its own."""
    lstm = keys.parts[Part.MODEL].get("use_lstm")
    has_memory = lstm is not None and lstm.value
    return 1 if has_memory else EnvironmentOptions.framestack
