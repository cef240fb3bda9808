"""From the `config` of a spec, in 2017's words or today's, to one of RLlib's configs. Every key is checked or refused."""

from __future__ import annotations

import dataclasses
import typing
from collections import defaultdict
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from tune_tasks.errors import ConfigError
from tune_tasks.rllib.catalog import check_algorithm, config_class
from tune_tasks.rllib.given import Entry, Given, Sorter
from tune_tasks.rllib.hints import fits, words
from tune_tasks.rllib.keys_2017 import IGNORED, MODEL_IGNORED, Part
from tune_tasks.rllib.options import EnvironmentOptions
from tune_tasks.rllib.settings import check_range, check_use, check_value, settings_of

if TYPE_CHECKING:
    from ray.rllib.algorithms.algorithm_config import AlgorithmConfig

__all__ = ["ConfigError", "algorithm_config", "ignored_keys"]

_DEFAULT_EXPLORATION = {"max_timesteps": 100_000, "fraction": 0.1, "final": 0.02}  # of 2017's DQN


def ignored_keys(alg: str, config: Mapping[str, Any]) -> dict[str, str]:
    """The keys that `algorithm_config` accepts without effect -> why; a key inside `model` as `model.key`. Imports nothing.

    Raises:
        UsageError: If `alg` names no algorithm.
    """
    check_algorithm(alg)
    model = config.get("model")
    inside = {f"model.{key}": MODEL_IGNORED[key] for key in model if key in MODEL_IGNORED} if isinstance(model, Mapping) else {}
    return {key: IGNORED[key] for key in config if key in IGNORED} | inside


def algorithm_config(alg: str, env: str, config: Mapping[str, Any]) -> AlgorithmConfig:
    """The config of an algorithm on RLlib's new API stack, with its environment; checked, ready to be built.

    Args:
        alg: The algorithm's name, one of `catalog.ALGORITHMS`.
        env: The environment, as in a spec: see `environments.check_environment`.
        config: The spec's `config`, its search parameters resolved.

    Raises:
        ConfigError: If a key is unknown, is given twice under two names, has no effect on this algorithm, or has a value that
            cannot be used.
        BadInputError: If there is no such algorithm or environment, or RLlib is not installed.
    """
    from tune_tasks.rllib import environments

    built = config_class(alg)()
    environments.check_environment(env)
    given = _sorted(alg, built, config)
    options = _environment_options(given)
    _apply(alg, built, given)
    environments.register()
    built.environment(env=environments.REGISTERED_AS, env_config={"env": env, "options": options})
    _validate(built, given)
    return built


def _sorted(alg: str, built: AlgorithmConfig, config: Mapping[str, Any]) -> Given:
    return Sorter(alg, settings_of(type(built)), _model_hints()).sort(config)


def _apply(alg: str, built: AlgorithmConfig, given: Given) -> None:
    _replay(built, given)
    _exploration(alg, built, given)
    _iteration(built, given)
    _filter(built, given)
    _model(built, given)
    _settings(alg, built, given)


def _settings(alg: str, built: AlgorithmConfig, given: Given) -> None:
    settings = settings_of(type(built))
    calls: dict[str, dict[str, Any]] = defaultdict(dict)
    for name, entry in given.parts[Part.SETTING].items():
        check_use(alg, name, entry.key)
        check_value(settings[name], entry.value, entry.key)
        calls[settings[name].method][name] = entry.value
    for method, arguments in calls.items():
        getattr(built, method)(**arguments)


def _model_hints() -> dict[str, Any]:
    from ray.rllib.core.rl_module.default_model_config import DefaultModelConfig

    return typing.get_type_hints(DefaultModelConfig)


def _model(built: AlgorithmConfig, given: Given) -> None:
    entries, hints = given.parts[Part.MODEL], _model_hints()
    for name, entry in entries.items():
        _check_hint(entry, hints[name])
    model = {name: entry.value for name, entry in entries.items()}
    if model.get("use_lstm"):
        model.setdefault("max_seq_len", 20)  # RLlib takes its default from a whole DefaultModelConfig only
    built.rl_module(model_config=model)


def _check_hint(entry: Entry, hint: Any) -> None:
    if not fits(entry.value, hint):
        raise ConfigError(f"expected {words(hint)}, got {entry.value!r}", entry.key)


def _replay(built: AlgorithmConfig, given: Given) -> None:
    entries = given.parts[Part.REPLAY]
    for entry in entries.values():
        if not hasattr(built, "replay_buffer_config"):
            raise ConfigError("has no effect: this algorithm has no replay buffer", entry.key)
    if entries:
        replay: dict[str, Any] = {"replay_buffer_config": {name: entry.value for name, entry in entries.items()}}
        built.training(**replay)


def _exploration(alg: str, built: AlgorithmConfig, given: Given) -> None:
    entries = given.parts[Part.EXPLORATION]
    if not entries:
        return
    first = next(iter(entries.values()))
    values = _DEFAULT_EXPLORATION | {name: entry.value for name, entry in entries.items()}
    timesteps = int(values["max_timesteps"] * values["fraction"])
    given.put(Part.SETTING, "epsilon", Entry(first.key, [[0, 1.0], [timesteps, values["final"]]]))


def _iteration(built: AlgorithmConfig, given: Given) -> None:
    entry = given.parts[Part.ITERATION].get("batches")
    if entry is not None:
        fragment = given.parts[Part.SETTING].get("rollout_fragment_length")
        steps = entry.value * (fragment.value if fragment else built.rollout_fragment_length)
        given.put(Part.SETTING, "min_sample_timesteps_per_iteration", Entry(entry.key, steps))


def _filter(built: AlgorithmConfig, given: Given) -> None:
    from tune_tasks.rllib.connectors import mean_std_filter

    entry = given.parts[Part.FILTER].get("observation_filter")
    if entry is None or entry.value == "NoFilter":
        return
    if entry.value not in ("MeanStdFilter", "ConcurrentMeanStdFilter"):
        raise ConfigError(f"expected 'NoFilter' or 'MeanStdFilter', got {entry.value!r}", entry.key)
    built.env_runners(env_to_module_connector=mean_std_filter)


def _environment_options(given: Given) -> EnvironmentOptions:
    entries = given.parts[Part.ENVIRONMENT]
    hints = typing.get_type_hints(EnvironmentOptions)
    for name, entry in entries.items():
        _check_hint(entry, hints[name])
        check_range(name, entry.value, entry.key)
    options = EnvironmentOptions(arguments=given.arguments)
    return dataclasses.replace(options, **{name: entry.value for name, entry in entries.items()})


def _validate(built: AlgorithmConfig, given: Given) -> None:
    try:
        built.validate()
    except ValueError as error:
        message = str(error).partition("\nTo suppress")[0]
        named = [entry.key for name, entry in given.parts[Part.SETTING].items() if f"`{name}`" in message]
        raise ConfigError(message, named[0] if named else ()) from error
