"""Which part of an algorithm each key of `config` sets: sorts, and refuses what has no place.

Pure but for RLlib's classes.
"""

from __future__ import annotations

import contextlib
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from tune_tasks.errors import ConfigError, did_you_mean
from tune_tasks.rllib.config.catalog import ALGORITHMS, config_class
from tune_tasks.rllib.config.keys_2017 import (
    EXPLORATION_KEYS,
    FIXED,
    IGNORED,
    KEYS,
    MODEL_IGNORED,
    MODEL_KEYS,
    MODEL_REFUSED,
    OLD_VALUES,
    OPTIMIZATION_KEYS,
    REFUSED,
    REPLAY_IGNORED,
    REPLAY_KEYS,
    Part,
    Place,
)
from tune_tasks.rllib.config.settings import UNUSED, settings_of

Key = tuple[str, ...]
_MODELS = ("model", "model_config")
#: SAC's names of 2020 for the models of its networks, and those that RLlib gave them later.
_TWO_MODELS = ("Q_model", "policy_model", "q_model_config", "policy_model_config")
_NESTED = (
    *(
        *_MODELS,
        *_TWO_MODELS,
        "env_config",
        "replay_buffer_config",
        "evaluation_config",
        "optimization",
    ),
    "exploration_config",
)
_SCHEDULES = ("lr_schedule", "entropy_coeff_schedule")
_EPSILON_GREEDY = ("EpsilonGreedy", "ray.rllib.utils.exploration.EpsilonGreedy")
_DEFAULT_EXPLORATION = ("StochasticSampling", "OrnsteinUhlenbeckNoise")


@dataclass(frozen=True)
class Entry:
    """A value, and the key in `config` that it stands at."""

    key: Key
    value: Any


@dataclass
class Given:
    """The keys of a `config`, sorted by what they set.

    Attributes:
        parts: For each part, the names there and their entries.
        arguments: The environment's keyword arguments.
        problems: What has been found to be wrong.
    """

    parts: dict[Part, dict[str, Entry]] = field(default_factory=lambda: defaultdict(dict))
    arguments: Mapping[str, Any] = field(default_factory=dict)
    problems: list[ConfigError] = field(default_factory=list)

    @contextlib.contextmanager
    def noting(self) -> Iterator[None]:
        """Keep what is found to be wrong in the context, and go on after it."""
        try:
            yield
        except ConfigError as error:
            self.problems += [
                problem for problem in error.each() if str(problem) not in map(str, self.problems)
            ]

    def check(self) -> None:
        """Raise one ConfigError for everything that was found to be wrong."""
        if self.problems:
            first, *others = self.problems
            raise ConfigError(first.message, first.key, tuple(others))

    def put(self, part: Part, name: str, entry: Entry) -> None:
        """Enter a value. Raise ConfigError if the same thing was given under another key."""
        other = self.parts[part].get(name)
        if other is not None:
            raise ConfigError(
                f"sets the same as config.{'.'.join(other.key)}; give one of them", entry.key
            )
        self.parts[part][name] = entry


@dataclass(frozen=True)
class Vocabulary:
    """The keys that one mapping may have.

    Attributes:
        part: What today's names set.
        today: RLlib's names.
        renamed: Other names for them, or for something else.
        ignored: Names without effect -> why.
        refused: Names that are an error -> why.
    """

    part: Part
    today: frozenset[str]
    renamed: Mapping[str, Place]
    ignored: Mapping[str, str]
    refused: Mapping[str, str]

    def is_without_effect(self, name: str, value: Any) -> bool:
        """Whether a key asks for nothing."""
        return name in self.ignored or (name in self.refused and (value is None or value is False))

    def place(self, name: str, key: Key) -> Place:
        """What a key sets. Raises ConfigError if it is refused or unknown."""
        if name in self.refused:
            raise ConfigError(self.refused[name], key)
        if name in self.renamed:
            return self.renamed[name]
        if name in self.today:
            return Place(self.part, name)
        if self.part is Part.SETTING and (others := _algorithms_with(name)):
            raise ConfigError(f"is a setting of {', '.join(others)} only", key)
        known = {*self.renamed, *self.today, *(_NESTED if self.part is Part.SETTING else ())}
        raise ConfigError(f"unknown key{did_you_mean(name, sorted(known - set(UNUSED)))}", key)


def _algorithms_with(name: str) -> list[str]:
    return [alg for alg in ALGORITHMS if name in settings_of(config_class(alg))]


class Sorter:
    """Sorts the keys of one algorithm's `config`.

    Args:
        alg: The algorithm's name.
        settings: The names of its settings.
        model: The names in RLlib's model config.
    """

    def __init__(self, alg: str, settings: Iterable[str], model: Iterable[str]) -> None:
        self._alg, self._given = alg, Given()
        self._config = Vocabulary(Part.SETTING, frozenset(settings), KEYS, IGNORED, REFUSED)
        self._model = Vocabulary(
            Part.MODEL, frozenset(model), MODEL_KEYS, MODEL_IGNORED, MODEL_REFUSED
        )
        self._replay = Vocabulary(
            Part.REPLAY, frozenset({"capacity", "alpha", "beta"}), REPLAY_KEYS, REPLAY_IGNORED, {}
        )
        self._optimization = Vocabulary(Part.SETTING, frozenset(), OPTIMIZATION_KEYS, {}, {})
        self._exploration = Vocabulary(Part.EXPLORATION, frozenset(), EXPLORATION_KEYS, {}, {})

    def sort(self, config: Mapping[str, Any]) -> Given:
        """Put each key where it belongs.

        A key that has no place is noted in the result's `problems`.
        """
        for name, value in config.items():
            with self._given.noting():
                if name in _NESTED:
                    self._nested(name, value)
                elif not self._is_so_anyway(name, value):
                    self._put(self._config, (name,), value)
        return self._given

    def _nested(self, name: str, value: Any) -> None:
        if value is None and name != "env_config":
            return
        if not isinstance(value, Mapping):
            raise ConfigError(f"expected a mapping, got {value!r}", (name,))
        if name == "env_config":
            self._given.arguments = value
        elif name == "evaluation_config":
            self._given.put(Part.EVALUATION, name, Entry((name,), value))
        elif name == "exploration_config":
            self._explore(name, value)
        else:
            self._all(self._vocabulary(name), name, value)

    def _vocabulary(self, name: str) -> Vocabulary:
        if name in _TWO_MODELS and self._alg not in ("SAC", "CQL"):
            raise ConfigError(f"has no effect on {self._alg}; it is a setting of SAC, CQL", (name,))
        return {"replay_buffer_config": self._replay, "optimization": self._optimization}.get(
            name, self._model
        )

    def _all(self, vocabulary: Vocabulary, name: str, value: Mapping[str, Any]) -> None:
        for inner, item in value.items():
            with self._given.noting():
                self._put(vocabulary, (name, inner), item)

    def _explore(self, name: str, value: Mapping[str, Any]) -> None:
        kind = value.get("type", "EpsilonGreedy" if self._alg == "DQN" else None)
        rest = {inner: item for inner, item in value.items() if inner != "type"}
        if self._alg == "DQN" and kind in _EPSILON_GREEDY:
            self._all(self._exploration, name, rest)
        elif rest or kind not in (None, *_DEFAULT_EXPLORATION):
            how = (
                "DQN takes `epsilon`, e.g. [[0, 1.0], [10000, 0.02]]"
                if self._alg == "DQN"
                else "only DQN's `epsilon` is left of it"
            )
            raise ConfigError(
                f"belongs to RLlib's old API stack and has no effect on the new one; {how}", (name,)
            )

    def _is_so_anyway(self, name: str, value: Any) -> bool:
        old, fixed = OLD_VALUES.get(name), FIXED.get(name)
        if (old and value in old.values) or (name in _SCHEDULES and value is None):
            return True
        if fixed is None or (fixed.only and self._alg not in fixed.only):
            return False
        if value != fixed.value:
            raise ConfigError(f"expected {fixed.value!r}, got {value!r}: {fixed.reason}", (name,))
        return True

    def _put(self, vocabulary: Vocabulary, key: Key, value: Any) -> None:
        if vocabulary.is_without_effect(key[-1], value):
            return
        place = vocabulary.place(key[-1], key)
        self._check(place, key)
        entry = Entry(key, place.convert(value))
        if not self._is_the_same_in_both_models(place, entry):
            self._given.put(place.part, place.name, entry)

    def _is_the_same_in_both_models(self, place: Place, entry: Entry) -> bool:
        """Whether one of SAC's two models says what the other has said.

        The networks have one model now.
        """
        other = self._given.parts[place.part].get(place.name)
        if other is None or not {entry.key[0], other.key[0]} <= set(_TWO_MODELS):
            return False
        if other.value != entry.value:
            names = f"{entry.value!r} here, {other.value!r} in {other.key[0]}"
            raise ConfigError(
                f"the networks have one `model` today, and this differs: {names}", entry.key
            )
        return True

    def _check(self, place: Place, key: Key) -> None:
        if place.only and self._alg not in place.only:
            raise ConfigError(
                f"has no effect on {self._alg}; it is a setting of {', '.join(place.only)}", key
            )
        if place.part is Part.SETTING and place.name not in self._config.today:
            raise ConfigError(
                f"has no effect on {self._alg}, which has no `{place.name}` in RLlib", key
            )
