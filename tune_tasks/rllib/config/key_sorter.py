"""Sorts the keys of a `config` by what they set, and refuses those that set nothing.

Pure, but for RLlib's classes.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from tune_tasks.errors import ConfigError, did_you_mean
from tune_tasks.rllib.config.catalog import ALGORITHMS, Algorithm, Trait, names_with
from tune_tasks.rllib.config.keys_2017 import (
    EXPLORATION_KEYS,
    KEYS,
    MODEL_KEYS,
    OPTIMIZATION_KEYS,
    REPLAY_KEYS,
    TWO_MODELS,
    WITH_TWO_MODELS,
    Part,
    Place,
)
from tune_tasks.rllib.config.keys_gone import (
    FIXED,
    IGNORED,
    MODEL_IGNORED,
    MODEL_REFUSED,
    OLD_VALUES,
    REFUSED,
    REPLAY_IGNORED,
)
from tune_tasks.rllib.config.settings import settings_of
from tune_tasks.rllib.config.sorted_keys import Entry, Key, SortedKeys
from tune_tasks.rllib.config.unused import UNUSED

_NESTED = (
    "model",
    "model_config",
    *TWO_MODELS,
    "env_config",
    "replay_buffer_config",
    "evaluation_config",
    "optimization",
    "exploration_config",
)
_SCHEDULES = ("lr_schedule", "entropy_coeff_schedule")
_EPSILON_GREEDY = ("EpsilonGreedy", "ray.rllib.utils.exploration.EpsilonGreedy")
_DEFAULT_EXPLORATION = ("StochasticSampling", "OrnsteinUhlenbeckNoise")


@dataclass(frozen=True)
class KnownKeys:
    """The keys that one mapping can have.

    Attributes:
        part: The part that today's names set.
        today: RLlib's names.
        renamed: Other names for them, or for something else.
        ignored: Names without effect -> why.
        refused: Names that are an error -> why.
        of_model: Names that are keys of `model`.
    """

    part: Part
    today: frozenset[str] = frozenset()
    renamed: Mapping[str, Place] = field(default_factory=dict)
    ignored: Mapping[str, str] = field(default_factory=dict)
    refused: Mapping[str, str] = field(default_factory=dict)
    of_model: frozenset[str] = frozenset()

    def is_without_effect(self, name: str, value: Any) -> bool:
        """Return whether a key asks for nothing."""
        if name in self.ignored:
            return True
        return name in self.refused and (value is None or value is False)

    def place(self, name: str, key: Key) -> Place:
        """Return what a key sets.

        Raises:
            ConfigError: If the key is refused or unknown.
        """
        if name in self.refused:
            raise ConfigError(self.refused[name], key)
        if name in self.renamed:
            return self.renamed[name]
        if name in self.today:
            return Place(self.part, name)
        raise self._unknown(name, key)

    def _unknown(self, name: str, key: Key) -> ConfigError:
        known = {*self.renamed, *self.today}
        if self.part is Part.SETTING:
            others = _algorithms_with(name)
            if others:
                return ConfigError(f"is a setting of {', '.join(others)} only", key)
            known |= {*_NESTED}
        if name in self.of_model:
            return ConfigError(f"unknown key; write `model: {{{name}: …}}`", key)
        return ConfigError(f"unknown key{did_you_mean(name, sorted(known - set(UNUSED)))}", key)


def _algorithms_with(setting: str) -> list[str]:
    return [
        algorithm.name
        for algorithm in ALGORITHMS.values()
        if setting in settings_of(algorithm.config_class())
    ]


class KeySorter:
    """Sorts the keys of one algorithm's `config`.

    Args:
        algorithm: The algorithm.
        settings: The names of its settings.
        model: The names in RLlib's model config.
    """

    def __init__(self, algorithm: Algorithm, settings: Iterable[str], model: Iterable[str]) -> None:
        self._algorithm = algorithm
        self._sorted = SortedKeys()
        today = frozenset(model)
        self._model = KnownKeys(Part.MODEL, today, MODEL_KEYS, MODEL_IGNORED, MODEL_REFUSED)
        self._config = KnownKeys(
            Part.SETTING,
            frozenset(settings),
            KEYS,
            IGNORED,
            REFUSED,
            of_model=today | MODEL_KEYS.keys(),
        )
        self._replay = KnownKeys(
            Part.REPLAY, frozenset({"capacity", "alpha", "beta"}), REPLAY_KEYS, REPLAY_IGNORED
        )
        self._optimization = KnownKeys(Part.SETTING, renamed=OPTIMIZATION_KEYS)
        self._exploration = KnownKeys(Part.EXPLORATION, renamed=EXPLORATION_KEYS)

    def sort(self, config: Mapping[str, Any]) -> SortedKeys:
        """Put each key where it belongs; note in `problems` what belongs nowhere."""
        for name, value in config.items():
            with self._sorted.noting():
                if name in _NESTED:
                    self._sort_nested(name, value)
                elif not self._holds_anyway(name, value):
                    self._put(self._config, (name,), value)
        return self._sorted

    def _sort_nested(self, name: str, value: Any) -> None:
        if value is None and name != "env_config":
            return
        if not isinstance(value, Mapping):
            raise ConfigError(f"expected a mapping, got {value!r}", (name,))
        if name == "env_config":
            self._sorted.arguments = value
        elif name == "evaluation_config":
            self._sorted.put(Part.EVALUATION, name, Entry((name,), value))
        elif name == "exploration_config":
            self._sort_exploration(name, value)
        else:
            self._put_all(self._known_keys(name), name, value)

    def _known_keys(self, name: str) -> KnownKeys:
        """The keys of a nested mapping, most of which are networks."""
        alg = self._algorithm.name
        if name in TWO_MODELS and alg not in WITH_TWO_MODELS:
            others = ", ".join(WITH_TWO_MODELS)
            raise ConfigError(f"has no effect on {alg}; it is a setting of {others}", (name,))
        if name == "replay_buffer_config":
            return self._replay
        if name == "optimization":
            return self._optimization
        return self._model

    def _put_all(self, known: KnownKeys, name: str, value: Mapping[str, Any]) -> None:
        for inner, item in value.items():
            with self._sorted.noting():
                self._put(known, (name, inner), item)

    def _sort_exploration(self, name: str, value: Mapping[str, Any]) -> None:
        by_epsilon = self._algorithm.explores_by_epsilon
        kind = value.get("type", "EpsilonGreedy" if by_epsilon else None)
        rest = {inner: item for inner, item in value.items() if inner != "type"}
        if by_epsilon and kind in _EPSILON_GREEDY:
            self._put_all(self._exploration, name, rest)
        elif rest or kind not in (None, *_DEFAULT_EXPLORATION):
            raise self._old_exploration(name)

    def _old_exploration(self, name: str) -> ConfigError:
        explorers = ", ".join(names_with(Trait.RANDOM_ACTIONS))
        if self._algorithm.explores_by_epsilon:
            how = f"{explorers} takes `epsilon`, e.g. [[0, 1.0], [10000, 0.02]]"
        else:
            how = f"only {explorers}'s `epsilon` is left of it"
        return ConfigError(
            f"belongs to RLlib's old API stack and has no effect on the new one; {how}", (name,)
        )

    def _holds_anyway(self, name: str, value: Any) -> bool:
        """Return whether a key asks for what holds without it.

        Raises:
            ConfigError: If the key can have one value only, and has another.
        """
        old = OLD_VALUES.get(name)
        if old is not None and value in old.values:
            return True
        if name in _SCHEDULES and value is None:
            return True
        fixed = FIXED.get(name)
        if fixed is None or (fixed.only and self._algorithm.name not in fixed.only):
            return False
        if value != fixed.value:
            raise ConfigError(f"expected {fixed.value!r}, got {value!r}: {fixed.reason}", (name,))
        return True

    def _put(self, known: KnownKeys, key: Key, value: Any) -> None:
        if known.is_without_effect(key[-1], value):
            return
        place = known.place(key[-1], key)
        self._check(place, key)
        entry = Entry(key, place.convert(value))
        if not self._is_said_by_the_other_model(place, entry):
            self._sorted.put(place.part, place.name, entry)

    def _is_said_by_the_other_model(self, place: Place, entry: Entry) -> bool:
        """Return whether SAC's other model has the same value for the key; both are one model now.

        Raises:
            ConfigError: If it has another value.
        """
        other = self._sorted.parts[place.part].get(place.name)
        if other is None or other.key[0] not in TWO_MODELS or entry.key[0] not in TWO_MODELS:
            return False
        if other.value != entry.value:
            values = f"{entry.value!r} here, {other.value!r} in {other.key[0]}"
            raise ConfigError(
                f"the networks have one `model` today, and the two differ: {values}", entry.key
            )
        return True

    def _check(self, place: Place, key: Key) -> None:
        alg = self._algorithm.name
        if place.only and alg not in place.only:
            raise ConfigError(
                f"has no effect on {alg}; it is a setting of {', '.join(place.only)}", key
            )
        if place.part is Part.SETTING and place.name not in self._config.today:
            raise ConfigError(f"has no effect on {alg}, which has no `{place.name}` in RLlib", key)
