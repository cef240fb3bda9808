"""Which algorithms there are. Pure.

Neither Ray nor RLlib is imported before `config_class` is called.
"""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, cast

from tune_tasks.errors import UsageError, nearest
from tune_tasks.rllib.config.keys_2017 import ALGORITHMS_GONE

if TYPE_CHECKING:
    from ray.rllib.algorithms.algorithm_config import AlgorithmConfig

# : The name in a spec's `alg` -> `module:ConfigClass`. First 2017's, then what RLlib 2.60 registers
# beyond them.
ALGORITHMS: Mapping[str, str] = MappingProxyType(
    {
        "PPO": "ray.rllib.algorithms.ppo:PPOConfig",
        "DQN": "ray.rllib.algorithms.dqn:DQNConfig",
        "A3C": "tune_tasks.rllib.algorithms.a3c:A3CConfig",
        "A2C": "tune_tasks.rllib.algorithms.a2c:A2CConfig",
        "ES": "tune_tasks.rllib.algorithms.es:ESConfig",
        "APPO": "ray.rllib.algorithms.appo:APPOConfig",
        "BC": "ray.rllib.algorithms.bc:BCConfig",
        "CQL": "ray.rllib.algorithms.cql:CQLConfig",
        "DreamerV3": "ray.rllib.algorithms.dreamerv3:DreamerV3Config",
        "IMPALA": "ray.rllib.algorithms.impala:IMPALAConfig",
        "IQL": "ray.rllib.algorithms.iql:IQLConfig",
        "MARWIL": "ray.rllib.algorithms.marwil:MARWILConfig",
        "SAC": "ray.rllib.algorithms.sac:SACConfig",
    }
)


def check_algorithm(alg: str) -> None:
    """Raise UsageError unless `alg` names an algorithm.

    The message has the list and the nearest name. Imports nothing.
    """
    if alg in ALGORITHMS_GONE:
        instead = ALGORITHMS_GONE[alg]
        hint = f"; {instead} is the nearest there is" if instead else ""
        raise UsageError(
            f"alg: RLlib no longer has {alg!r}{hint} (known: script, {', '.join(ALGORITHMS)})"
        )
    if alg not in ALGORITHMS:
        by_lower = {name.lower(): name for name in ("script", *ALGORITHMS)}
        match = nearest(alg.lower(), by_lower)
        hint = f"; did you mean {by_lower[match]!r}?" if match else ""
        raise UsageError(
            f"alg: no algorithm is named {alg!r}{hint} (known: script, {', '.join(ALGORITHMS)})"
        )


def config_class(alg: str) -> type[AlgorithmConfig]:
    """The class of an algorithm's config. Imports RLlib, which takes seconds the first time.

    Raises:
        UsageError: If `alg` names no algorithm, or RLlib is not installed.
    """
    check_algorithm(alg)
    _require_rllib(alg)
    module, _, name = ALGORITHMS[alg].partition(":")
    return cast("type[AlgorithmConfig]", getattr(importlib.import_module(module), name))


def _require_rllib(alg: str) -> None:
    try:
        importlib.import_module("torch")
        importlib.import_module("ray.rllib.algorithms.algorithm_config")
    except ImportError as error:
        raise UsageError(
            f"alg: {alg!r} runs on RLlib, which is not installed whole ({error}); install it: pip"
            " install 'tune-tasks[rllib]'"
        ) from error
