"""From the `config` of a spec, in the words of 2017 or of today, to one of RLlib's configs.

Every key arrives where it has an effect, or is refused.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tune_tasks.errors import ConfigError
from tune_tasks.rllib.config.catalog import Algorithm, algorithm_named
from tune_tasks.rllib.config.data_keys import check_data, set_data_defaults
from tune_tasks.rllib.config.exploration_keys import set_exploration
from tune_tasks.rllib.config.hints import matches_type
from tune_tasks.rllib.config.key_sorter import KeySorter
from tune_tasks.rllib.config.keys_2017 import Part
from tune_tasks.rllib.config.options import EnvironmentOptions
from tune_tasks.rllib.config.replay_keys import set_replay
from tune_tasks.rllib.config.rllib_checks import as_config_errors, validate
from tune_tasks.rllib.config.settings import Setting, settings_of
from tune_tasks.rllib.config.sorted_keys import Entry, SortedKeys
from tune_tasks.rllib.config.unused import check_use
from tune_tasks.rllib.config.values import check_hint, check_null, check_value

if TYPE_CHECKING:
    from ray.rllib.algorithms.algorithm_config import AlgorithmConfig

_FILTERS = ("MeanStdFilter", "ConcurrentMeanStdFilter")


def algorithm_config(
    alg: str, env: str | None, config: Mapping[str, Any], folders: Sequence[Path] | None = None
) -> AlgorithmConfig:
    """The config of an algorithm on RLlib's new API stack, with its environment.

    It is checked, and ready to be built.

    Args:
        alg: The algorithm's name, one of `catalog.ALGORITHMS`.
        env: The environment, as in a spec: see `env_ids.check_environment`. None for one that
            is known to be wrong, about which nothing is said here.
        config: The spec's `config`, its search parameters resolved.
        folders: The folders in which recorded data (`input_`) is looked for; None: the data is not
            looked at.

    Raises:
        ConfigError: If a key is unknown, is given twice under two names, has no effect on this
            algorithm, or has a value that cannot be used; one error for all that is wrong.
        BadInputError: If there is no such algorithm or environment, or RLlib is not installed.
    """
    from tune_tasks.rllib.config.environment_keys import environment_options
    from tune_tasks.rllib.envs.env_ids import check_environment

    algorithm = algorithm_named(alg)
    built = algorithm.config_class()()
    if env is not None:
        check_environment(env)
    keys = _sorted(algorithm, built, config)
    _set(algorithm, env, built, keys)
    options = EnvironmentOptions()
    with keys.noting():
        options = environment_options(env, keys)
    # Only without problems, because else a default would be checked in the place of what is wrong.
    if not keys.problems:
        with keys.noting():
            _set_environment(algorithm, env, built, options)
            if env is not None or not built.is_offline:
                validate(built, keys.settings)
    with keys.noting():
        check_data(algorithm, built, keys, folders)
    keys.check()
    return built


def _sorted(algorithm: Algorithm, built: AlgorithmConfig, config: Mapping[str, Any]) -> SortedKeys:
    from tune_tasks.rllib.config.model_keys import model_hints

    return KeySorter(algorithm, settings_of(type(built)), model_hints()).sort(config)


def _set(algorithm: Algorithm, env: str | None, built: AlgorithmConfig, keys: SortedKeys) -> None:
    """Set all parts but the environment.

    The order matters: other parts than the settings add entries to the settings, which come last
    and so take the place of defaults.
    """
    from tune_tasks.rllib.config.model_keys import set_model

    _check_steps(algorithm, keys)
    with keys.noting():
        set_replay(algorithm, built, keys)
    with keys.noting():
        set_exploration(algorithm, keys)
    with keys.noting():
        set_model(algorithm, env, built, keys)
    with keys.noting():
        _set_iteration(built, keys)
    with keys.noting():
        _set_filter(algorithm, built, keys)
    with keys.noting():
        set_data_defaults(algorithm, built, keys)
    _set_defaults(algorithm, built)
    with keys.noting():
        _set_evaluation(algorithm, built, keys)
    _set_settings(algorithm, built, keys)


def _check_steps(algorithm: Algorithm, keys: SortedKeys) -> None:
    """Check `n_step` and `rollout_fragment_length` together.

    RLlib's own check raises a TypeError for a range of steps, or for a number, by the algorithm.
    """
    steps = keys.settings.get("n_step")
    fragment = keys.settings.get("rollout_fragment_length")
    if steps is None or fragment is None or not matches_type(fragment.value, int):
        return
    is_range = isinstance(steps.value, tuple)
    with keys.noting():
        if is_range and algorithm.fragment_is_auto:
            other = f"RLlib's {algorithm.name} takes no other with two values of `n_step`"
            raise ConfigError(f"expected 'auto': {other}", fragment.key)
        longest = steps.value[-1] if is_range else steps.value
        if matches_type(longest, int) and fragment.value < longest:
            expected = f"`n_step` ({longest}) or more steps, or 'auto'"
            raise ConfigError(f"expected {expected}, got {fragment.value}", fragment.key)


def _set_iteration(built: AlgorithmConfig, keys: SortedKeys) -> None:
    """Count an iteration in steps, because the A3C of 2017 counted it in gradients."""
    entry = keys.parts[Part.ITERATION].get("batches")
    if entry is None:
        return
    check_hint(int, entry.value, entry.key)
    default = Entry(entry.key, built.rollout_fragment_length)
    fragment = keys.settings.get("rollout_fragment_length", default)
    check_hint(int, fragment.value, fragment.key)
    steps = entry.value * fragment.value
    keys.put(Part.SETTING, "min_sample_timesteps_per_iteration", Entry(entry.key, steps))


def _set_filter(algorithm: Algorithm, built: AlgorithmConfig, keys: SortedKeys) -> None:
    from tune_tasks.rllib.algorithms.connectors import mean_std_filter

    entry = keys.parts[Part.FILTER].get("observation_filter")
    if entry is None or entry.value == "NoFilter":
        return
    if entry.value not in _FILTERS:
        raise ConfigError(f"expected 'NoFilter' or 'MeanStdFilter', got {entry.value!r}", entry.key)
    if algorithm.learns_from_data:
        raise ConfigError(
            f"has no effect on the data that {algorithm.name} learns from, which is taken as it is",
            entry.key,
        )
    built.env_runners(env_to_module_connector=mean_std_filter)


def _set_defaults(algorithm: Algorithm, built: AlgorithmConfig) -> None:
    settings = settings_of(type(built))
    for name, value in algorithm.defaults.items():
        getattr(built, settings[name].method)(**{name: value})


def _set_evaluation(algorithm: Algorithm, built: AlgorithmConfig, keys: SortedKeys) -> None:
    """Check each key of `evaluation_config` as it is checked outside, because RLlib takes any."""
    entry = keys.parts[Part.EVALUATION].get("evaluation_config")
    if entry is None:
        return
    inner = _sorted(algorithm, built, entry.value)
    with inner.noting():
        _expect_settings(inner, settings_of(type(built)))
    _set_settings(algorithm, type(built)(), inner)
    for problem in inner.problems:
        keys.problems.append(ConfigError(problem.message, (*entry.key, *problem.key)))
    values = {name: each.value for name, each in inner.settings.items()}
    built.evaluation(evaluation_config=values)


def _expect_settings(keys: SortedKeys, settings: Mapping[str, Setting]) -> None:
    for part, entries in keys.parts.items():
        for name, entry in entries.items():
            if part is not Part.SETTING or settings[name].method == "offline_data":
                raise ConfigError("cannot differ in evaluation", entry.key)


def _set_settings(algorithm: Algorithm, built: AlgorithmConfig, keys: SortedKeys) -> None:
    settings = settings_of(type(built))
    calls: dict[str, dict[str, Any]] = defaultdict(dict)
    for name, entry in keys.settings.items():
        with keys.noting():
            check_use(algorithm, name, entry.key)
            check_value(settings[name], entry.value, entry.key)
            check_null(built, settings[name], entry.value, entry.key)
            calls[settings[name].method][name] = entry.value
    for method, arguments in calls.items():
        with keys.noting(), as_config_errors(arguments, keys.settings):
            getattr(built, method)(**arguments)


def _set_environment(
    algorithm: Algorithm, env: str | None, built: AlgorithmConfig, options: EnvironmentOptions
) -> None:
    from tune_tasks.rllib.envs import environments

    if env is not None and built.is_offline:
        _set_spaces(algorithm, built, env, options)
    environments.register()
    built.environment(env=environments.REGISTERED_AS, env_config={"env": env, "options": options})


def _set_spaces(
    algorithm: Algorithm, built: AlgorithmConfig, env: str, options: EnvironmentOptions
) -> None:
    """Set the spaces of observations and actions: RLlib learns from data without an environment.

    The spaces of a user's module are set in the trial, because planning must not import it. Until
    then RLlib gets some others.
    """
    from gymnasium import spaces

    from tune_tasks.rllib.envs.environments import make_environment

    if ":" in env:
        unknown = spaces.Box(-1, 1, (1,))
        built.environment(observation_space=unknown, action_space=unknown)
        return
    made = make_environment(env, options)
    built.environment(observation_space=made.observation_space, action_space=made.action_space)
    made.close()
    if algorithm.continuous_only and not isinstance(made.action_space, spaces.Box):
        raise ConfigError(
            f"{algorithm.name} is for continuous actions, those of {env} are {made.action_space}",
            (),
        )
