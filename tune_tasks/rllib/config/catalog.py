"""The algorithms: one record for each, with everything that is true of that algorithm alone.

A new algorithm is a new record. No other file asks for an algorithm by its name, except for
`keys_2017` and `keys_gone`, whose old names had a meaning for some algorithms only.

Pure: neither Ray nor RLlib is imported before `config_class` is called.
"""

from __future__ import annotations

import importlib
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from enum import Enum
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, cast

from tune_tasks.errors import UsageError, nearest
from tune_tasks.rllib.config.keys_2017 import ALGORITHMS_GONE

if TYPE_CHECKING:
    from ray.rllib.algorithms.algorithm_config import AlgorithmConfig


class Trait(Enum):
    """Something that some algorithms have; the value says what the settings of it are for."""

    EPOCHS = "it is for algorithms that go over one train batch several times"
    RANDOM_ACTIONS = "it is the share of random actions"
    RECORDED_DATA = "it is for algorithms that learn from recorded data"
    SINGLE_OBSERVATIONS = "the others learn from what a step leads to"
    FED_LEARNER = "it is for algorithms whose learner is fed asynchronously"


class Networks(Enum):
    """The networks of an algorithm, as its RLlib catalog builds them."""

    POLICY = "a policy"
    POLICY_AND_VALUE = "a policy and a value function"
    POLICY_AND_Q = "a policy and Q functions"
    Q = "a Q function"
    OWN = "networks that `model` does not describe"


@dataclass(frozen=True)
class Algorithm:
    """One algorithm, and what distinguishes it.

    Attributes:
        name: The name in a spec's `alg`.
        config: The class of its config, as `module:Class`.
        networks: Its networks.
        traits: What it has that others lack.
        continuous_only: It needs continuous actions.
        networks_from: The setting that its networks follow from, if they are `Networks.OWN`.
        outlives_workers: It goes on without a worker that has died.
        updates_per_iteration: Train batches of one iteration, if it learns from recorded data.
        defaults: Settings that have another default here than in RLlib.
        constant: Settings of which RLlib takes a schedule, and does not follow it.
        fragment_is_auto: RLlib takes a range for `n_step` only if `rollout_fragment_length` is
            "auto".
        unused: Settings that RLlib takes for this algorithm without using them -> what to do
            instead, or why.
    """

    name: str
    config: str
    networks: Networks
    traits: frozenset[Trait] = frozenset()
    continuous_only: bool = False
    networks_from: str = ""
    outlives_workers: bool = False
    updates_per_iteration: int = 0
    defaults: Mapping[str, Any] = field(default_factory=dict)
    constant: frozenset[str] = frozenset()
    fragment_is_auto: bool = False
    unused: Mapping[str, str] = field(default_factory=dict)

    @property
    def learns_from_data(self) -> bool:
        """Return whether it learns from recorded data, and from nothing else."""
        return Trait.RECORDED_DATA in self.traits

    @property
    def explores_by_epsilon(self) -> bool:
        """Return whether it acts at random by a schedule."""
        return Trait.RANDOM_ACTIONS in self.traits

    def config_class(self) -> type[AlgorithmConfig]:
        """The class of its config. Imports RLlib, which takes seconds the first time.

        Raises:
            UsageError: If RLlib is not installed.
        """
        _require_rllib(self.name)
        module, _, name = self.config.partition(":")
        return cast("type[AlgorithmConfig]", getattr(importlib.import_module(module), name))


_IT_PLAYS_NOTHING = "it plays nothing; an iteration has `min_train_timesteps_per_iteration`"
_UNUSED_ON_DATA = {
    "min_sample_timesteps_per_iteration": _IT_PLAYS_NOTHING,
    "rollout_fragment_length": _IT_PLAYS_NOTHING,
    "sample_timeout_s": _IT_PLAYS_NOTHING,
    "num_env_runners": "it learns from data; evaluation has `evaluation_num_env_runners`",
    "num_learners": "it reads its data in the trial's own process, and learns there",
}
_NO_CRITIC = "BC imitates, without a value function"
_NOT_IN_CQL = "RLlib's CQL does not use it"
_NO_ADVANTAGES = "IQL estimates advantages by its two networks"

_PPO = Algorithm(
    name="PPO",
    config="ray.rllib.algorithms.ppo:PPOConfig",
    networks=Networks.POLICY_AND_VALUE,
    traits=frozenset({Trait.EPOCHS}),
)
_DQN = Algorithm(
    name="DQN",
    config="ray.rllib.algorithms.dqn:DQNConfig",
    networks=Networks.Q,
    traits=frozenset({Trait.RANDOM_ACTIONS}),
    fragment_is_auto=True,
)
_A3C = Algorithm(
    name="A3C",
    config="tune_tasks.rllib.algorithms.a3c:A3CConfig",
    networks=Networks.POLICY_AND_VALUE,
    outlives_workers=True,
    unused={
        "train_batch_size_per_learner": (
            "A3C has no train batch: a gradient is of `rollout_fragment_length` steps"
        ),
        "num_learners": "A3C applies its gradients in the trial's own process",
    },
)
_A2C = Algorithm(
    name="A2C",
    config="tune_tasks.rllib.algorithms.a2c:A2CConfig",
    networks=Networks.POLICY_AND_VALUE,
)
_ES = Algorithm(
    name="ES",
    config="tune_tasks.rllib.algorithms.es:ESConfig",
    networks=Networks.POLICY,
    outlives_workers=True,
    unused={
        "gamma": "ES ranks whole episodes by their undiscounted returns",
        "rollout_fragment_length": "ES plays whole episodes",
        "batch_mode": "ES plays whole episodes",
    },
)
_APPO = Algorithm(
    name="APPO",
    config="ray.rllib.algorithms.appo:APPOConfig",
    networks=Networks.POLICY_AND_VALUE,
    traits=frozenset({Trait.EPOCHS, Trait.FED_LEARNER}),
)
_BC = Algorithm(
    name="BC",
    config="ray.rllib.algorithms.bc:BCConfig",
    networks=Networks.POLICY,
    traits=frozenset({Trait.RECORDED_DATA, Trait.SINGLE_OBSERVATIONS}),
    updates_per_iteration=100,
    unused={
        **_UNUSED_ON_DATA,
        "gamma": _NO_CRITIC,
        "vf_coeff": _NO_CRITIC,
        "beta": _NO_CRITIC,
        "moving_average_sqd_adv_norm_update_rate": _NO_CRITIC,
        "moving_average_sqd_adv_norm_start": _NO_CRITIC,
    },
)
_CQL = Algorithm(
    name="CQL",
    config="ray.rllib.algorithms.cql:CQLConfig",
    networks=Networks.POLICY_AND_Q,
    traits=frozenset({Trait.RECORDED_DATA}),
    continuous_only=True,
    # Fewer than the others', because each update draws ten actions for every step.
    updates_per_iteration=10,
    # CQLConfig's own default of `lr` fails its own check.
    defaults={"lr": None},
    constant=frozenset({"actor_lr", "critic_lr", "alpha_lr"}),
    unused={
        **_UNUSED_ON_DATA,
        "n_step": _NOT_IN_CQL,
        "training_intensity": _NOT_IN_CQL,
        "num_steps_sampled_before_learning_starts": _NOT_IN_CQL,
        "target_network_update_freq": _NOT_IN_CQL,
        "lr": "CQL takes actor_lr, critic_lr and alpha_lr",
    },
)
_DREAMER_V3 = Algorithm(
    name="DreamerV3",
    config="ray.rllib.algorithms.dreamerv3:DreamerV3Config",
    networks=Networks.OWN,
    networks_from="model_size",
    unused={"lr": "DreamerV3 takes world_model_lr, actor_lr and critic_lr"},
)
_IMPALA = Algorithm(
    name="IMPALA",
    config="ray.rllib.algorithms.impala:IMPALAConfig",
    networks=Networks.POLICY_AND_VALUE,
    traits=frozenset({Trait.EPOCHS, Trait.FED_LEARNER}),
)
_IQL = Algorithm(
    name="IQL",
    config="ray.rllib.algorithms.iql:IQLConfig",
    networks=Networks.POLICY_AND_Q,
    traits=frozenset({Trait.RECORDED_DATA}),
    continuous_only=True,
    updates_per_iteration=100,
    unused={
        **_UNUSED_ON_DATA,
        "vf_coeff": _NO_ADVANTAGES,
        "moving_average_sqd_adv_norm_update_rate": _NO_ADVANTAGES,
        "moving_average_sqd_adv_norm_start": _NO_ADVANTAGES,
        "lr": "IQL takes actor_lr, critic_lr and value_lr",
    },
)
_MARWIL = Algorithm(
    name="MARWIL",
    config="ray.rllib.algorithms.marwil:MARWILConfig",
    networks=Networks.POLICY_AND_VALUE,
    traits=frozenset({Trait.RECORDED_DATA}),
    updates_per_iteration=100,
    # Its advantages change with its value function, so no epoch can use those of the one before.
    defaults={"materialize_mapped_data": False},
    unused=_UNUSED_ON_DATA,
)
_SAC = Algorithm(
    name="SAC",
    config="ray.rllib.algorithms.sac:SACConfig",
    networks=Networks.POLICY_AND_Q,
    unused={"lr": "SAC takes actor_lr, critic_lr and alpha_lr"},
)

ALGORITHMS: Mapping[str, Algorithm] = MappingProxyType(
    {
        algorithm.name: algorithm
        for algorithm in (
            *(_PPO, _DQN, _A3C, _A2C, _ES),  # first those of 2017
            *(_APPO, _BC, _CQL, _DREAMER_V3, _IMPALA, _IQL, _MARWIL, _SAC),
        )
    }
)
"""Each algorithm by its name in a spec's `alg`."""


def names_with(trait: Trait) -> list[str]:
    """The names of the algorithms that have a trait, sorted."""
    return sorted(name for name, algorithm in ALGORITHMS.items() if trait in algorithm.traits)


def names_with_networks(kinds: Collection[Networks]) -> list[str]:
    """The names of the algorithms that have networks of one of these kinds, sorted."""
    return sorted(name for name, algorithm in ALGORITHMS.items() if algorithm.networks in kinds)


def algorithm_named(alg: str) -> Algorithm:
    """The algorithm of this name. Imports nothing.

    Raises:
        UsageError: If there is no such algorithm. The message has the nearest name and all names.
    """
    if alg in ALGORITHMS:
        return ALGORITHMS[alg]
    known = f"(known: script, {', '.join(ALGORITHMS)})"
    if alg in ALGORITHMS_GONE:
        instead = ALGORITHMS_GONE[alg]
        hint = f"; {instead} is the nearest there is" if instead else ""
        raise UsageError(f"alg: RLlib no longer has {alg!r}{hint} {known}")
    raise UsageError(f"alg: no algorithm is named {alg!r}{_nearest_hint(alg)} {known}")


def _nearest_hint(alg: str) -> str:
    # Without regard to case, because `ppo` is as near to PPO as can be.
    by_lower = {name.lower(): name for name in ("script", *ALGORITHMS)}
    match = nearest(alg.lower(), by_lower)
    return f"; did you mean {by_lower[match]!r}?" if match else ""


def _require_rllib(alg: str) -> None:
    try:
        importlib.import_module("torch")
        importlib.import_module("ray.rllib.algorithms.algorithm_config")
    except ImportError as error:
        raise UsageError(
            f"alg: {alg!r} runs on RLlib, which is not installed whole ({error}); install it: pip"
            " install 'tune-tasks[rllib]'"
        ) from error
