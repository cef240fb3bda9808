"""From the `config` of a spec, in 2017's words or today's, to one of RLlib's configs. Every key is checked or refused."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tune_tasks.errors import ConfigError
from tune_tasks.rllib.catalog import check_algorithm, config_class
from tune_tasks.rllib.data_keys import check_data, set_data_defaults
from tune_tasks.rllib.given import Entry, Given, Sorter
from tune_tasks.rllib.keys_2017 import IGNORED, MODEL_IGNORED, Part
from tune_tasks.rllib.options import EnvironmentOptions
from tune_tasks.rllib.replay_keys import set_exploration, set_replay
from tune_tasks.rllib.settings import ON_DATA, Setting, check_hint, check_null, check_use, check_value, settings_of

if TYPE_CHECKING:
    from ray.rllib.algorithms.algorithm_config import AlgorithmConfig

__all__ = ["ConfigError", "algorithm_config", "ignored_keys"]

_CONTINUOUS = {"CQL", "IQL"}


def ignored_keys(alg: str, config: Mapping[str, Any]) -> dict[str, str]:
    """The keys that `algorithm_config` accepts without effect -> why; a key inside `model` as `model.key`. Imports nothing.

    Raises:
        UsageError: If `alg` names no algorithm.
    """
    check_algorithm(alg)
    model = config.get("model")
    inside = {f"model.{key}": MODEL_IGNORED[key] for key in model if key in MODEL_IGNORED} if isinstance(model, Mapping) else {}
    return {key: IGNORED[key] for key in config if key in IGNORED} | inside


def algorithm_config(alg: str, env: str, config: Mapping[str, Any], folders: Sequence[Path] | None = None) -> AlgorithmConfig:
    """The config of an algorithm on RLlib's new API stack, with its environment; checked, ready to be built.

    Args:
        alg: The algorithm's name, one of `catalog.ALGORITHMS`.
        env: The environment, as in a spec: see `environments.check_environment`.
        config: The spec's `config`, its search parameters resolved.
        folders: Where recorded data (`input_`) is looked for; None: it is not.

    Raises:
        ConfigError: If a key is unknown, is given twice under two names, has no effect on this algorithm, or has a value that
            cannot be used.
        BadInputError: If there is no such algorithm or environment, or RLlib is not installed.
    """
    from tune_tasks.rllib import environments
    from tune_tasks.rllib.model_keys import environment_options, set_model

    built = config_class(alg)()
    environments.check_environment(env)
    given = _sorted(alg, built, config)
    set_replay(alg, built, given)
    set_exploration(alg, given)
    set_model(alg, env, built, given)
    _iteration(built, given)
    _filter(alg, built, given)
    set_data_defaults(alg, built, given)
    _evaluation(alg, built, given)
    _settings(alg, built, given.parts[Part.SETTING])
    options = environment_options(env, given)
    _spaces(alg, built, env, options)
    environments.register()
    built.environment(env=environments.REGISTERED_AS, env_config={"env": env, "options": options})
    _validate(built, given)
    check_data(alg, built, given, folders)
    return built


def _sorted(alg: str, built: AlgorithmConfig, config: Mapping[str, Any]) -> Given:
    from tune_tasks.rllib.model_keys import model_hints

    return Sorter(alg, settings_of(type(built)), model_hints()).sort(config)


def _settings(alg: str, built: AlgorithmConfig, entries: Mapping[str, Entry]) -> None:
    settings = settings_of(type(built))
    calls: dict[str, dict[str, Any]] = defaultdict(dict)
    for name, entry in entries.items():
        check_use(alg, name, entry.key)
        check_value(settings[name], entry.value, entry.key)
        check_null(built, settings[name], entry.value, entry.key)
        calls[settings[name].method][name] = entry.value
    for method, arguments in calls.items():
        getattr(built, method)(**arguments)


def _iteration(built: AlgorithmConfig, given: Given) -> None:
    """2017's A3C counted an iteration in gradients; RLlib counts it in steps."""
    entry = given.parts[Part.ITERATION].get("batches")
    if entry is not None:
        check_hint(int, entry.value, entry.key)
        fragment = given.parts[Part.SETTING].get("rollout_fragment_length")
        length = fragment.value if fragment else built.rollout_fragment_length
        check_hint(int, length, fragment.key if fragment else entry.key)
        steps = entry.value * length
        given.put(Part.SETTING, "min_sample_timesteps_per_iteration", Entry(entry.key, steps))


def _filter(alg: str, built: AlgorithmConfig, given: Given) -> None:
    from tune_tasks.rllib.connectors import mean_std_filter

    entry = given.parts[Part.FILTER].get("observation_filter")
    if entry is None or entry.value == "NoFilter":
        return
    if entry.value not in ("MeanStdFilter", "ConcurrentMeanStdFilter"):
        raise ConfigError(f"expected 'NoFilter' or 'MeanStdFilter', got {entry.value!r}", entry.key)
    if alg in ON_DATA:
        raise ConfigError(f"has no effect on the data that {alg} learns from, which is taken as it is", entry.key)
    built.env_runners(env_to_module_connector=mean_std_filter)


def _evaluation(alg: str, built: AlgorithmConfig, given: Given) -> None:
    """RLlib would set anything that `evaluation_config` says, in silence: each key is checked as it is outside."""
    entry = given.parts[Part.EVALUATION].get("evaluation_config")
    if entry is None:
        return
    try:
        inner = _sorted(alg, built, entry.value)
        _only_settings(inner, settings_of(type(built)))
        _settings(alg, type(built)(), inner.parts[Part.SETTING])
    except ConfigError as error:
        raise ConfigError(error.message, (*entry.key, *error.key)) from error
    built.evaluation(evaluation_config={name: e.value for name, e in inner.parts[Part.SETTING].items()})


def _only_settings(given: Given, settings: Mapping[str, Setting]) -> None:
    for part, entries in given.parts.items():
        for name, entry in entries.items():
            if part is not Part.SETTING or settings[name].method == "offline_data":
                raise ConfigError("cannot differ in evaluation", entry.key)


def _spaces(alg: str, built: AlgorithmConfig, env: str, options: EnvironmentOptions) -> None:
    """RLlib learns from recorded data without an environment: it has to be told what one observes and does.

    What a user's module makes is told by the trial, which may import it; until then RLlib gets something.
    """
    if not built.is_offline:
        return
    from gymnasium import spaces

    from tune_tasks.rllib.environments import make_environment

    if ":" in env:
        unknown = spaces.Box(-1, 1, (1,))
        built.environment(observation_space=unknown, action_space=unknown)
        return
    made = make_environment(env, options)
    built.environment(observation_space=made.observation_space, action_space=made.action_space)
    made.close()
    if alg in _CONTINUOUS and not isinstance(made.action_space, spaces.Box):
        raise ConfigError(f"{alg} is for continuous actions, those of {env} are {made.action_space}", ())


def _validate(built: AlgorithmConfig, given: Given) -> None:
    try:
        built.validate()
    except ValueError as error:
        message = str(error).partition("\nTo suppress")[0]
        named = [entry.key for name, entry in given.parts[Part.SETTING].items() if f"`{name}`" in message]
        raise ConfigError(message, named[0] if named else ()) from error
