"""A whole config: what its parts say together. Nothing is trained."""

import pytest

from tests.rllib.config.configs import built, check_refused, environment
from tune_tasks.errors import BadInputError, ConfigError
from tune_tasks.rllib.config.algorithm_config import algorithm_config

pytestmark = pytest.mark.rllib


def test_the_documents_experiment():
    config = built("PPO", {"num_workers": 4, "num_sgd_iter": 4, "sgd_batchsize": 256, "lr": 5e-4})
    assert (config.num_env_runners, config.num_epochs, config.minibatch_size, config.lr) == (
        4,
        4,
        256,
        5e-4,
    )
    assert (config.enable_rl_module_and_learner, config.enable_env_runner_and_connector_v2) == (
        True,
        True,
    )


@pytest.mark.parametrize("name", ["MeanStdFilter", "ConcurrentMeanStdFilter", "NoFilter", None])
def test_observation_filter(name):
    config = built("PPO", {"observation_filter": name} if name else {})
    env = environment(config)
    spaces = dict.fromkeys(("__env__", "__env_single__"), (env.observation_space, env.action_space))
    pipeline = config.build_env_to_module_connector(spaces=spaces)
    filters = [
        piece for piece in pipeline.connectors if type(piece).__name__ == "MergedMeanStdFilter"
    ]
    assert len(filters) == (1 if name and "Mean" in name else 0)


def test_evaluation_differs_as_it_is_told():
    config = built(
        "DQN", {"evaluation_config": {"explore": True, "gamma": 0.5}, "evaluation_interval": 1}
    )
    assert (
        config.get_evaluation_config_object().explore,
        config.get_evaluation_config_object().gamma,
    ) == (True, 0.5)
    assert config.gamma == 0.99


WRONG = [
    # what RLlib's own checks trip over
    (
        "SAC",
        {"n_step": 3, "rollout_fragment_length": 1},
        "config.rollout_fragment_length: expected `n_step` (3) or more steps, or 'auto', got 1",
    ),
    (
        "DQN",
        {"n_step": [2, 5], "rollout_fragment_length": 8},
        "config.rollout_fragment_length: expected 'auto': RLlib's DQN",
    ),
    (
        "DQN",
        {"n_step": [2, 5, 7]},
        "config.n_step: expected a whole number or a list, got [2, 5, 7]",
    ),
    (
        "DQN",
        {"prioritized_replay": False, "prioritized_replay_alpha": 1},
        "config.prioritized_replay_alpha: has no effect",
    ),
    (
        "PPO",
        {"model": {"post_fcnet_weights_initializer": "ones_"}},
        "config.model.post_fcnet_weights_initializer: has no",
    ),
    (
        "DQN",
        {"model": {"free_log_std": True}},
        "config.model.free_log_std: has no effect on the networks of DQN, but on",
    ),
    ("DQN", {"async_updates": True}, "config.async_updates: expected False, got True"),
    (
        "DQN",
        {"prioritized_replay_beta_iters": 9},
        "config.prioritized_replay_beta_iters: expected None, got 9",
    ),
    ("PPO", {"reward_filter": "MeanStdFilter"}, "config.reward_filter: expected 'NoFilter'"),
    # evaluation
    (
        "PPO",
        {"evaluation_config": {"explor": False}},
        "config.evaluation_config.explor: unknown key; did you mean 'explore'?",
    ),
    (
        "PPO",
        {"evaluation_config": {"explore": "no"}},
        "config.evaluation_config.explore: expected true or false, got 'no'",
    ),
    (
        "PPO",
        {"evaluation_config": {"horizon": 9}},
        "config.evaluation_config.horizon: cannot differ in evaluation",
    ),
]


# Importing DreamerV3 makes an environment with a slip in it
@pytest.mark.filterwarnings("ignore:.*WARN:UserWarning")
@pytest.mark.parametrize(("alg", "config", "message"), WRONG)
def test_a_wrong_key_or_value_is_one_sentence(alg, config, message):
    check_refused(alg, config, message)


def test_everything_that_is_wrong_is_said_at_once():
    config = {
        "lr": "fast",
        "zzz": 1,
        "model": {"fcnet_hiddens": 64, "dim": 84},
        "gamma": 2,
        "evaluation_config": {"a": 1, "lr": 0},
    }
    with pytest.raises(ConfigError) as error:
        algorithm_config("PPO", "CartPole-v0", config)
    keys = {("lr",), ("zzz",), ("gamma",), ("model", "fcnet_hiddens"), ("model", "dim")}
    assert {problem.key for problem in error.value.each()} == keys | {
        ("evaluation_config", "a"),
        ("evaluation_config", "lr"),
    }
    assert len(str(error.value).splitlines()) == 7


def test_an_environment_or_an_algorithm_that_is_not_there():
    with pytest.raises(BadInputError, match="env: no environment is named 'CartPoll-v0'"):
        algorithm_config("PPO", "CartPoll-v0", {})
    with pytest.raises(BadInputError, match="alg: no algorithm is named 'PP'"):
        algorithm_config("PP", "CartPole-v0", {})
