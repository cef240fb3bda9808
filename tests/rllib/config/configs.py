"""Makes RLlib's configs, networks and environments for tests. Nothing is trained."""

from pathlib import Path

import pytest
import torch
from ray.rllib.core.columns import Columns

from tune_tasks.errors import ConfigError
from tune_tasks.rllib.config.algorithm_config import algorithm_config
from tune_tasks.rllib.envs import environments

DOCS = Path(__file__).parents[3] / "docs" / "rllib-config-keys.md"
PONG = "PongDeterministic-v4"


def built(alg, config, env="CartPole-v0"):
    return algorithm_config(alg, env, config)


def environment(config):
    return environments.create(config.env_config)


def module(config):
    env = environment(config)
    return config.get_rl_module_spec(
        spaces={"default_policy": (env.observation_space, env.action_space)}
    ).build()


def learner(config):
    env = environment(config)
    made = config.build_learner(
        spaces={"default_policy": (env.observation_space, env.action_space)}
    )
    made.build()
    return made


def widths(network):
    """The outputs of each linear layer."""
    return [layer.out_features for layer in network.modules() if isinstance(layer, torch.nn.Linear)]


def kinds(network):
    return {type(layer).__name__ for layer in network.modules()}


def actions_of(policy, shape):
    return policy.forward_inference({Columns.OBS: torch.zeros(1, *shape)})


def refused(alg, config, env="CartPole-v0"):
    with pytest.raises(ConfigError) as error:
        algorithm_config(alg, env, config)
    return str(error.value), error.value.key


def check_refused(alg, config, message):
    """Check that a config is refused with this sentence, at the key that the sentence begins with."""
    said, key = refused(alg, config)
    assert said.startswith(message)
    assert ".".join(("config", *key)) == message.partition(":")[0]
