"""The keys of the algorithms that learn from recorded data: where it is, and how it is read."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tune_tasks.errors import ConfigError, did_you_mean
from tune_tasks.rllib.config.given import Entry, Given
from tune_tasks.rllib.config.keys_2017 import Part
from tune_tasks.rllib.config.settings import ON_DATA, check_hint, check_range

if TYPE_CHECKING:
    from ray.rllib.algorithms.algorithm_config import AlgorithmConfig

_UPDATES = 100
_UPDATES_OF_CQL = 10  # each with 10 samples of actions for every step
_SHUFFLING: Mapping[str, Any] = {
    "local_shuffle_buffer_size": int,
    "local_shuffle_seed": int,
    "drop_last": bool,
}
_OF_ROWS = ("input_read_schema", "input_compress_columns", "ignore_final_observation")


def set_data_defaults(alg: str, built: AlgorithmConfig, given: Given) -> None:
    """Have the trial read its data itself, with settings that suit the data.

    Raises:
        ConfigError: If there is no data to learn from.
    """
    if alg not in ON_DATA:
        return
    from tune_tasks.rllib.data.recorded_data import RecordedData

    if "input_" not in given.parts[Part.SETTING]:
        raise ConfigError(
            f"{alg} learns from recorded data: expected `input`, a file or a folder", ()
        )
    memory = given.parts[Part.MODEL].get("use_lstm")
    if memory and memory.value:
        raise ConfigError(f"{alg} learns from single steps here, not from sequences", memory.key)
    if alg == "CQL":
        built.training(lr=None)  # RLlib's own default is one that it refuses
    built.offline_data(
        offline_data_class=RecordedData,
        dataset_num_iters_per_learner=1,
        input_compress_columns=[],
        materialize_data=False,
        materialize_mapped_data=alg != "MARWIL",  # whose advantages change with its value function
    )
    built.reporting(min_time_s_per_iteration=0)


def check_data(
    alg: str, built: AlgorithmConfig, given: Given, folders: Sequence[Path] | None
) -> None:
    """Check what the settings say together, and look at the data.

    A relative path becomes an absolute one.

    Args:
        alg: The algorithm's name.
        built: With all settings.
        given: The config's entries.
        folders: Where a relative path is looked for, in this order; None: the data is not looked
            at.

    Raises:
        ConfigError: If the data is not there, or lacks a column.
    """
    if alg not in ON_DATA:
        return
    settings = given.parts[Part.SETTING]
    if "input_" not in settings:
        return
    if "min_train_timesteps_per_iteration" not in settings:
        updates = _UPDATES_OF_CQL if alg == "CQL" else _UPDATES
        built.reporting(min_train_timesteps_per_iteration=updates * built.total_train_batch_size)
    _check_together(alg, built, settings)
    if folders is not None:
        found = _found(settings["input_"], folders)
        built.offline_data(input_=found)
        _check_columns(built, found, settings["input_"])


def _check_together(alg: str, built: AlgorithmConfig, settings: Mapping[str, Entry]) -> None:
    if "iter_batches_kwargs" in settings:
        _check_shuffling(settings["iter_batches_kwargs"])
    if built.input_read_episodes:
        for name in _OF_ROWS:
            if name in settings:
                raise ConfigError(
                    "has no effect on whole episodes (`input_read_episodes`)", settings[name].key
                )
    from ray.rllib.offline.offline_prelearner import SCHEMA

    for column, name in built.input_read_schema.items():
        if column not in SCHEMA:
            key = (*settings["input_read_schema"].key, column)
            raise ConfigError(
                f"unknown key{did_you_mean(column, SCHEMA)} (known: {', '.join(SCHEMA)})", key
            )
        check_hint(str, name, (*settings["input_read_schema"].key, column))
    for name in ("actor_lr", "critic_lr", "alpha_lr"):
        if alg == "CQL" and name in settings and isinstance(settings[name].value, list):
            raise ConfigError(
                "expected a number: RLlib's CQL does not count steps for a schedule",
                settings[name].key,
            )


def _check_shuffling(entry: Entry) -> None:
    for name, value in entry.value.items():
        key = (*entry.key, name)
        if name not in _SHUFFLING:
            raise ConfigError(
                f"unknown key{did_you_mean(name, _SHUFFLING)} (known: {', '.join(_SHUFFLING)})", key
            )
        check_hint(_SHUFFLING[name], value, key)
        check_range(name, value, key)


def _found(entry: Entry, folders: Sequence[Path]) -> str | list[str]:
    if not entry.value:
        raise ConfigError("expected a file or a folder", entry.key)
    if isinstance(entry.value, str):
        return _path(entry.value, folders, entry.key)
    if not isinstance(entry.value, (list, tuple)):
        raise ConfigError(f"expected a text or a list, got {entry.value!r}", entry.key)
    return [_path(source, folders, entry.key) for source in entry.value]


def _path(source: str, folders: Sequence[Path], key: tuple[str, ...]) -> str:
    if "://" in source:
        return source
    places = [folder / os.path.expanduser(source) for folder in folders]  # noqa: PTH111 - it leaves an unknown user's name
    found = next((place for place in places if place.exists()), None)
    if found is None:
        raise ConfigError(f"there is no {' nor '.join(map(str, dict.fromkeys(places)))}", key)
    return str(found)


def _check_columns(built: AlgorithmConfig, source: str | list[str], entry: Entry) -> None:
    from tune_tasks.rllib.data.recorded_data import FORMATS, columns, dataset, missing_columns

    if any("://" in one for one in ([source] if isinstance(source, str) else source)):
        return  # to look there might take long
    try:
        files = dataset(source, built.input_read_method)
        names = columns(files)
    except (OSError, ValueError) as error:
        what = f"{source} cannot be read as {FORMATS[built.input_read_method]}"
        raise ConfigError(f"{what}: {str(error).splitlines()[0]}", entry.key) from error
    if not files.files:
        raise ConfigError(f"{source} holds no files", entry.key)
    if missing := missing_columns(built, names):
        hint = (
            ""
            if built.input_read_episodes
            else "; `input_read_schema` says what they are called there"
        )
        raise ConfigError(
            f"{source} has no column {', '.join(missing)} (its columns: {', '.join(names)}){hint}",
            entry.key,
        )
