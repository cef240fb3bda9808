"""The keys of a replay buffer: DQN's names of 2017, and what RLlib 2.60 makes of them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from tune_tasks.errors import ConfigError
from tune_tasks.rllib.config.catalog import Algorithm
from tune_tasks.rllib.config.keys_2017 import Part
from tune_tasks.rllib.config.sorted_keys import Entry, SortedKeys
from tune_tasks.rllib.config.values import check_hint, check_range

if TYPE_CHECKING:
    from ray.rllib.algorithms.algorithm_config import AlgorithmConfig

_PLAIN = "EpisodeReplayBuffer"
_PRIORITIZED = "PrioritizedEpisodeReplayBuffer"
_PRIORITIES = ("alpha", "beta")
_HINTS: Mapping[str, type] = {
    "capacity": int,
    "alpha": float,
    "beta": float,
    "prioritized": bool,
    "type": str,
}


def set_replay(algorithm: Algorithm, built: AlgorithmConfig, keys: SortedKeys) -> None:
    """Set `replay_buffer_config`.

    Notes in `keys.problems` an entry of an algorithm that has no replay buffer.

    Raises:
        ConfigError: If a plain buffer is to have priorities.
    """
    entries = keys.parts[Part.REPLAY]
    problems_before = len(keys.problems)
    has_buffer = hasattr(built, "replay_buffer_config") and not algorithm.learns_from_data
    for name, entry in entries.items():
        with keys.noting():
            if not has_buffer:
                raise ConfigError("has no effect: this algorithm has no replay buffer", entry.key)
            check_hint(_HINTS[name], entry.value, entry.key)
            check_range(name, entry.value, entry.key)
    if entries and len(keys.problems) == problems_before:
        arguments: dict[str, Any] = {"replay_buffer_config": _buffer(built, keys, entries)}
        built.training(**arguments)


def _buffer(
    built: AlgorithmConfig, keys: SortedKeys, entries: Mapping[str, Entry]
) -> dict[str, Any]:
    default: dict[str, Any] = vars(built)["replay_buffer_config"]
    if "prioritized" in entries:
        asked = entries["prioritized"]
        kind = _PRIORITIZED if asked.value else _PLAIN
        keys.put(Part.REPLAY, "type", Entry(asked.key, kind))
    buffer = {name: entry.value for name, entry in entries.items() if name != "prioritized"}
    kind = buffer.setdefault("type", default["type"])
    _check_buffer(kind, entries)
    # Ours, because RLlib drops its own defaults if the type is another than its default.
    defaults = {"capacity": default["capacity"]}
    if kind == _PRIORITIZED:
        defaults |= {name: default[name] for name in _PRIORITIES if name in default}
    return {**defaults, **buffer}


def _check_buffer(kind: str, entries: Mapping[str, Entry]) -> None:
    if kind not in (_PLAIN, _PRIORITIZED):
        raise ConfigError(f"expected {_PLAIN} or {_PRIORITIZED}, got {kind!r}", entries["type"].key)
    for name in _PRIORITIES:
        if name in entries and kind == _PLAIN:
            raise ConfigError(
                "has no effect on a replay buffer without priorities", entries[name].key
            )
