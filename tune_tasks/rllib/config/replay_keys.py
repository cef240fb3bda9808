"""DQN's words of 2017.

Its replay buffer and its schedule of random actions, as RLlib 2.60 takes them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from tune_tasks.errors import ConfigError
from tune_tasks.rllib.config.given import Entry, Given
from tune_tasks.rllib.config.keys_2017 import Part
from tune_tasks.rllib.config.settings import ON_DATA, check_hint, check_range

if TYPE_CHECKING:
    from ray.rllib.algorithms.algorithm_config import AlgorithmConfig

_BUFFERS = {False: "EpisodeReplayBuffer", True: "PrioritizedEpisodeReplayBuffer"}
_HINTS: Mapping[str, Any] = {
    "capacity": int,
    "alpha": float,
    "beta": float,
    "prioritized": bool,
    "type": str,
}
# The defaults of 2017
_EXPLORATION = {"max_timesteps": 100_000, "fraction": 0.1, "initial": 1.0, "final": 0.02}
_EXPLORATION_HINTS: Mapping[str, Any] = {
    **dict.fromkeys(("max_timesteps", "timesteps"), int),
    **dict.fromkeys(("fraction", "initial", "final"), float),
}


def set_replay(alg: str, built: AlgorithmConfig, given: Given) -> None:
    """Set `replay_buffer_config` from what was given of it.

    An entry of an algorithm that has no replay buffer is noted in `given.problems`.

    Raises:
        ConfigError: If a plain buffer is to have priorities.
    """
    entries = given.parts[Part.REPLAY]
    wrong = len(given.problems)
    for name, entry in entries.items():
        with given.noting():
            if not hasattr(built, "replay_buffer_config") or alg in ON_DATA:
                raise ConfigError("has no effect: this algorithm has no replay buffer", entry.key)
            check_hint(_HINTS[name], entry.value, entry.key)
            check_range(name, entry.value, entry.key)
    if entries and len(given.problems) == wrong:
        arguments: dict[str, Any] = {"replay_buffer_config": _buffer(built, given, entries)}
        built.training(**arguments)


def _buffer(built: AlgorithmConfig, given: Given, entries: Mapping[str, Entry]) -> dict[str, Any]:
    default: dict[str, Any] = vars(built)["replay_buffer_config"]
    if "prioritized" in entries:
        key, prioritized = entries["prioritized"].key, entries["prioritized"].value
        given.put(Part.REPLAY, "type", Entry(key, _BUFFERS[prioritized]))
    buffer = {name: entry.value for name, entry in entries.items() if name != "prioritized"}
    kind = buffer.setdefault("type", default["type"])
    _check_buffer(kind, entries)
    # RLlib drops its other defaults where the type changes.
    names = [name for name in ("alpha", "beta") if name in default and kind == _BUFFERS[True]]
    priorities: dict[str, Any] = {name: default[name] for name in names}
    return {"capacity": default["capacity"], **priorities, **buffer}


def _check_buffer(kind: str, entries: Mapping[str, Entry]) -> None:
    if kind not in _BUFFERS.values():
        raise ConfigError(
            f"expected {' or '.join(_BUFFERS.values())}, got {kind!r}", entries["type"].key
        )
    for name in ("alpha", "beta"):
        if name in entries and kind != _BUFFERS[True]:
            raise ConfigError(
                "has no effect on a replay buffer without priorities", entries[name].key
            )


def set_exploration(alg: str, given: Given) -> None:
    """Turn the old numbers into DQN's `epsilon`.

    From 1 to the final value, in a fraction of the schedule's steps.

    A number out of its range, or of an algorithm that does not act at random by a schedule, is
    noted in `given.problems`.
    """
    entries = given.parts[Part.EXPLORATION]
    wrong = len(given.problems)
    for name, entry in entries.items():
        with given.noting():
            if alg != "DQN":
                raise ConfigError(f"has no effect on {alg}; it is a setting of DQN", entry.key)
            check_hint(_EXPLORATION_HINTS[name], entry.value, entry.key)
            check_range(name, entry.value, entry.key)
    if entries and len(given.problems) == wrong:
        values = _EXPLORATION | {name: entry.value for name, entry in entries.items()}
        steps = values.get("timesteps", round(values["max_timesteps"] * values["fraction"]))
        schedule = [[0, float(values["initial"])], [max(1, steps), values["final"]]]
        given.put(Part.SETTING, "epsilon", Entry(next(iter(entries.values())).key, schedule))
