"""The keys of the algorithms that learn from recorded data: where it is, and how it is read."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tune_tasks.errors import ConfigError, did_you_mean
from tune_tasks.rllib.config.catalog import Algorithm
from tune_tasks.rllib.config.keys_2017 import Part
from tune_tasks.rllib.config.sorted_keys import Entry, Key, SortedKeys
from tune_tasks.rllib.config.values import check_hint, check_range

if TYPE_CHECKING:
    from ray.rllib.algorithms.algorithm_config import AlgorithmConfig

_SHUFFLING: Mapping[str, type] = {
    "local_shuffle_buffer_size": int,
    "local_shuffle_seed": int,
    "drop_last": bool,
}
_ABOUT_ROWS = ("input_read_schema", "input_compress_columns", "ignore_final_observation")


def set_data_defaults(algorithm: Algorithm, built: AlgorithmConfig, keys: SortedKeys) -> None:
    """Have the trial read its data itself, with settings that suit the data.

    Raises:
        ConfigError: If there is no data to learn from.
    """
    if not algorithm.learns_from_data:
        return
    from tune_tasks.rllib.data.recorded_data import RecordedData

    if "input_" not in keys.settings:
        raise ConfigError(
            f"{algorithm.name} learns from recorded data: expected `input`, a file or a folder", ()
        )
    memory = keys.parts[Part.MODEL].get("use_lstm")
    if memory and memory.value:
        raise ConfigError(
            f"{algorithm.name} learns from single steps here, not from sequences", memory.key
        )
    built.offline_data(
        offline_data_class=RecordedData,
        dataset_num_iters_per_learner=1,
        input_compress_columns=[],
        materialize_data=False,
        materialize_mapped_data=True,
    )
    built.reporting(min_time_s_per_iteration=0)


def check_data(
    algorithm: Algorithm, built: AlgorithmConfig, keys: SortedKeys, folders: Sequence[Path] | None
) -> None:
    """Check what the settings say together, and look at the data.

    A relative path becomes an absolute one.

    Args:
        algorithm: The algorithm.
        built: With all settings.
        keys: The config's entries.
        folders: The folders in which a relative path is looked for, in this order; None: the data
            is not looked at.

    Raises:
        ConfigError: If the data is not there, or lacks a column.
    """
    settings = keys.settings
    if not algorithm.learns_from_data or "input_" not in settings:
        return
    if "min_train_timesteps_per_iteration" not in settings:
        steps = algorithm.updates_per_iteration * built.total_train_batch_size
        built.reporting(min_train_timesteps_per_iteration=steps)
    _check_together(algorithm, built, settings)
    if folders is not None:
        source = _found(settings["input_"], folders)
        built.offline_data(input_=source)
        _check_columns(built, source, settings["input_"])


def _check_together(
    algorithm: Algorithm, built: AlgorithmConfig, settings: Mapping[str, Entry]
) -> None:
    for name, check in _CHECKS_OF_MAPPINGS.items():
        if name in settings and isinstance(settings[name].value, Mapping):
            check(settings[name])
    if built.input_read_episodes:
        for name in _ABOUT_ROWS:
            if name in settings:
                raise ConfigError(
                    "has no effect on whole episodes (`input_read_episodes`)", settings[name].key
                )
    for name in sorted(algorithm.constant & settings.keys()):
        if isinstance(settings[name].value, list):
            raise ConfigError(
                f"expected a number: RLlib's {algorithm.name} does not count steps for a schedule",
                settings[name].key,
            )


def _check_schema(entry: Entry) -> None:
    from ray.rllib.offline.offline_prelearner import SCHEMA

    for column, name in entry.value.items():
        key = (*entry.key, column)
        if column not in SCHEMA:
            raise _unknown_key(column, SCHEMA, key)
        check_hint(str, name, key)


def _check_shuffling(entry: Entry) -> None:
    for name, value in entry.value.items():
        key = (*entry.key, name)
        if name not in _SHUFFLING:
            raise _unknown_key(name, _SHUFFLING, key)
        check_hint(_SHUFFLING[name], value, key)
        check_range(name, value, key)


_CHECKS_OF_MAPPINGS: Mapping[str, Callable[[Entry], None]] = {
    "iter_batches_kwargs": _check_shuffling,
    "input_read_schema": _check_schema,
}


def _unknown_key(name: str, known: Mapping[str, Any], key: Key) -> ConfigError:
    return ConfigError(f"unknown key{did_you_mean(name, known)} (known: {', '.join(known)})", key)


def _found(entry: Entry, folders: Sequence[Path]) -> str | list[str]:
    if not entry.value:
        raise ConfigError("expected a file or a folder", entry.key)
    if isinstance(entry.value, str):
        return _path(entry.value, folders, entry.key)
    if not isinstance(entry.value, (list, tuple)):
        raise ConfigError(f"expected a text or a list, got {entry.value!r}", entry.key)
    return [_path(source, folders, entry.key) for source in entry.value]


def _path(source: str, folders: Sequence[Path], key: Key) -> str:
    if "://" in source:
        return source
    # Not Path.expanduser, which raises for a user who does not exist.
    written = os.path.expanduser(source)  # noqa: PTH111
    places = [folder / written for folder in folders]
    for place in places:
        if place.exists():
            return str(place)
    looked_at = " nor ".join(map(str, dict.fromkeys(places)))
    raise ConfigError(f"there is no {looked_at}", key)


def _check_columns(built: AlgorithmConfig, source: str | list[str], entry: Entry) -> None:
    from tune_tasks.rllib.data.recorded_data import missing_columns

    sources = [source] if isinstance(source, str) else source
    if any("://" in each for each in sources):
        return  # because it may take long to look there
    names = _columns(built, source, entry)
    missing = missing_columns(built, names)
    if not missing:
        return
    hint = "; `input_read_schema` says what they are called there"
    if built.input_read_episodes:
        hint = ""
    raise ConfigError(
        f"{source} has no column {', '.join(missing)} (its columns: {', '.join(names)}){hint}",
        entry.key,
    )


def _columns(built: AlgorithmConfig, source: str | list[str], entry: Entry) -> list[str]:
    from tune_tasks.rllib.data.recorded_data import FORMATS, columns, dataset

    try:
        files = dataset(source, built.input_read_method)
        names = columns(files)
    except (OSError, ValueError) as error:
        what = f"{source} cannot be read as {FORMATS[built.input_read_method]}"
        raise ConfigError(f"{what}: {str(error).splitlines()[0]}", entry.key) from error
    if not files.files:
        raise ConfigError(f"{source} holds no files", entry.key)
    return names
