"""Keys that are unknown, are given twice, or are another algorithm's."""

import pytest

from tests.rllib.config.configs import check_refused

pytestmark = pytest.mark.rllib


WRONG = [
    # unknown
    ("PPO", {"num_worker": 2}, "config.num_worker: unknown key; did you mean 'num_workers'?"),
    ("PPO", {"sgd_batchsiz": 2}, "config.sgd_batchsiz: unknown key; did you mean 'sgd_batchsize'?"),
    ("PPO", {"modell": {}}, "config.modell: unknown key; did you mean 'model'?"),
    ("PPO", {"zzz": 2}, "config.zzz: unknown key"),
    ("PPO", {"_validate_config": False}, "config._validate_config: unknown key"),
    (  # beside `model` from 2018 to 2020
        "PPO",
        {"vf_share_layers": True},
        "config.vf_share_layers: unknown key; write `model: {vf_share_layers: …}`",
    ),
    ("PPO", {"dueling": True}, "config.dueling: is a setting of DQN only"),
    (
        "DQN",
        {"model": {"fcnet_hidden": [3]}},
        "config.model.fcnet_hidden: unknown key; did you mean 'fcnet_hiddens'?",
    ),
    ("DQN", {"replay_buffer_config": {"size": 3}}, "config.replay_buffer_config.size: unknown key"),
    # two spellings
    (
        "PPO",
        {"num_sgd_iter": 1, "num_epochs": 1},
        "config.num_epochs: sets the same as config.num_sgd_iter; give one of them",
    ),
    (
        "PPO",
        {"lr": 1.0, "sgd_stepsize": 1.0},
        "config.sgd_stepsize: sets the same as config.lr; give one of them",
    ),
    (
        "PPO",
        {"use_lstm": True, "model": {"use_lstm": True}},
        "config.model.use_lstm: sets the same as config.use_lstm",
    ),
    (
        "DQN",
        {"hiddens": [1], "model": {"head_fcnet_hiddens": [1]}},
        "config.model.head_fcnet_hiddens: sets the same as",
    ),
    (
        "DQN",
        {"epsilon": 0.1, "exploration_final_eps": 0.1},
        "config.exploration_final_eps: sets the same as config.epsilon",
    ),
    (
        "DQN",
        {"buffer_size": 9, "replay_buffer_config": {"capacity": 9}},
        "config.replay_buffer_config.capacity: sets",
    ),
    (
        "DQN",
        {"prioritized_replay": True, "replay_buffer_config": {"type": "EpisodeReplayBuffer"}},
        "config.prioritized_replay: sets the same as config.replay_buffer_config.type",
    ),
    # of another algorithm
    (
        "DQN",
        {"num_sgd_iter": 3},
        "config.num_sgd_iter: has no effect on DQN: it is for algorithms that go over",
    ),
    (
        "DQN",
        {"lambda": 0.9},
        "config.lambda: has no effect on DQN, which has no `lambda_` in RLlib",
    ),
    (
        "PPO",
        {"timesteps_per_iteration": 9},
        "config.timesteps_per_iteration: has no effect on PPO; it is a setting of DQN",
    ),
    (
        "PPO",
        {"buffer_size": 9},
        "config.buffer_size: has no effect: this algorithm has no replay buffer",
    ),
    (
        "PPO",
        {"exploration_fraction": 0.1},
        "config.exploration_fraction: has no effect on PPO; it is a setting of DQN",
    ),
    ("PPO", {"hiddens": [9]}, "config.hiddens: has no effect on PPO; it is a setting of DQN"),
    ("PPO", {"batch_size": 9}, "config.batch_size: has no effect on PPO; it is a setting of A3C"),
    (
        "IMPALA",
        {"epsilon": 0.1},
        "config.epsilon: has no effect on IMPALA: it is the share of random actions (DQN)",
    ),
    (
        "IMPALA",
        {"num_aggregator_actors_per_learner": 1},
        (
            "config.num_aggregator_actors_per_learner: its processes have no place in a trial's"
            " `resources`"
        ),
    ),
    ("SAC", {"lr": 0.1}, "config.lr: SAC takes actor_lr, critic_lr and alpha_lr"),
    ("A3C", {"train_batch_size": 9}, "config.train_batch_size: A3C has no train batch"),
    ("A2C", {"sgd_batchsize": 9}, "config.sgd_batchsize: has no effect on A2C"),
    ("ES", {"gamma": 0.9}, "config.gamma: ES ranks whole episodes"),
    (
        "DreamerV3",
        {"model": {"fcnet_hiddens": [9]}},
        "config.model.fcnet_hiddens: has no effect on DreamerV3, whose networks",
    ),
]


# Importing DreamerV3 makes an environment with a slip in it
@pytest.mark.filterwarnings("ignore:.*WARN:UserWarning")
@pytest.mark.parametrize(("alg", "config", "message"), WRONG)
def test_a_wrong_key_or_value_is_one_sentence(alg, config, message):
    check_refused(alg, config, message)
