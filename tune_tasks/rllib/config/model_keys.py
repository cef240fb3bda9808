"""The keys of the networks: `model`, as RLlib 2.60's `rl_module(model_config=…)` has them."""

from __future__ import annotations

import typing
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from tune_tasks.errors import ConfigError
from tune_tasks.rllib.config.catalog import Algorithm, Networks, names_with_networks
from tune_tasks.rllib.config.keys_2017 import Part
from tune_tasks.rllib.config.sorted_keys import Key, SortedKeys
from tune_tasks.rllib.config.values import check_hint, check_range
from tune_tasks.rllib.envs.env_ids import is_atari

if TYPE_CHECKING:
    from ray.rllib.algorithms.algorithm_config import AlgorithmConfig

# RLlib's own default ends in an 11 × 11 convolution: 18 times the work for an action, and 28 times
# the work to train.
ATARI_MODEL: Mapping[str, Any] = {
    "conv_filters": [[32, [3, 3], 2]] * 4,
    "conv_activation": "elu",
    "vf_share_layers": True,
}
"""The networks of an Atari game, for images of any size, if `model` does not say otherwise.

They are those of RLlib's A3C in 2017 (its `convnet.py`).
"""

_ATARI_HEAD = {"head_fcnet_hiddens": [256]}

_INITIALIZERS = (
    "kernel_initializer",
    "kernel_initializer_kwargs",
    "bias_initializer",
    "bias_initializer_kwargs",
)
_WITH_VALUE = frozenset({Networks.POLICY_AND_VALUE})
_WITH_Q = frozenset({Networks.POLICY_AND_Q})
_WITH_POLICY = _WITH_VALUE | _WITH_Q | {Networks.POLICY}
USED_BY_NETWORKS: Mapping[str, frozenset[Networks]] = {
    "vf_share_layers": _WITH_VALUE,
    "head_fcnet_use_layernorm": _WITH_VALUE,
    "free_log_std": _WITH_POLICY,
    "log_std_clip_param": _WITH_POLICY,
    "fusionnet_hiddens": _WITH_Q,
    "fusionnet_activation": _WITH_Q,
    **dict.fromkeys([f"fusionnet_{name}" for name in _INITIALIZERS], _WITH_Q),
    **dict.fromkeys([f"head_fcnet_{name}" for name in _INITIALIZERS], frozenset({Networks.Q})),
}
"""Keys that RLlib takes for all networks and reads for some, in its `*_catalog.py`."""


def model_hints() -> dict[str, Any]:
    """The keys of RLlib's model config, with their types. Imports RLlib."""
    from ray.rllib.core.rl_module.default_model_config import DefaultModelConfig

    return typing.get_type_hints(DefaultModelConfig)


def set_model(
    algorithm: Algorithm, env: str | None, built: AlgorithmConfig, keys: SortedKeys
) -> None:
    """Set `rl_module(model_config=…)`.

    Notes in `keys.problems` a value that cannot be used, and a key that has no effect on the
    algorithm's networks.
    """
    hints = model_hints()
    entries = keys.parts[Part.MODEL]
    for name, entry in entries.items():
        with keys.noting():
            _check_use(algorithm, name, entry.key)
            check_hint(hints[name], entry.value, entry.key)
            check_range(name, entry.value, entry.key)
            _check_activation(name, entry.value, entry.key)
    if algorithm.networks is not Networks.OWN:
        given = {name: entry.value for name, entry in entries.items()}
        built.rl_module(model_config=_model(env, given))


def _check_use(algorithm: Algorithm, name: str, key: Key) -> None:
    alg = algorithm.name
    if algorithm.networks is Networks.OWN:
        source = algorithm.networks_from
        raise ConfigError(f"has no effect on {alg}, whose networks follow from `{source}`", key)
    kinds = USED_BY_NETWORKS.get(name, {algorithm.networks})
    if algorithm.networks not in kinds:
        others = ", ".join(names_with_networks(kinds))
        raise ConfigError(f"has no effect on the networks of {alg}, but on those of {others}", key)


def _model(env: str | None, given: Mapping[str, Any]) -> dict[str, Any]:
    # RLlib takes max_seq_len's default from a whole DefaultModelConfig only, which would undo an
    # algorithm's own defaults.
    memory = {"max_seq_len": 20} if given.get("use_lstm") else {}
    if env is None or not is_atari(env):
        return {**memory, **given}
    # No head beside a memory, because an LSTM has its own.
    head = memory or _ATARI_HEAD
    return {**ATARI_MODEL, **head, **given}


def _check_activation(name: str, value: Any, key: Key) -> None:
    from ray.rllib.models.utils import get_activation_fn

    if not name.endswith("_activation"):
        return
    try:
        get_activation_fn(value, framework="torch")
    except ValueError as error:
        raise ConfigError(
            f"expected an activation such as 'tanh', 'relu' or 'elu', got {value!r}", key
        ) from error
