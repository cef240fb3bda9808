"""The keys of the algorithms that learn from recorded data: where it is, and how it is read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tune_tasks.errors import ConfigError, did_you_mean
from tune_tasks.rllib.given import Entry, Given
from tune_tasks.rllib.keys_2017 import Part
from tune_tasks.rllib.settings import ON_DATA, check_hint

if TYPE_CHECKING:
    from ray.rllib.algorithms.algorithm_config import AlgorithmConfig

_UPDATES = {"CQL": 10}  # of 10 samples of actions for each step
_MOST_UPDATES = 100
"""Of an iteration: RLlib has no default that its learner would take."""
_MANY_STEPS = ("input_read_episodes", "input_read_sample_batches")
_SHUFFLING: Mapping[str, Any] = {
    "local_shuffle_buffer_size": int | None,
    "local_shuffle_seed": int | None,
    "drop_last": bool,
}


def set_data_defaults(alg: str, built: AlgorithmConfig, given: Given) -> None:
    """Have the trial read its data itself, with what suits the data where the config does not say otherwise.

    Raises:
        ConfigError: If there is no data to learn from.
    """
    if alg not in ON_DATA:
        return
    from tune_tasks.rllib.recorded_data import RecordedData

    if alg == "CQL":
        built.training(lr=None)  # RLlib's own default is one that it refuses
    settings = given.parts[Part.SETTING]
    if "input_" not in settings:
        raise ConfigError(f"{alg} learns from recorded data: expected `input_`, a file or a folder", ())
    row_is_step = not any(name in settings and settings[name].value for name in _MANY_STEPS)
    built.offline_data(
        offline_data_class=RecordedData,
        dataset_num_iters_per_learner=_UPDATES.get(alg, _MOST_UPDATES),
        materialize_mapped_data=row_is_step and alg != "MARWIL",  # whose advantages change with its value function
    )


def check_data(alg: str, built: AlgorithmConfig, given: Given, folders: Sequence[Path] | None) -> None:
    """Check what the settings say together, and look at the data; a relative path becomes an absolute one.

    Args:
        alg: The algorithm's name.
        built: With all settings.
        given: The config's entries.
        folders: Where a relative path is looked for, in this order; None: the data is not looked at.

    Raises:
        ConfigError: If the data is not there, or lacks a column.
    """
    if alg not in ON_DATA:
        return
    settings = given.parts[Part.SETTING]
    if alg == "CQL" and built.dataset_num_iters_per_learner == 1:
        raise ConfigError("expected 2 or more: RLlib's CQL fails with 1", settings["dataset_num_iters_per_learner"].key)
    if "iter_batches_kwargs" in settings:
        _check_shuffling(settings["iter_batches_kwargs"])
    if folders is not None:
        found = _found(settings["input_"], folders)
        built.offline_data(input_=found)
        _check_columns(built, found, settings["input_"])


def _check_shuffling(entry: Entry) -> None:
    for name, value in entry.value.items():
        key = (*entry.key, name)
        if name not in _SHUFFLING:
            raise ConfigError(f"unknown key{did_you_mean(name, _SHUFFLING)} (known: {', '.join(_SHUFFLING)})", key)
        check_hint(_SHUFFLING[name], value, key)


def _found(entry: Entry, folders: Sequence[Path]) -> str | list[str]:
    if isinstance(entry.value, str):
        return _path(entry.value, folders, entry.key)
    if not entry.value:
        raise ConfigError("expected at least one file", entry.key)
    return [_path(source, folders, entry.key) for source in entry.value]


def _path(source: str, folders: Sequence[Path], key: tuple[str, ...]) -> str:
    if "://" in source:
        return source
    places = [folder / Path(source).expanduser() for folder in folders]
    found = next((place for place in places if place.exists()), None)
    if found is None:
        raise ConfigError(f"there is no {' nor '.join(map(str, dict.fromkeys(places)))}", key)
    return str(found)


def _check_columns(built: AlgorithmConfig, source: str | list[str], entry: Entry) -> None:
    from tune_tasks.rllib.recorded_data import FORMATS, dataset, needed_columns

    if any("://" in one for one in ([source] if isinstance(source, str) else source)):
        return  # to look there might take long
    try:
        names = dataset(source, built.input_read_method).schema.names
    except (OSError, ValueError) as error:
        what = f"{source} cannot be read as {FORMATS[built.input_read_method]}"
        raise ConfigError(f"{what}: {str(error).splitlines()[0]}", entry.key) from error
    if missing := sorted(needed_columns(built) - set(names)):
        hint = "" if built.input_read_episodes else "; `input_read_schema` says what they are called there"
        raise ConfigError(f"{source} has no column {', '.join(missing)} (its columns: {', '.join(names)}){hint}", entry.key)
