"""From the `env` of a spec to a Gymnasium environment, in whichever process needs one."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Mapping
from typing import Any

import gymnasium
import numpy as np
from gymnasium import spaces
from gymnasium.wrappers import TimeLimit

from tune_tasks.rllib.config.options import EnvironmentOptions
from tune_tasks.rllib.envs.atari import has_screen
from tune_tasks.rllib.envs.env_check import check_first_step, check_kind
from tune_tasks.rllib.envs.env_class import is_class, make_class
from tune_tasks.rllib.envs.env_errors import KeepsErrors, errors_kept
from tune_tasks.rllib.envs.env_ids import registered
from tune_tasks.rllib.envs.wrappers import Env, RepeatedActions, atari_images, scaled, vectors

REGISTERED_AS = "tune_tasks"
"""The name under which RLlib finds our environments, on every machine of the cluster."""


def make_environment(env: str, options: EnvironmentOptions) -> Env:
    """Make the environment, and wrap it as the options say. Runs in any process.

    Executes the module that `env` names.

    Observations come out as floats: images in (height, width, channels), and what is not an array
    of numbers as one vector.

    Raises:
        UsageError: If there is no such environment, or a library that it needs is not installed.
    """
    return _wrapped(_made(env, options), options)


def try_environment(env: str, options: EnvironmentOptions, seed: int | None) -> Env:
    """Make and wrap the environment, and act in it once, so that it fails here if it ever does.

    Raises:
        UsageError: If there is no such environment, or it is not as Gymnasium wants it.
        Exception: Whatever the environment itself raises.
    """
    made = _made(env, options)
    check_first_step(env, made, seed)
    wrapped = _wrapped(made, options)
    wrapped.reset(seed=seed)
    wrapped.step(wrapped.action_space.sample())
    return wrapped


def _made(env: str, options: EnvironmentOptions) -> Env:
    if is_class(env):
        made = make_class(env, options.arguments)
    else:
        made = _made_of_id(env, options)
    check_kind(env, made)
    return made


def _made_of_id(env: str, options: EnvironmentOptions) -> Env:
    module, _, name = env.rpartition(":")
    if module:
        importlib.import_module(module)
    # From its spec and not by its name, because by name Gymnasium warns of an id's age each time.
    spec = registered(name, module)
    arguments = dict(options.arguments)
    if has_screen(name):
        colours = "grayscale" if options.grayscale else "rgb"
        arguments.setdefault("obs_type", colours)
    return gymnasium.make(spec, disable_env_checker=True, **arguments)


def _wrapped(made: Env, options: EnvironmentOptions) -> Env:
    if _has_atari_images(made):
        made = atari_images(made, options)
    else:
        if options.frame_repeat > 1:
            made = RepeatedActions(made, options.frame_repeat)
        made = _readable(made, options)
    if options.horizon:
        return TimeLimit(made, options.horizon)
    return made


def _has_atari_images(env: Env) -> bool:
    """Return whether it is an Atari game played by its images, even one of a user's class."""
    if not type(env.unwrapped).__module__.startswith("ale_py."):
        return False
    space = env.observation_space
    return isinstance(space, spaces.Box) and len(space.shape) > 1 and space.dtype == np.uint8


def _readable(env: Env, options: EnvironmentOptions) -> Env:
    """The environment with observations that RLlib's networks can read."""
    space = env.observation_space
    if not isinstance(space, spaces.Box):
        return vectors(env)
    if space.dtype == np.uint8:
        # A vector of bytes is an Atari game's memory, which had a mean of zero in 2017.
        is_vector = len(space.shape) == 1
        return scaled(env, zero_mean=options.zero_mean or is_vector)
    return env


def create(context: Mapping[str, Any]) -> Env:
    """Make the environment that `env_config` describes. RLlib calls it in an env runner's process.

    What can be imported in the trial's process can be imported here, because `search_path` is the
    `sys.path` there. What the environment raises is kept in the folder `errors`.
    """
    search_path = context.get("search_path", ())
    sys.path += [entry for entry in search_path if entry not in sys.path]
    folder = context.get("errors")
    if not folder:
        return make_environment(context["env"], context["options"])
    with errors_kept(folder):
        return KeepsErrors(make_environment(context["env"], context["options"]), folder)


def register() -> None:
    """Make `REGISTERED_AS` known to RLlib in this process, and through Ray in all others.

    Ray need not run yet: it is told when it starts.
    """
    from ray.tune import register_env

    register_env(REGISTERED_AS, create)
