"""Which part of an algorithm each key of `config` sets: sorts, and refuses what has no place. Pure but for RLlib's classes."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from tune_tasks.errors import ConfigError, did_you_mean
from tune_tasks.rllib.catalog import ALGORITHMS, config_class
from tune_tasks.rllib.keys_2017 import (
    FIXED,
    IGNORED,
    KEYS,
    MODEL_IGNORED,
    MODEL_KEYS,
    MODEL_REFUSED,
    REFUSED,
    Part,
    Place,
)
from tune_tasks.rllib.settings import UNUSED, settings_of

Key = tuple[str, ...]
_MODELS = ("model", "model_config")
_NESTED = (*_MODELS, "env_config", "replay_buffer_config", "evaluation_config")
_REPLAY_KEYS = {
    **{name: name for name in ("type", "capacity", "alpha", "beta")},
    "prioritized_replay_alpha": "alpha",
    "prioritized_replay_beta": "beta",
}


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
    """

    parts: dict[Part, dict[str, Entry]] = field(default_factory=lambda: defaultdict(dict))
    arguments: Mapping[str, Any] = field(default_factory=dict)

    def put(self, part: Part, name: str, entry: Entry) -> None:
        """Enter a value. Raise ConfigError if the same thing was given under another key."""
        other = self.parts[part].get(name)
        if other is not None:
            raise ConfigError(f"sets the same as config.{'.'.join(other.key)}; give one of them", entry.key)
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
        self._model = Vocabulary(Part.MODEL, frozenset(model), MODEL_KEYS, MODEL_IGNORED, MODEL_REFUSED)

    def sort(self, config: Mapping[str, Any]) -> Given:
        """Put each key where it belongs. Raises ConfigError for a key that has no place."""
        for name, value in config.items():
            if name in _NESTED:
                self._nested(name, value)
            elif not self._is_so_anyway(name, value):
                self._put(self._config, (name,), value)
        return self._given

    def _nested(self, name: str, value: Any) -> None:
        if not isinstance(value, Mapping):
            raise ConfigError(f"expected a mapping, got {value!r}", (name,))
        if name == "env_config":
            self._given.arguments = value
        elif name == "replay_buffer_config":
            self._replay(name, value)
        elif name == "evaluation_config":
            self._given.put(Part.EVALUATION, name, Entry((name,), value))
        else:
            for inner, item in value.items():
                self._put(self._model, (name, inner), item)

    def _replay(self, name: str, value: Mapping[str, Any]) -> None:
        for inner, item in value.items():
            if inner not in _REPLAY_KEYS:
                raise ConfigError(f"unknown key{did_you_mean(inner, sorted(_REPLAY_KEYS))}", (name, inner))
            self._given.put(Part.REPLAY, _REPLAY_KEYS[inner], Entry((name, inner), item))

    def _is_so_anyway(self, name: str, value: Any) -> bool:
        fixed = FIXED.get(name)
        if fixed is None or (fixed.only and self._alg not in fixed.only):
            return False
        if value != fixed.value:
            raise ConfigError(f"expected {fixed.value!r}, got {value!r}: {fixed.reason}", (name,))
        return True

    def _put(self, vocabulary: Vocabulary, key: Key, value: Any) -> None:
        if key[-1] not in vocabulary.ignored:
            place = vocabulary.place(key[-1], key)
            self._check(place, key)
            self._given.put(place.part, place.name, Entry(key, place.convert(value)))

    def _check(self, place: Place, key: Key) -> None:
        if place.only and self._alg not in place.only:
            raise ConfigError(f"has no effect on {self._alg}; it is a setting of {', '.join(place.only)}", key)
        if place.part is Part.SETTING and place.name not in self._config.today:
            raise ConfigError(f"has no effect on {self._alg}, which has no `{place.name}` in RLlib", key)
