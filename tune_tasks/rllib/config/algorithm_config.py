"""From the `config` of a spec, in 2017's words or today's, to one of RLlib's configs.

Every key is checked or refused.
"""

from __future__ import annotations

import contextlib
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tune_tasks.errors import ConfigError
from tune_tasks.rllib.config.catalog import check_algorithm, config_class
from tune_tasks.rllib.config.data_keys import check_data, set_data_defaults
from tune_tasks.rllib.config.given import Entry, Given, Sorter
from tune_tasks.rllib.config.hints import fits
from tune_tasks.rllib.config.keys_2017 import (
    IGNORED,
    MODEL_IGNORED,
    OLD_VALUES,
    REPLAY_IGNORED,
    Part,
)
from tune_tasks.rllib.config.options import EnvironmentOptions
from tune_tasks.rllib.config.replay_keys import set_exploration, set_replay
from tune_tasks.rllib.config.settings import (
    ON_DATA,
    Setting,
    check_hint,
    check_null,
    check_use,
    check_value,
    settings_of,
)

if TYPE_CHECKING:
    from ray.rllib.algorithms.algorithm_config import AlgorithmConfig

__all__ = ["ConfigError", "algorithm_config", "ignored_keys"]

_CONTINUOUS = {"CQL", "IQL"}
_INSIDE = {"model": MODEL_IGNORED, "replay_buffer_config": REPLAY_IGNORED}


def ignored_keys(alg: str, config: Mapping[str, Any]) -> dict[str, str]:
    """The keys that `algorithm_config` accepts without effect -> why.

    A key inside `model` as `model.key`. Imports nothing.

    Raises:
        UsageError: If `alg` names no algorithm.
    """
    check_algorithm(alg)
    found = {}
    for key, value in config.items():
        if key in IGNORED:
            found[key] = IGNORED[key]
        elif key in OLD_VALUES and any(
            option in OLD_VALUES[key].values for option in _options(value)
        ):
            found[key] = OLD_VALUES[key].reason
        elif key in _INSIDE and isinstance(value, Mapping):
            found |= {
                f"{key}.{inner}": _INSIDE[key][inner] for inner in value if inner in _INSIDE[key]
            }
    return found


def _options(value: Any) -> Sequence[Any]:
    """The values that a grid tries; of what is none, the value itself."""
    options = value.get("grid_search") if isinstance(value, Mapping) else None
    return options if isinstance(options, list) else [value]


def algorithm_config(
    alg: str, env: str | None, config: Mapping[str, Any], folders: Sequence[Path] | None = None
) -> AlgorithmConfig:
    """The config of an algorithm on RLlib's new API stack, with its environment.

    Checked, ready to be built.

    Args:
        alg: The algorithm's name, one of `catalog.ALGORITHMS`.
        env: The environment, as in a spec: see `environments.check_environment`; None: one that is
            known to be wrong, of which nothing is said.
        config: The spec's `config`, its search parameters resolved.
        folders: Where recorded data (`input_`) is looked for; None: it is not.

    Raises:
        ConfigError: If a key is unknown, is given twice under two names, has no effect on this
            algorithm, or has a value that cannot be used; one error for all that is wrong.
        BadInputError: If there is no such algorithm or environment, or RLlib is not installed.
    """
    from tune_tasks.rllib.config.model_keys import environment_options, set_model
    from tune_tasks.rllib.envs import environments

    built = config_class(alg)()
    if env is not None:
        environments.check_environment(env)
    given = _sorted(alg, built, config)
    _check_together(alg, given.parts[Part.SETTING], given)
    options = EnvironmentOptions()
    for step in (
        lambda: set_replay(alg, built, given),
        lambda: set_exploration(alg, given),
        lambda: set_model(alg, env, built, given),
        lambda: _iteration(built, given),
        lambda: _filter(alg, built, given),
        lambda: set_data_defaults(alg, built, given),
        lambda: _evaluation(alg, built, given),
        lambda: _settings(alg, built, given),
    ):
        with given.noting():
            step()
    with given.noting():
        options = environment_options(env, given)
    if not given.problems:  # else a default would be checked in place of what is wrong
        with given.noting():
            if env is not None:
                _spaces(alg, built, env, options)
            environments.register()
            built.environment(
                env=environments.REGISTERED_AS, env_config={"env": env, "options": options}
            )
            if env is not None or not built.is_offline:
                _validate(built, given)
    with given.noting():
        check_data(alg, built, given, folders)
    given.check()
    return built


def _sorted(alg: str, built: AlgorithmConfig, config: Mapping[str, Any]) -> Given:
    from tune_tasks.rllib.config.model_keys import model_hints

    return Sorter(alg, settings_of(type(built)), model_hints()).sort(config)


def _settings(alg: str, built: AlgorithmConfig, given: Given) -> None:
    settings, entries = settings_of(type(built)), given.parts[Part.SETTING]
    calls: dict[str, dict[str, Any]] = defaultdict(dict)
    for name, entry in entries.items():
        with given.noting():
            check_use(alg, name, entry.key)
            check_value(settings[name], entry.value, entry.key)
            check_null(built, settings[name], entry.value, entry.key)
            calls[settings[name].method][name] = entry.value
    for method, arguments in calls.items():
        with given.noting(), _rllibs_own(arguments, entries):
            getattr(built, method)(**arguments)


@contextlib.contextmanager
def _rllibs_own(names: Iterable[str], entries: Mapping[str, Entry]) -> Iterator[None]:
    """What RLlib's own checks say, as a ConfigError at the first key that they name.

    Whatever they raise.
    """
    try:
        yield
    except ConfigError:
        raise
    except Exception as error:
        said = " ".join(str(error).partition("\nTo suppress")[0].split())
        is_sentence = isinstance(error, ValueError) and said
        message = said if is_sentence else f"RLlib cannot take it ({type(error).__name__}: {said})"
        keys = [entries[name].key for name in names if re.search(rf"\b{re.escape(name)}\b", said)]
        raise ConfigError(message, keys[0] if keys else ()) from error


def _check_together(alg: str, entries: Mapping[str, Entry], given: Given) -> None:
    """RLlib's own check of these two raises a TypeError for one kind of `n_step` or the other."""
    steps, fragment = entries.get("n_step"), entries.get("rollout_fragment_length")
    if steps is None or fragment is None:
        return
    if alg == "DQN" and isinstance(steps.value, tuple) and fits(fragment.value, int):
        with given.noting():
            raise ConfigError(
                "expected 'auto': RLlib's DQN takes no other with two values of `n_step`",
                fragment.key,
            )
        return
    longest = steps.value[-1] if isinstance(steps.value, tuple) else steps.value
    if fits(longest, int) and fits(fragment.value, int) and fragment.value < longest:
        with given.noting():
            said = f"expected `n_step` ({longest}) or more steps, or 'auto', got {fragment.value}"
            raise ConfigError(said, fragment.key)


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
    from tune_tasks.rllib.algorithms.connectors import mean_std_filter

    entry = given.parts[Part.FILTER].get("observation_filter")
    if entry is None or entry.value == "NoFilter":
        return
    if entry.value not in ("MeanStdFilter", "ConcurrentMeanStdFilter"):
        raise ConfigError(f"expected 'NoFilter' or 'MeanStdFilter', got {entry.value!r}", entry.key)
    if alg in ON_DATA:
        raise ConfigError(
            f"has no effect on the data that {alg} learns from, which is taken as it is", entry.key
        )
    built.env_runners(env_to_module_connector=mean_std_filter)


def _evaluation(alg: str, built: AlgorithmConfig, given: Given) -> None:
    """RLlib would set anything that `evaluation_config` says, in silence.

    Each key is checked as it is outside.
    """
    entry = given.parts[Part.EVALUATION].get("evaluation_config")
    if entry is None:
        return
    inner = _sorted(alg, built, entry.value)
    with inner.noting():
        _only_settings(inner, settings_of(type(built)))
    _settings(alg, type(built)(), inner)
    given.problems += [
        ConfigError(problem.message, (*entry.key, *problem.key)) for problem in inner.problems
    ]
    built.evaluation(
        evaluation_config={name: e.value for name, e in inner.parts[Part.SETTING].items()}
    )


def _only_settings(given: Given, settings: Mapping[str, Setting]) -> None:
    for part, entries in given.parts.items():
        for name, entry in entries.items():
            if part is not Part.SETTING or settings[name].method == "offline_data":
                raise ConfigError("cannot differ in evaluation", entry.key)


def _spaces(alg: str, built: AlgorithmConfig, env: str, options: EnvironmentOptions) -> None:
    """RLlib learns from recorded data without an environment.

    It has to be told what one observes and does.

    What a user's module makes is told by the trial, which may import it; until then RLlib gets
    something.
    """
    if not built.is_offline:
        return
    from gymnasium import spaces

    from tune_tasks.rllib.envs.environments import make_environment

    if ":" in env:
        unknown = spaces.Box(-1, 1, (1,))
        built.environment(observation_space=unknown, action_space=unknown)
        return
    made = make_environment(env, options)
    built.environment(observation_space=made.observation_space, action_space=made.action_space)
    made.close()
    if alg in _CONTINUOUS and not isinstance(made.action_space, spaces.Box):
        raise ConfigError(
            f"{alg} is for continuous actions, those of {env} are {made.action_space}", ()
        )


def _validate(built: AlgorithmConfig, given: Given) -> None:
    entries = given.parts[Part.SETTING]
    try:
        with _rllibs_own(entries, entries):
            built.validate()
    except ConfigError as error:
        raise ConfigError(error.message, error.key or _culprit(built, entries)) from error


def _culprit(built: AlgorithmConfig, entries: Mapping[str, Entry]) -> tuple[str, ...]:
    """The key that RLlib's checks pass without; of several the first."""
    for name, entry in entries.items():
        if name in vars(built):
            without = built.copy(copy_frozen=False)
            setattr(without, name, vars(type(built)())[name])
            with contextlib.suppress(Exception):
                without.validate()
                return entry.key
    return ()
