"""Which part of an algorithm each key of `config` sets: sorts, and refuses what has no place. Pure but for RLlib's classes."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from tune_tasks.errors import ConfigError, did_you_mean
from tune_tasks.rllib.keys_2017 import (
    IGNORED,
    KEYS,
    MODEL_IGNORED,
    MODEL_KEYS,
    MODEL_REFUSED,
    REFUSED,
    Part,
    Place,
)
from tune_tasks.rllib.settings import UNUSED

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


class Sorter:
    """Sorts the keys of one algorithm's `config`.

    Args:
        alg: The algorithm's name.
        settings: The names of its settings.
        model: The names in RLlib's model config.
    """

    def __init__(self, alg: str, settings: Iterable[str], model: Iterable[str]) -> None:
        self._alg, self._settings, self._model = alg, frozenset(settings), frozenset(model)
        self._given = Given()

    def sort(self, config: Mapping[str, Any]) -> Given:
        """Put each key where it belongs. Raises ConfigError for a key that has no place."""
        for name, value in config.items():
            if name in _NESTED:
                self._nested(name, _mapping(value, (name,)))
            elif name not in IGNORED:
                self._put(self._place((name,), name, KEYS, REFUSED, self._settings), Entry((name,), value))
        return self._given

    def _nested(self, name: str, value: Mapping[str, Any]) -> None:
        if name == "env_config":
            self._given.arguments = value
        elif name == "replay_buffer_config":
            self._replay(name, value)
        elif name == "evaluation_config":
            self._put(Place(Part.EVALUATION, name), Entry((name,), value))
        else:
            self._models(name, value)

    def _models(self, name: str, value: Mapping[str, Any]) -> None:
        for inner, item in value.items():
            if inner not in MODEL_IGNORED:
                place = self._place((name, inner), inner, MODEL_KEYS, MODEL_REFUSED, self._model, Part.MODEL)
                self._put(place, Entry((name, inner), item))

    def _replay(self, name: str, value: Mapping[str, Any]) -> None:
        for inner, item in value.items():
            if inner not in _REPLAY_KEYS:
                raise _unknown((name, inner), inner, _REPLAY_KEYS)
            self._given.put(Part.REPLAY, _REPLAY_KEYS[inner], Entry((name, inner), item))

    def _put(self, place: Place, entry: Entry) -> None:
        self._given.put(place.part, place.name, Entry(entry.key, place.convert(entry.value)))

    def _place(
        self,
        key: Key,
        name: str,
        places: Mapping[str, Place],
        refused: Mapping[str, str],
        today: frozenset[str],
        part: Part = Part.SETTING,
    ) -> Place:
        place = places.get(name)
        if place is not None:
            return self._checked(key, place)
        if name in refused:
            raise ConfigError(refused[name], key)
        if name not in today:
            raise _unknown(key, name, {*places, *today, *_NESTED} - set(UNUSED) if part is Part.SETTING else {*places, *today})
        return Place(part, name)

    def _checked(self, key: Key, place: Place) -> Place:
        if place.only and self._alg not in place.only:
            raise ConfigError(f"has no effect on {self._alg}; it is a setting of {', '.join(place.only)}", key)
        if place.part is Part.SETTING and place.name not in self._settings:
            raise ConfigError(f"has no effect on {self._alg}, which has no `{place.name}` in RLlib", key)
        return place


def _mapping(value: Any, key: Key) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise ConfigError(f"expected a mapping, got {value!r}", key)
    return value


def _unknown(key: Key, name: str, candidates: Iterable[str]) -> ConfigError:
    return ConfigError(f"unknown key{did_you_mean(name, sorted(candidates))}", key)
