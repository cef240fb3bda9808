"""The values that settings take."""

import pytest

from tests.rllib.config.configs import check_refused
from tune_tasks.rllib.config.algorithm_config import algorithm_config
from tune_tasks.rllib.config.catalog import ALGORITHMS, algorithm_named
from tune_tasks.rllib.config.settings import settings_of
from tune_tasks.rllib.config.unused import UNUSED
from tune_tasks.rllib.config.values import check_value

pytestmark = pytest.mark.rllib


WRONG = [
    (
        "PPO",
        {"lr": "fast"},
        (
            "config.lr: expected a number, or a schedule such as [[0, 0.001], [100000, 0.0001]],"
            " got 'fast'"
        ),
    ),
    ("PPO", {"lr": 0}, "config.lr: expected more than 0, got 0"),
    ("PPO", {"lr": -1e-3}, "config.lr: expected more than 0, got -0.001"),
    (
        "PPO",
        {"lr": True},
        (
            "config.lr: expected a number, or a schedule such as [[0, 0.001], [100000, 0.0001]],"
            " got True"
        ),
    ),
    ("PPO", {"sgd_stepsize": "1e-3"}, "config.sgd_stepsize: expected a number, or a schedule"),
    ("PPO", {"gamma": 1.5}, "config.gamma: expected 0 to 1, got 1.5"),
    ("PPO", {"gamma": float("nan")}, "config.gamma: expected 0 to 1, got nan"),
    ("PPO", {"num_workers": -1}, "config.num_workers: expected 0 or more, got -1"),
    ("PPO", {"num_workers": 1.5}, "config.num_workers: expected a whole number, got 1.5"),
    ("PPO", {"num_workers": True}, "config.num_workers: expected a whole number, got True"),
    ("PPO", {"num_workers": None}, "config.num_workers: expected a whole number, got null"),
    ("PPO", {"gamma": None}, "config.gamma: expected a number, got null"),
    ("IMPALA", {"num_learners": None}, "config.num_learners: expected a whole number, got null"),
    (
        "DQN",
        {"evaluation_config": {"explore": None}},
        "config.evaluation_config.explore: expected true or false, got null",
    ),
    ("PPO", {"num_sgd_iter": "3"}, "config.num_sgd_iter: expected a whole number, got '3'"),
    ("PPO", {"rollout_batchsize": 0}, "config.rollout_batchsize: expected 1 or more, got 0"),
    ("PPO", {"entropy_coeff": "much"}, "config.entropy_coeff: expected a number, or a schedule"),
    ("PPO", {"use_kl_loss": 1}, "config.use_kl_loss: expected true or false, got 1"),
    (
        "PPO",
        {"batch_mode": "whole"},
        "config.batch_mode: expected 'truncate_episodes' or 'complete_episodes', got 'whole'",
    ),
    ("PPO", {"framework": "jax"}, "config.framework: expected 'torch', got 'jax'"),
    ("PPO", {"horizon": 0}, "config.horizon: expected 1 or more, got 0"),
    ("PPO", {"env_config": 3}, "config.env_config: expected a mapping, got 3"),
    ("PPO", {"model": []}, "config.model: expected a mapping, got []"),
    (
        "PPO",
        {"model": {"fcnet_hiddens": 64}},
        "config.model.fcnet_hiddens: expected a list, got 64",
    ),
    (
        "PPO",
        {"model": {"fcnet_hiddens": [0]}},
        "config.model.fcnet_hiddens: expected 1 or more, got [0]",
    ),
    (
        "PPO",
        {"model": {"fcnet_activation": "rleu"}},
        "config.model.fcnet_activation: expected an activation such as 'tanh'",
    ),
    (
        "PPO",
        {"observation_filter": "Mean"},
        "config.observation_filter: expected 'NoFilter' or 'MeanStdFilter', got 'Mean'",
    ),
    ("PPO", {"num_gpus": 2}, "config.num_gpus: expected 0 to 1, got 2"),
    ("DQN", {"buffer_size": 0}, "config.buffer_size: expected 1 or more, got 0"),
    (
        "DQN",
        {"prioritized_replay": "no"},
        "config.prioritized_replay: expected true or false, got 'no'",
    ),
    ("DQN", {"exploration_final_eps": 2}, "config.exploration_final_eps: expected 0 to 1, got 2"),
    (
        "DQN",
        {"exploration_fraction": "a"},
        "config.exploration_fraction: expected a number, got 'a'",
    ),
    ("DQN", {"hiddens": 256}, "config.hiddens: expected a list, got 256"),
    (
        "DQN",
        {"td_error_loss_fn": "abs"},
        "config.td_error_loss_fn: expected 'huber' or 'mse', got 'abs'",
    ),
]


# Importing DreamerV3 makes an environment with a slip in it
@pytest.mark.filterwarnings("ignore:.*WARN:UserWarning")
@pytest.mark.parametrize(("alg", "config", "message"), WRONG)
def test_a_wrong_key_or_value_is_one_sentence(alg, config, message):
    check_refused(alg, config, message)


def test_null_where_it_means_something():
    config = {
        "grad_clip": None,
        "seed": None,
        "train_batch_size": 64,
        "minibatch_size": None,
        "evaluation_interval": None,
    }
    assert algorithm_config("IMPALA", "CartPole-v1", config).grad_clip is None


SAME_NAME = {"framework": "framework_str"}


@pytest.mark.filterwarnings("ignore:.*WARN:UserWarning")
@pytest.mark.parametrize("alg", ALGORITHMS)
def test_every_default_of_rllib_could_be_given(alg):
    """The types and ranges here are no narrower than what RLlib itself has."""
    default = algorithm_named(alg).config_class()()
    checked = 0
    for name, setting in settings_of(type(default)).items():
        value = vars(default).get(SAME_NAME.get(name, name))
        if isinstance(value, (bool, int, float, str, list)) and name not in UNUSED:
            check_value(setting, value, (name,))
            checked += 1
    assert checked > 60
