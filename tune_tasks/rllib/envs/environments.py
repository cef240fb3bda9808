"""From the `env` of a spec to a Gymnasium environment, in whichever process needs one."""

from __future__ import annotations

import importlib
import importlib.util
import re
import sys
from collections.abc import Mapping
from typing import Any

import gymnasium
import numpy as np
from gymnasium import spaces
from gymnasium.envs.registration import EnvSpec
from gymnasium.wrappers import TimeLimit

from tune_tasks.errors import UsageError, did_you_mean
from tune_tasks.rllib.config.options import EnvironmentOptions
from tune_tasks.rllib.envs.atari import has_screen, register_atari
from tune_tasks.rllib.envs.env_check import check_first_step, check_kind
from tune_tasks.rllib.envs.env_class import check_class, check_module, is_class, make_class
from tune_tasks.rllib.envs.env_errors import KeepsErrors, kept
from tune_tasks.rllib.envs.wrappers import Env, RepeatedActions, atari_images, scaled, vectors

#: The name under which RLlib finds our environments, on every machine of the cluster.
REGISTERED_AS = "tune_tasks"

_ID = re.compile(
    r"(?:(?P<module>[A-Za-z_][\w.]*):)?(?P<name>(?:[\w-]+/)?[\w.-]+?)(?:-v(?P<version>\d+))?"
)
_DOTTED = re.compile(r"(?P<module>[a-z_]\w*(?:\.[A-Za-z_]\w*)*)\.(?P<name>[A-Za-z_]\w*)")
#: A package of environments -> the module that it needs, and how that is installed.
_NEEDS = {
    "gymnasium.envs.mujoco": ("mujoco", "'gymnasium[mujoco]'"),
    "gymnasium.envs.box2d": ("Box2D", "'gymnasium[box2d]'"),
    "gymnasium.envs.phys2d": ("jax", "'gymnasium[jax]'"),
    "gymnasium.envs.tabular": ("jax", "'gymnasium[jax]'"),
    "ale_py": ("PIL", "'tune-tasks[rllib]'"),
}


def check_environment(env: str) -> None:
    """Check that an environment can be made of `env`, without making it.

    Args:
        env: An id of Gymnasium (`CartPole-v1`), also one that a module registers (`module:Id-v0`);
            an Atari id of 2017 (`PongDeterministic-v4`); or a class, `module:Class`. A module is
            looked for and read, not executed.

    Raises:
        UsageError: If there is no such environment, naming the nearest; or if a library that it
            needs is not installed.
    """
    match = _ID.fullmatch(env)
    if is_class(env):
        check_class(env)
    elif dotted := _DOTTED.fullmatch(env):
        raise UsageError(
            f"env: a class is written `module:Class`: {dotted['module']}:{dotted['name']}; got"
            f" {env!r}"
        )
    elif match is None:
        raise UsageError(f"env: expected an id such as CartPole-v1, or `module:Class`; got {env!r}")
    elif match["module"]:
        check_module(match["module"])
    else:
        _spec(env)


def is_atari(env: str) -> bool:
    """Whether `env` is the id of an Atari game that is played by its images.

    Of a class nobody knows before it is made.
    """
    register_atari()
    return has_screen(env.rpartition(":")[2])


def _spec(env: str, own: str = "") -> EnvSpec:
    """What is registered under an id; `own` is the module that was imported to do so."""
    register_atari()
    spec = gymnasium.registry.get(env)
    if own and spec is not None:
        return spec
    # Ids of mujoco-py are there, and raise an error
    if spec is None or not isinstance(spec.entry_point, str):
        raise UsageError(
            f"env: {f'{own} does not register it: ' if own else ''}{_not_there(env, own)}"
        )
    for package, (module, install) in _NEEDS.items():
        if spec.entry_point.startswith(package) and importlib.util.find_spec(module) is None:
            raise UsageError(
                f"env: {env!r} needs {module}, which is not installed: pip install {install}"
            )
    return spec


def _not_there(env: str, own: str) -> str:
    known = [
        name
        for name, spec in gymnasium.registry.items()
        if own or isinstance(spec.entry_point, str)
    ]
    match = _ID.fullmatch(env)
    versions = [name for name in known if match and name.rpartition("-v")[0] == match["name"]]
    if versions:
        newest = max(versions, key=lambda name: int(name.rpartition("-v")[2]))
        what = "does not exist (any more)" if match and match["version"] else "names no version"
        return (
            f"{env!r} {what}; the newest version in Gymnasium {gymnasium.__version__} is {newest!r}"
        )
    ale = (
        ""
        if importlib.util.find_spec("ale_py")
        else "; Atari games need ale-py: pip install 'tune-tasks[rllib]'"
    )
    hint = did_you_mean(env, known)
    if not hint and "/" in env and not own:
        hint = (
            "; an id that a package of yours registers is written with the package before it:"
            f" `package:{env}`"
        )
    return f"no environment is named {env!r}{hint}{ale}"


def make_environment(env: str, options: EnvironmentOptions) -> Env:
    """Make the environment, and wrap it as the options say. Runs in any process.

    Executes the module that `env` names.

    Observations come out as floats: images in (height, width, channels), what is no array of
    numbers as one vector.

    Raises:
        UsageError: If there is no such environment, or a library that it needs is not installed.
    """
    return _wrapped(_made(env, options), options)


def try_environment(env: str, options: EnvironmentOptions, seed: int | None) -> Env:
    """Make and wrap the environment, and act once in it.

    What is wrong with it from the start is raised, in words.

    Raises:
        UsageError: If there is none, or it is not as Gymnasium wants it.
        Exception: What the environment itself raises.
    """
    made = _made(env, options)
    check_first_step(env, made, seed)
    wrapped = _wrapped(made, options)
    wrapped.reset(seed=seed)
    wrapped.step(wrapped.action_space.sample())
    return wrapped


def _wrapped(made: Env, options: EnvironmentOptions) -> Env:
    if _has_images(made):
        made = atari_images(made, options)
    else:
        made = _readable(
            RepeatedActions(made, options.frame_repeat) if options.frame_repeat > 1 else made,
            options,
        )
    return TimeLimit(made, options.horizon) if options.horizon else made


def _made(env: str, options: EnvironmentOptions) -> Env:
    made = _of_class_or_id(env, options)
    check_kind(env, made)
    return made


def _of_class_or_id(env: str, options: EnvironmentOptions) -> Env:
    if is_class(env):
        return make_class(env, options.arguments)
    module, _, name = env.rpartition(":")
    if module:
        importlib.import_module(module)
    # Gymnasium warns of an id's age each time that it makes one from its name: from its spec it
    # does not.
    spec = _spec(name, module)
    images = {"obs_type": "grayscale" if options.grayscale else "rgb"} if has_screen(name) else {}
    return gymnasium.make(spec, disable_env_checker=True, **{**images, **options.arguments})


def _has_images(env: Env) -> bool:
    """Whether it is an Atari game that is played by its images.

    Also where a user's class has made it.
    """
    space = env.observation_space
    atari = type(env.unwrapped).__module__.startswith("ale_py.")
    return (
        atari and isinstance(space, spaces.Box) and len(space.shape) > 1 and space.dtype == np.uint8
    )


def _readable(env: Env, options: EnvironmentOptions) -> Env:
    space = env.observation_space
    if not isinstance(space, spaces.Box):
        return vectors(env)
    if space.dtype == np.uint8:
        # 2017's for Atari's memory
        return scaled(env, zero_mean=options.zero_mean or len(space.shape) == 1)
    return env


def create(context: Mapping[str, Any]) -> Env:
    """What RLlib calls, in an env runner's process.

    Make the environment that `env_config` describes.

    What can be imported where the trial is built can be imported here: `search_path` is the
    `sys.path` there. What the environment raises is kept in the folder `errors`.
    """
    sys.path += [entry for entry in context.get("search_path", ()) if entry not in sys.path]
    if not context.get("errors"):
        return make_environment(context["env"], context["options"])
    with kept(context["errors"]):
        return KeepsErrors(make_environment(context["env"], context["options"]), context["errors"])


def register() -> None:
    """Make `REGISTERED_AS` known to RLlib.

    In this process, and through Ray in all others, now or once Ray is started.
    """
    from ray.tune import register_env

    register_env(REGISTERED_AS, create)
