"""Checks that an environment is what Gymnasium wants, and says what to write if it is not."""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from typing import Any

import gymnasium
import numpy as np
from gymnasium import spaces

from tune_tasks.errors import UsageError

_SEVERAL_AGENTS = {"MultiAgentEnv", "ParallelEnv", "AECEnv"}
_RESET = "write `def reset(self, *, seed=None, options=None)`, which returns `observation, info`"
_STEP = "return `observation, reward, terminated, truncated, info`"


def check_kind(env: str, made: object) -> None:
    """Check what an environment is, before anything is called.

    Args:
        env: The environment's name in the spec.
        made: The environment.

    Raises:
        UsageError: If it is not a Gymnasium environment, is for several agents, or has no spaces.
    """
    kinds = type(made).__mro__
    if any(kind.__name__ in _SEVERAL_AGENTS for kind in kinds):
        raise UsageError(
            f"env: {env} is for several agents; the environments here have one, as a"
            " gymnasium.Env has"
        )
    if not isinstance(made, gymnasium.Env):
        raise _not_gymnasium(env, kinds)
    for name in ("observation_space", "action_space"):
        if not isinstance(getattr(made, name, None), spaces.Space):
            raise UsageError(
                f"env: {env} has no `{name}`: set a space of gymnasium.spaces, e.g. in `__init__`"
            )


def _not_gymnasium(env: str, kinds: Sequence[type]) -> UsageError:
    if any(kind.__module__.partition(".")[0] == "gym" for kind in kinds):
        return UsageError(
            f"env: {env} is made for Gym, which Gymnasium has replaced: `import gymnasium as gym`;"
            f" {_RESET}"
        )
    return UsageError(f"env: expected a gymnasium.Env, {env} is of {kinds[0].__name__}")


def check_first_step(env: str, made: gymnasium.Env[Any, Any], seed: int | None) -> None:
    """Begin an episode and act once.

    Args:
        env: The environment's name in the spec.
        made: The environment, without our wrappers.
        seed: The episode's seed.

    Raises:
        UsageError: If it returns something else than Gymnasium's environments return.
        Exception: Whatever the environment itself raises.
    """
    _check_takes_seed(env, made)
    space = made.observation_space
    began: Any = made.reset(seed=seed)
    _check_reset(env, began)
    _check_observation(env, "reset", space, began[0])
    acted: Any = made.step(made.action_space.sample())
    _check_step(env, acted)
    _check_observation(env, "step", space, acted[0])


def _check_reset(env: str, result: Any) -> None:
    is_pair = isinstance(result, tuple) and len(result) == 2
    if not is_pair or not isinstance(result[1], dict):
        raise UsageError(
            f"env: `reset` of {env} returns the observation alone, as in Gym before 0.26: {_RESET}"
        )


def _check_step(env: str, result: Any) -> None:
    what = "one value"
    if isinstance(result, tuple):
        if len(result) == 5:
            return
        what = f"{len(result)} values"
    raise UsageError(f"env: `step` of {env} returns {what}, as in Gym before 0.26: {_STEP}")


def _check_takes_seed(env: str, made: gymnasium.Env[Any, Any]) -> None:
    parameters = inspect.signature(made.reset).parameters
    takes_any = any(each.kind is each.VAR_KEYWORD for each in parameters.values())
    if "seed" not in parameters and not takes_any:
        raise UsageError(f"env: `reset` of {env} takes no `seed`, as in Gym before 0.26: {_RESET}")


def _check_observation(env: str, method: str, space: spaces.Space[Any], observation: Any) -> None:
    observed = np.shape(observation)
    if isinstance(space, spaces.Box) and observed != space.shape:
        raise UsageError(f"env: `{method}` of {env}: {wrong_shape(observed, space.shape)}")


def wrong_shape(observed: tuple[int, ...], expected: tuple[int, ...]) -> str:
    """The sentence for an observation that is not in its space."""
    return f"an observation has the shape {observed}, but `observation_space` says {expected}"
