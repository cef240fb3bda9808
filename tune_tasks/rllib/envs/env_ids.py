"""The ids of environments: what is registered with Gymnasium, and what is said of another id."""

from __future__ import annotations

import importlib.util
import re

import gymnasium
from gymnasium.envs.registration import EnvSpec

from tune_tasks.errors import UsageError, did_you_mean
from tune_tasks.rllib.envs.atari import has_screen, register_atari
from tune_tasks.rllib.envs.env_class import check_class, check_module, is_class

_ID = re.compile(
    r"(?:(?P<module>[A-Za-z_][\w.]*):)?(?P<name>(?:[\w-]+/)?[\w.-]+?)(?:-v(?P<version>\d+))?"
)
_DOTTED = re.compile(r"(?P<module>[a-z_]\w*(?:\.[A-Za-z_]\w*)*)\.(?P<name>[A-Za-z_]\w*)")
_NEEDS = {
    "gymnasium.envs.mujoco": ("mujoco", "'gymnasium[mujoco]'"),
    "gymnasium.envs.box2d": ("Box2D", "'gymnasium[box2d]'"),
    "gymnasium.envs.phys2d": ("jax", "'gymnasium[jax]'"),
    "gymnasium.envs.tabular": ("jax", "'gymnasium[jax]'"),
    "ale_py": ("PIL", "'tune-tasks[rllib]'"),
}
"""A package of environments -> the module that it needs, and how that is installed."""


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
    if is_class(env):
        check_class(env)
        return
    dotted = _DOTTED.fullmatch(env)
    if dotted:
        meant = f"{dotted['module']}:{dotted['name']}"
        raise UsageError(f"env: a class is written `module:Class`: {meant}; got {env!r}")
    match = _ID.fullmatch(env)
    if match is None:
        raise UsageError(f"env: expected an id such as CartPole-v1, or `module:Class`; got {env!r}")
    if match["module"]:
        check_module(match["module"])
    else:
        registered(env)


def is_atari(env: str) -> bool:
    """Return whether `env` is the id of an Atari game that is played by its images.

    False for a class, whose kind is not known before it is made.
    """
    register_atari()
    return has_screen(env.rpartition(":")[2])


def registered(env: str, module: str = "") -> EnvSpec:
    """Return what is registered under an id.

    Args:
        env: The id, without a module.
        module: The module that was imported to register it.

    Raises:
        UsageError: If nothing is, or a library that the environment needs is not installed.
    """
    register_atari()
    spec = gymnasium.registry.get(env)
    if module and spec is not None:
        return spec
    # Gymnasium still has the ids of mujoco-py, with a function that raises an error.
    if spec is None or not isinstance(spec.entry_point, str):
        by_module = f"{module} does not register it: " if module else ""
        raise UsageError(f"env: {by_module}{_not_there(env, module)}")
    _check_needs(env, spec.entry_point)
    return spec


def _check_needs(env: str, entry_point: str) -> None:
    for package, (needed, install) in _NEEDS.items():
        if entry_point.startswith(package) and not _is_installed(needed):
            raise UsageError(
                f"env: {env!r} needs {needed}, which is not installed: pip install {install}"
            )


def _is_installed(module: str) -> bool:
    return importlib.util.find_spec(module) is not None


def _not_there(env: str, module: str) -> str:
    known = list(gymnasium.registry)
    if not module:
        known = [name for name in known if isinstance(gymnasium.registry[name].entry_point, str)]
    return _other_version(env, known) or _no_such_name(env, known, module)


def _other_version(env: str, known: list[str]) -> str:
    """The newest version of the same environment; empty if there is none."""
    match = _ID.fullmatch(env)
    if match is None:
        return ""
    versions = [name for name in known if name.rpartition("-v")[0] == match["name"]]
    if not versions:
        return ""
    newest = max(versions, key=lambda name: int(name.rpartition("-v")[2]))
    what = "does not exist (any more)" if match["version"] else "names no version"
    return f"{env!r} {what}; the newest version in Gymnasium {gymnasium.__version__} is {newest!r}"


def _no_such_name(env: str, known: list[str], module: str) -> str:
    hint = did_you_mean(env, known)
    if not hint and "/" in env and not module:
        hint = (
            "; an id that a package of yours registers is written with the package before it:"
            f" `package:{env}`"
        )
    if not _is_installed("ale_py"):
        hint += "; Atari games need ale-py: pip install 'tune-tasks[rllib]'"
    return f"no environment is named {env!r}{hint}"
