"""The networks and what wraps the environment: 2017's `model`, split as RLlib 2.60 has it."""

from __future__ import annotations

import dataclasses
import typing
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from tune_tasks.errors import ConfigError
from tune_tasks.rllib.config.given import Given
from tune_tasks.rllib.config.keys_2017 import Part
from tune_tasks.rllib.config.options import IMAGE_OPTIONS, EnvironmentOptions
from tune_tasks.rllib.config.settings import check_hint, check_range
from tune_tasks.rllib.envs.env_class import is_class
from tune_tasks.rllib.envs.environments import is_atari

if TYPE_CHECKING:
    from ray.rllib.algorithms.algorithm_config import AlgorithmConfig

# : The networks of an Atari game where `model` does not say otherwise: those of RLlib's A3C in 2017
# (its `convnet.py`), for : images of any size. RLlib's own default ends in an 11 × 11 convolution:
# 18 times the work for an action, 28 times to train.
ATARI_MODEL: Mapping[str, Any] = {
    "conv_filters": [[32, [3, 3], 2]] * 4,
    "conv_activation": "elu",
    "vf_share_layers": True,
}
_ATARI_HEAD = {"head_fcnet_hiddens": [256]}  # an LSTM has its own
_OWN_NETWORKS = {"DreamerV3": "model_size"}
_POLICY_AND_VALUE = frozenset({"PPO", "A3C", "A2C", "APPO", "IMPALA", "MARWIL"})
_POLICY = frozenset({"BC", "ES"})
_POLICY_AND_Q = frozenset({"SAC", "CQL", "IQL"})
_INITIALIZERS = [
    f"{what}_initializer{end}" for what in ("kernel", "bias") for end in ("", "_kwargs")
]
# : Keys that RLlib takes for every algorithm's networks and reads for some (its `*_catalog.py`) ->
# those algorithms.
USED_BY_NETWORKS: Mapping[str, frozenset[str]] = {
    **dict.fromkeys(("vf_share_layers", "head_fcnet_use_layernorm"), _POLICY_AND_VALUE),
    **dict.fromkeys(
        ("free_log_std", "log_std_clip_param"), _POLICY_AND_VALUE | _POLICY_AND_Q | _POLICY
    ),
    **dict.fromkeys([f"head_fcnet_{name}" for name in _INITIALIZERS], frozenset({"DQN"})),
    **dict.fromkeys(
        [f"fusionnet_{name}" for name in ("hiddens", "activation", *_INITIALIZERS)], _POLICY_AND_Q
    ),
}


def model_hints() -> dict[str, Any]:
    """The keys of RLlib's model config, with their types. Imports RLlib."""
    from ray.rllib.core.rl_module.default_model_config import DefaultModelConfig

    return typing.get_type_hints(DefaultModelConfig)


def set_model(alg: str, env: str | None, built: AlgorithmConfig, given: Given) -> None:
    """Set `rl_module(model_config=…)`.

    A value that cannot be used, or is of an algorithm that has networks of its own, is noted in
    `given.problems`.
    """
    hints, entries = model_hints(), given.parts[Part.MODEL]
    for name, entry in entries.items():
        with given.noting():
            _check_use(alg, name, entry.key)
            check_hint(hints[name], entry.value, entry.key)
            check_range(name, entry.value, entry.key)
            _check_activation(name, entry.value, entry.key)
    if alg not in _OWN_NETWORKS:
        built.rl_module(
            model_config=_model(env, {name: entry.value for name, entry in entries.items()})
        )


def _check_use(alg: str, name: str, key: tuple[str, ...]) -> None:
    if alg in _OWN_NETWORKS:
        raise ConfigError(
            f"has no effect on {alg}, whose networks follow from `{_OWN_NETWORKS[alg]}`", key
        )
    algorithms = USED_BY_NETWORKS.get(name, {alg})
    if alg not in algorithms:
        raise ConfigError(
            f"has no effect on the networks of {alg}; on those of {', '.join(sorted(algorithms))}"
            " it has",
            key,
        )


def _model(env: str | None, given: Mapping[str, Any]) -> dict[str, Any]:
    # RLlib takes max_seq_len's default from a whole DefaultModelConfig only, which would undo an
    # algorithm's own defaults.
    memory = {"max_seq_len": 20} if given.get("use_lstm") else {}
    if env is None or not is_atari(env):
        return {**memory, **given}
    return {**ATARI_MODEL, **(memory or _ATARI_HEAD), **given}


def _check_activation(name: str, value: Any, key: tuple[str, ...]) -> None:
    from ray.rllib.models.utils import get_activation_fn

    if name.endswith("_activation"):
        try:
            get_activation_fn(value, framework="torch")
        except ValueError as error:
            raise ConfigError(
                f"expected an activation such as 'tanh', 'relu' or 'elu', got {value!r}", key
            ) from error


def environment_options(env: str | None, given: Given) -> EnvironmentOptions:
    """How the environment is made and wrapped.

    A value that cannot be used, or speaks of images where `env` is no Atari game, is noted in
    `given.problems`.
    """
    hints, entries = typing.get_type_hints(EnvironmentOptions), given.parts[Part.ENVIRONMENT]
    for name, entry in entries.items():
        with given.noting():
            if name in IMAGE_OPTIONS and env is not None and not (is_class(env) or is_atari(env)):
                raise ConfigError(
                    f"has no effect on {env}, which is no Atari game played by its images",
                    entry.key,
                )
            check_hint(hints[name], entry.value, entry.key)
            check_range(name, entry.value, entry.key)
    lstm = given.parts[Part.MODEL].get("use_lstm")
    options = EnvironmentOptions(
        arguments=dict(given.arguments), framestack=1 if lstm and lstm.value else 4
    )
    return dataclasses.replace(options, **{name: entry.value for name, entry in entries.items()})
