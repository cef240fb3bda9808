"""From the `env` of a spec to a Gymnasium environment, in whichever process needs one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import gymnasium

from tune_tasks.rllib.options import EnvironmentOptions

#: The name under which RLlib finds our environments, on every machine of the cluster.
REGISTERED_AS = "tune_tasks"


def check_environment(env: str) -> None:
    """Raise an error if nothing can be made of `env`."""
    gymnasium.spec(env)


def make_environment(env: str, options: EnvironmentOptions) -> gymnasium.Env[Any, Any]:
    """Make the environment."""
    return gymnasium.make(env, **options.arguments)


def create(context: Mapping[str, Any]) -> gymnasium.Env[Any, Any]:
    """What RLlib calls, in an env runner's process: make the environment that `env_config` describes."""
    return make_environment(context["env"], context["options"])


def register() -> None:
    """Make `REGISTERED_AS` known to RLlib: in this process, and through Ray in all others, now or once Ray is started."""
    from ray.tune import register_env

    register_env(REGISTERED_AS, create)
