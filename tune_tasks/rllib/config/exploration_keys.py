"""The keys of random actions: numbers of 2017, as the schedule `epsilon` that RLlib 2.60 takes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tune_tasks.errors import ConfigError
from tune_tasks.rllib.config.catalog import Algorithm, Trait, names_with
from tune_tasks.rllib.config.keys_2017 import Part
from tune_tasks.rllib.config.sorted_keys import Entry, SortedKeys
from tune_tasks.rllib.config.values import check_hint, check_range

_DEFAULTS_OF_2017 = {"max_timesteps": 100_000, "fraction": 0.1, "initial": 1.0, "final": 0.02}
_HINTS: Mapping[str, type] = {
    "max_timesteps": int,
    "timesteps": int,
    "fraction": float,
    "initial": float,
    "final": float,
}


def set_exploration(algorithm: Algorithm, keys: SortedKeys) -> None:
    """Turn the old numbers into `epsilon`.

    Notes in `keys.problems` a number that is out of its range, or that is given to an algorithm
    without `epsilon`.
    """
    entries = keys.parts[Part.EXPLORATION]
    problems_before = len(keys.problems)
    for name, entry in entries.items():
        with keys.noting():
            if not algorithm.explores_by_epsilon:
                others = ", ".join(names_with(Trait.RANDOM_ACTIONS))
                raise ConfigError(
                    f"has no effect on {algorithm.name}; it is a setting of {others}", entry.key
                )
            check_hint(_HINTS[name], entry.value, entry.key)
            check_range(name, entry.value, entry.key)
    if entries and len(keys.problems) == problems_before:
        first = next(iter(entries.values()))
        keys.put(Part.SETTING, "epsilon", Entry(first.key, _schedule(entries)))


def _schedule(entries: Mapping[str, Entry]) -> list[list[float]]:
    """From the first value to the last, in a fraction of all steps."""
    given = {name: entry.value for name, entry in entries.items()}
    values: dict[str, Any] = {**_DEFAULTS_OF_2017, **given}
    steps = values.get("timesteps", round(values["max_timesteps"] * values["fraction"]))
    return [[0, float(values["initial"])], [max(1, steps), values["final"]]]
