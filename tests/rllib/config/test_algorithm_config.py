"""Every key of `config`: that it arrives in what uses it, or is refused with a sentence.

Nothing is trained.
"""

from dataclasses import fields
from pathlib import Path

import gymnasium
import numpy as np
import pytest
import torch
from ray.rllib.core.columns import Columns
from ray.rllib.core.rl_module.default_model_config import DefaultModelConfig

from tune_tasks.errors import BadInputError, ConfigError, UsageError
from tune_tasks.rllib.config.algorithm_config import algorithm_config
from tune_tasks.rllib.config.catalog import ALGORITHMS, algorithm_named
from tune_tasks.rllib.config.ignored_keys import ignored_keys
from tune_tasks.rllib.config.keys_2017 import (
    ALGORITHMS_GONE,
    KEYS,
    MODEL_KEYS,
)
from tune_tasks.rllib.config.keys_gone import (
    FIXED,
    IGNORED,
    MODEL_IGNORED,
    MODEL_REFUSED,
    REFUSED,
    REPLAY_IGNORED,
)
from tune_tasks.rllib.config.model_keys import ATARI_MODEL
from tune_tasks.rllib.config.settings import settings_of
from tune_tasks.rllib.config.unused import ONLY_WITH, UNUSED
from tune_tasks.rllib.config.values import check_value
from tune_tasks.rllib.envs import environments

pytestmark = pytest.mark.rllib

ON_DATA = [each.name for each in ALGORITHMS.values() if each.learns_from_data]
PONG = "PongDeterministic-v4"
DOCS = Path(__file__).parents[3] / "docs" / "rllib-config-keys.md"


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


# --- plain settings: the attribute is what RLlib's own code reads

SETTINGS = [
    # key, algorithm, value, attribute of the config, what it is then
    ("num_workers", "PPO", 3, "num_env_runners", 3),
    ("num_rollout_workers", "PPO", 3, "num_env_runners", 3),
    ("rollout_batchsize", "PPO", 8, "num_envs_per_env_runner", 8),
    ("num_envs_per_worker", "PPO", 8, "num_envs_per_env_runner", 8),
    ("num_cpus_per_worker", "PPO", 0.875, "num_cpus_per_env_runner", 0.875),
    ("num_gpus_per_worker", "PPO", 0.25, "num_gpus_per_env_runner", 0.25),
    ("use_gpu_for_workers", "PPO", True, "num_gpus_per_env_runner", 1),
    ("use_gpu_for_workers", "PPO", False, "num_gpus_per_env_runner", 0),
    ("num_gpus", "PPO", 0.5, "num_gpus_per_learner", 0.5),
    ("num_cpus_for_driver", "PPO", 2, "num_cpus_for_main_process", 2),
    ("num_learner_workers", "PPO", 2, "num_learners", 2),
    ("num_cpus_per_learner_worker", "PPO", 2, "num_cpus_per_learner", 2),
    ("num_gpus_per_learner_worker", "PPO", 1, "num_gpus_per_learner", 1),
    ("lambda", "PPO", 0.9, "lambda_", 0.9),
    ("sgd_stepsize", "PPO", 1e-3, "lr", 1e-3),
    ("stepsize", "ES", 0.02, "lr", 0.02),
    ("num_sgd_iter", "PPO", 7, "num_epochs", 7),
    ("sgd_batchsize", "PPO", 64, "minibatch_size", 64),
    ("sgd_minibatch_size", "PPO", 64, "minibatch_size", 64),
    ("sgd_batch_size", "DQN", 64, "total_train_batch_size", 64),
    ("timesteps_per_batch", "PPO", 512, "total_train_batch_size", 512),
    ("timesteps_per_batch", "A2C", 512, "total_train_batch_size", 512),
    ("timesteps_per_batch", "ES", 512, "total_train_batch_size", 512),
    ("train_batch_size", "PPO", 512, "total_train_batch_size", 512),
    ("train_batch_size", "DQN", 512, "total_train_batch_size", 512),
    ("batch_size", "A3C", 10, "rollout_fragment_length", 10),
    ("entropy_coeff", "PPO", -0.01, "entropy_coeff", 0.01),
    ("entropy_coeff", "A3C", -0.02, "entropy_coeff", 0.02),
    ("entropy_coeff", "PPO", [[0, 0.01], [1000, 0.0]], "entropy_coeff", [[0, 0.01], [1000, 0.0]]),
    ("grad_norm_clipping", "DQN", 10, "grad_clip", 10),
    ("min_steps_per_task", "PPO", 400, "rollout_fragment_length", 400),
    ("sample_batch_size", "DQN", 4, "rollout_fragment_length", 4),
    ("timesteps_per_iteration", "DQN", 500, "min_sample_timesteps_per_iteration", 500),
    ("num_batches_per_iteration", "A3C", 50, "min_sample_timesteps_per_iteration", 1_000),
    ("learning_starts", "DQN", 123, "num_steps_sampled_before_learning_starts", 123),
    ("smoothing_num_episodes", "PPO", 7, "metrics_num_episodes_for_smoothing", 7),
    ("min_iter_time_s", "PPO", 2, "min_time_s_per_iteration", 2),
    ("recreate_failed_workers", "PPO", False, "restart_failed_env_runners", False),
    ("ignore_worker_failures", "PPO", True, "ignore_env_runner_failures", True),
    ("evaluation_num_workers", "PPO", 1, "evaluation_num_env_runners", 1),
    ("evaluation_num_episodes", "PPO", 3, "evaluation_duration", 3),
    ("l2coeff", "ES", 0.1, "l2_coeff", 0.1),
    # what RLlib has renamed since
    ("num_trainer_workers", "PPO", 2, "num_learners", 2),
    ("num_cpus_per_trainer_worker", "PPO", 2, "num_cpus_per_learner", 2),
    ("num_gpus_per_trainer_worker", "PPO", 1, "num_gpus_per_learner", 1),
    ("num_cpus_for_local_worker", "PPO", 2, "num_cpus_for_main_process", 2),
    (
        "max_sample_requests_in_flight_per_worker",
        "APPO",
        3,
        "max_requests_in_flight_per_env_runner",
        3,
    ),
    (
        "max_requests_in_flight_per_sampler_worker",
        "PPO",
        3,
        "max_requests_in_flight_per_env_runner",
        3,
    ),
    ("custom_resources_per_worker", "PPO", {"a": 1}, "custom_resources_per_env_runner", {"a": 1}),
    ("lr_schedule", "PPO", [[0, 1e-3], [1000, 1e-4]], "lr", [[0, 1e-3], [1000, 1e-4]]),
    (
        "entropy_coeff_schedule",
        "PPO",
        [[0, 0.01], [1000, 0.0]],
        "entropy_coeff",
        [[0, 0.01], [1000, 0.0]],
    ),
    ("timesteps_per_iteration", "SAC", 500, "min_sample_timesteps_per_iteration", 500),
    ("min_sample_timesteps_per_reporting", "PPO", 500, "min_sample_timesteps_per_iteration", 500),
    ("min_train_timesteps_per_reporting", "PPO", 500, "min_train_timesteps_per_iteration", 500),
    ("min_time_s_per_reporting", "PPO", 2, "min_time_s_per_iteration", 2),
    ("metrics_smoothing_episodes", "SAC", 5, "metrics_num_episodes_for_smoothing", 5),
    ("max_num_worker_restarts", "PPO", 5, "max_num_env_runner_restarts", 5),
    ("delay_between_worker_restarts_s", "PPO", 5.0, "delay_between_env_runner_restarts_s", 5.0),
    (
        "num_consecutive_worker_failures_tolerance",
        "PPO",
        5,
        "num_consecutive_env_runner_failures_tolerance",
        5,
    ),
    ("worker_health_probe_timeout_s", "PPO", 5.0, "env_runner_health_probe_timeout_s", 5.0),
    ("worker_restore_timeout_s", "PPO", 5.0, "env_runner_restore_timeout_s", 5.0),
    (
        "validate_workers_after_construction",
        "PPO",
        False,
        "validate_env_runners_after_construction",
        False,
    ),
    ("target_update_frequency", "APPO", 3, "target_network_update_freq", 3),
    # the same name in 2017 and today
    ("lr", "PPO", [[0, 1e-3], [1000, 1e-4]], "lr", [[0, 1e-3], [1000, 1e-4]]),
    ("gamma", "PPO", 0.9, "gamma", 0.9),
    ("use_gae", "A3C", False, "use_gae", False),
    ("kl_coeff", "PPO", 0.3, "kl_coeff", 0.3),
    ("kl_target", "PPO", 0.02, "kl_target", 0.02),
    ("clip_param", "PPO", 0.1, "clip_param", 0.1),
    ("vf_loss_coeff", "PPO", 0.5, "vf_loss_coeff", 0.5),
    ("grad_clip", "DQN", 0.5, "grad_clip", 0.5),
    ("double_q", "DQN", False, "double_q", False),
    ("target_network_update_freq", "DQN", 50, "target_network_update_freq", 50),
    ("n_step", "DQN", [1, 3], "n_step", (1, 3)),
    ("noise_stdev", "ES", 0.2, "noise_stdev", 0.2),
    ("episodes_per_batch", "ES", 10, "episodes_per_batch", 10),
    ("seed", "PPO", 42, "seed", 42),
]


@pytest.mark.parametrize(("key", "alg", "value", "attribute", "then"), SETTINGS)
def test_a_setting_arrives(key, alg, value, attribute, then):
    default = getattr(algorithm_named(alg).config_class()(), attribute)
    assert default != then or attribute == "num_gpus_per_env_runner", (
        "the test would pass without the key"
    )
    assert getattr(built(alg, {key: value}), attribute) == then


def test_recorded_data_are_read_for_the_environments_spaces():
    config = built("BC", {"input": "/data/episodes", "dataset_num_iters_per_learner": 1})
    assert config.input_ == "/data/episodes"
    assert (config.observation_space.shape, config.action_space.n) == ((4,), 2)
    assert widths(config.get_rl_module_spec().build())[-1] == 2


def test_lr_lambda_and_gamma_reach_the_learner():
    made = learner(
        built("PPO", {"sgd_stepsize": 0.0123, "lambda": 0.77, "gamma": 0.66, "grad_clip": 3.0})
    )
    assert [group["lr"] for group in made.get_optimizer().param_groups] == [pytest.approx(0.0123)]
    estimate = next(
        piece for piece in made._learner_connector.connectors if hasattr(piece, "lambda_")
    )
    assert (estimate.lambda_, estimate.gamma) == (0.77, 0.66)


# --- replay and exploration


def replay(config):
    from ray.rllib.utils import replay_buffers

    given = dict(config.replay_buffer_config)
    return getattr(replay_buffers, given.pop("type"))(**given)


REPLAY = [
    ({"buffer_size": 700}, ("PrioritizedEpisodeReplayBuffer", 700, 0.6, 0.4)),
    ({"prioritized_replay_alpha": 0.7}, ("PrioritizedEpisodeReplayBuffer", 50_000, 0.7, 0.4)),
    ({"prioritized_replay_beta0": 0.5}, ("PrioritizedEpisodeReplayBuffer", 50_000, 0.6, 0.5)),
    ({"prioritized_replay_beta": 0.5}, ("PrioritizedEpisodeReplayBuffer", 50_000, 0.6, 0.5)),
    ({"prioritized_replay": True}, ("PrioritizedEpisodeReplayBuffer", 50_000, 0.6, 0.4)),
    ({"prioritized_replay": False}, ("EpisodeReplayBuffer", 50_000, None, None)),
    ({"prioritized_replay": False, "buffer_size": 700}, ("EpisodeReplayBuffer", 700, None, None)),
    (
        {"replay_buffer_config": {"capacity": 9, "beta": 0.5}},
        ("PrioritizedEpisodeReplayBuffer", 9, 0.6, 0.5),
    ),
    (
        {"replay_buffer_config": {"type": "EpisodeReplayBuffer"}},
        ("EpisodeReplayBuffer", 50_000, None, None),
    ),
    (
        {"replay_buffer_config": {"type": "MultiAgentReplayBuffer"}},
        ("EpisodeReplayBuffer", 50_000, None, None),
    ),
    (
        {
            "replay_buffer_config": {
                "type": "MultiAgentPrioritizedReplayBuffer",
                "prioritized_replay_alpha": 0.5,
            }
        },
        ("PrioritizedEpisodeReplayBuffer", 50_000, 0.5, 0.4),
    ),
]


@pytest.mark.parametrize(("config", "then"), REPLAY)
def test_the_replay_buffer(config, then):
    made = built("DQN", config)
    buffer = replay(made)
    assert (type(buffer).__name__, buffer.capacity) == then[:2]
    assert (getattr(buffer, "_alpha", None), made.replay_buffer_config.get("beta")) == then[2:]


EXPLORATION = [
    ({"schedule_max_timesteps": 5_000}, [[0, 1.0], [500, 0.02]]),
    ({"exploration_fraction": 0.5}, [[0, 1.0], [50_000, 0.02]]),
    ({"exploration_final_eps": 0.1}, [[0, 1.0], [10_000, 0.1]]),
    (
        {"schedule_max_timesteps": 1_000, "exploration_fraction": 0.29, "exploration_final_eps": 0},
        [[0, 1.0], [290, 0]],
    ),
    ({"epsilon": 0.3}, 0.3),
    (
        {"exploration_config": {"epsilon_timesteps": 500, "final_epsilon": 0.1}},
        [[0, 1.0], [500, 0.1]],
    ),
    (
        {"exploration_config": {"type": "EpsilonGreedy", "initial_epsilon": 0.5}},
        [[0, 0.5], [10_000, 0.02]],
    ),
]


@pytest.mark.parametrize(("config", "then"), EXPLORATION)
def test_the_schedule_of_random_actions_reaches_the_network(config, then):
    made = module(built("DQN", config))
    schedule = made.epsilon_schedule
    points = [(0, then)] if isinstance(then, float) else then
    assert [schedule.update(timestep) for timestep, _ in points] == pytest.approx(
        [value for _, value in points]
    )


def test_the_rest_of_the_nested_configs():
    config = built(
        "DQN", {"replay_buffer_config": {"min_size_for_sampling": 77, "storage_unit": "timesteps"}}
    )
    assert config.num_steps_sampled_before_learning_starts == 77
    rates = {
        "actor_learning_rate": 1e-4,
        "critic_learning_rate": 2e-4,
        "entropy_learning_rate": 3e-4,
    }
    config = built("SAC", {"optimization": rates}, "Pendulum-v1")
    assert (config.actor_lr, config.critic_lr, config.alpha_lr) == (1e-4, 2e-4, 3e-4)


# --- networks


@pytest.mark.parametrize(
    "names", [("Q_model", "policy_model"), ("q_model_config", "policy_model_config")]
)
def test_sacs_two_models_of_old_are_one(names):
    model = {"hidden_layer_sizes": [24], "hidden_activation": "tanh"}
    made = module(built("SAC", dict.fromkeys(names, model), "Pendulum-v1"))
    assert widths(made.pi_encoder) == [24]
    assert {"Tanh"} <= kinds(made.pi_encoder)


def test_fully_connected_layers():
    model = {
        "fcnet_hiddens": [24, 12],
        "fcnet_activation": "relu",
        "post_fcnet_hiddens": [7],
        "post_fcnet_activation": "elu",
    }
    made = module(built("PPO", {"model": model}))
    assert widths(made.encoder.actor_encoder) == [24, 12]
    assert widths(made.pi) == [7, 2]
    assert (
        "ReLU" in kinds(made.encoder),
        "Tanh" in kinds(made.encoder),
        "ELU" in kinds(made.pi),
    ) == (True, False, True)


def test_without_a_model_an_algorithm_keeps_its_own():
    made = module(built("PPO", {}))
    assert widths(made.encoder) == [256] * 4  # PPO does not share its layers
    assert kinds(made.encoder) >= {"Tanh"}


def test_one_key_of_the_model_changes_no_other():
    assert (
        widths(module(built("PPO", {"model": {"fcnet_activation": "relu"}})).encoder) == [256] * 4
    )
    assert widths(module(built("PPO", {"model": {"vf_share_layers": True}})).encoder) == [256] * 2


def test_hiddens_of_dqn_are_its_heads():
    made = module(
        built("DQN", {"hiddens": [33], "model": {"fcnet_hiddens": [20]}, "dueling": True})
    )
    assert (widths(made.encoder), widths(made.af), widths(made.vf)) == ([20], [33, 2], [33, 1])
    assert not hasattr(module(built("DQN", {"dueling": False})), "vf")


@pytest.mark.parametrize(
    "config", [{"use_lstm": True, "model": {"lstm_cell_size": 17}}, {"model": {"use_lstm": True}}]
)
def test_an_lstm(config):
    made = module(built("PPO", config))
    cells = [layer.hidden_size for layer in made.modules() if isinstance(layer, torch.nn.LSTM)]
    assert cells == [config["model"].get("lstm_cell_size", 256)] * 2
    assert made.model_config["max_seq_len"] == 20


def test_max_seq_len():
    assert (
        module(built("PPO", {"use_lstm": True, "model": {"max_seq_len": 7}})).model_config[
            "max_seq_len"
        ]
        == 7
    )


def test_free_log_std():
    of = {
        free: module(built("PPO", {"model": {"free_log_std": free}}, "Pendulum-v1")).pi
        for free in (True, False)
    }
    assert (widths(of[True]), widths(of[False])) == ([1], [2])
    assert kinds(of[True]) != kinds(of[False])


@pytest.mark.parametrize("old", ["weights", "kernel", "bias"])
@pytest.mark.parametrize(("part", "network"), [("fcnet", "encoder"), ("post_fcnet", "af")])
def test_initial_weights(part, network, old):
    model = {
        f"{part}_{old}_initializer": "constant_",
        f"{part}_{old}_initializer_config": {"val": 0.25},
    }
    layers = getattr(
        module(built("DQN", {"model": model | {f"{part}_hiddens": [5]}})), network
    ).modules()
    first = next(layer for layer in layers if isinstance(layer, torch.nn.Linear))
    assert torch.all((first.bias if old == "bias" else first.weight) == 0.25)


@pytest.mark.parametrize("old", ["weights", "kernel", "bias"])
@pytest.mark.parametrize("part", ["conv", "lstm"])
def test_initial_weights_of_images_and_memory(part, old):
    model = {
        f"{part}_{old}_initializer": "constant_",
        f"{part}_{old}_initializer_config": {"val": 0.25},
    }
    made = module(built("PPO", {"model": model, "use_lstm": True}, PONG))
    layer = {"conv": torch.nn.Conv2d, "lstm": torch.nn.LSTM}[part]
    first = next(x for x in made.modules() if isinstance(x, layer))
    tensor = {
        "conv": lambda: first.bias if old == "bias" else first.weight,
        "lstm": lambda: first.bias_ih_l0 if old == "bias" else first.weight_ih_l0,
    }[part]()
    assert torch.all(tensor == 0.25)


def test_an_atari_game_has_networks_that_a_cpu_can_train():
    made = module(built("PPO", {}, PONG))
    convolutions = [
        (x.in_channels, x.out_channels, x.stride)
        for x in made.modules()
        if isinstance(x, torch.nn.Conv2d)
    ]
    assert convolutions == [(4, 32, (2, 2))] + [(32, 32, (2, 2))] * 3  # shared by policy and value
    assert sum(p.numel() for p in made.parameters()) < 250_000
    assert actions_of(made, (42, 42, 4))[Columns.ACTION_DIST_INPUTS].shape == (1, 6)


@pytest.mark.parametrize("dim", [80, 84])
def test_images_of_any_size_have_a_network(dim):
    made = module(built("PPO", {"model": {"dim": dim}}, PONG))
    assert actions_of(made, (dim, dim, 4))[Columns.ACTION_DIST_INPUTS].shape == (1, 6)


def test_conv_filters_of_2017():
    filters = [[16, [8, 8], 4], [32, [4, 4], 2]]
    made = module(
        built("PPO", {"model": {"conv_filters": filters, "conv_activation": "elu"}}, PONG)
    )
    layers = [layer for layer in made.modules() if isinstance(layer, torch.nn.Conv2d)]
    assert [
        [layer.out_channels, list(layer.kernel_size), layer.stride[0]] for layer in layers
    ] == filters
    assert "ELU" in kinds(made)


# --- the environment

WRAPPED = [
    ({"model": {"dim": 84}}, PONG, (84, 84, 4), (0, 1)),
    ({"model": {"grayscale": False}}, PONG, (42, 42, 12), (0, 1)),
    ({"model": {"zero_mean": True}}, PONG, (42, 42, 4), (-1, 1)),
    ({"model": {"framestack": False}}, PONG, (42, 42, 1), (0, 1)),
    ({"model": {"framestack": True}}, PONG, (42, 42, 4), (0, 1)),
    ({"model": {"framestack": 2}}, PONG, (42, 42, 2), (0, 1)),
    ({"use_lstm": True}, PONG, (42, 42, 1), (0, 1)),
    ({"use_lstm": True, "model": {"framestack": 3}}, PONG, (42, 42, 3), (0, 1)),
]


@pytest.mark.parametrize(("config", "env", "shape", "bounds"), WRAPPED)
def test_the_images(config, env, shape, bounds):
    assert environment(built("PPO", config, env)).observation_space == gymnasium.spaces.Box(
        *bounds, shape, np.float32
    )


@pytest.mark.parametrize(
    ("config", "steps"),
    [
        ({"horizon": 50}, 50),
        ({"horizon": 500}, 200),
        ({"extra_frameskip": 4}, 50),
        ({"model": {"extra_frameskip": 4}}, 50),
        ({}, 200),
    ],
)
def test_the_length_of_an_episode(config, steps):
    env = environment(built("PPO", config, "MountainCar-v0"))
    env.reset(seed=1)
    assert next(n for n in range(1, 1_000) if any(env.step(1)[2:4])) == steps


def test_env_config():
    assert environment(built("PPO", {"env_config": {"g": 1.5}}, "Pendulum-v1")).unwrapped.g == 1.5


def test_rllib_makes_the_environment_and_plays_in_it():
    from ray.rllib.env.single_agent_env_runner import SingleAgentEnvRunner

    config = built(
        "PPO", {"horizon": 5, "rollout_batchsize": 2, "observation_filter": "MeanStdFilter"}
    )
    runner = SingleAgentEnvRunner(config=config)
    episodes = runner.sample(num_timesteps=40, random_actions=False)
    assert max(len(episode) for episode in episodes) == 5
    assert runner.num_envs == 2
    runner.stop()


def test_the_environment_is_found_from_another_process():
    import ray

    @ray.remote
    def elsewhere(context):
        from ray.tune.registry import ENV_CREATOR, _global_registry

        return _global_registry.get(ENV_CREATOR, environments.REGISTERED_AS)(
            context
        ).observation_space.shape

    config = built("PPO", {}, PONG)
    with ray.init(num_cpus=1, include_dashboard=False, logging_level="error", log_to_driver=False):
        assert ray.get(elsewhere.remote(config.env_config)) == (42, 42, 4)


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


# --- nothing is forgotten

_TESTED = {key for key, *_ in SETTINGS} | {
    key for config, _ in (*REPLAY, *EXPLORATION) for key in config
}
_TESTED |= {
    "n_step",
    "input",
    "hiddens",
    "use_lstm",
    "horizon",
    "extra_frameskip",
    "observation_filter",
}
_TESTED_MODEL = {key for config, *_ in WRAPPED for key in config.get("model", ())} | {
    "extra_frameskip"
}
_TESTED_MODEL |= {
    "post_fcnet_hiddens",
    "post_fcnet_activation",
    "hidden_layer_sizes",
    "hidden_activation",
} | {
    f"{part}_{old}_initializer{end}"
    for part in ("fcnet", "post_fcnet", "conv", "lstm")
    for old in ("weights", "kernel", "bias")
    for end in ("", "_config")
}


def test_every_mapped_key_is_tested_for_its_effect():
    assert set(KEYS) - _TESTED == set()
    assert set(MODEL_KEYS) == _TESTED_MODEL


DEFAULTS_2017 = {  # ray 0.2.2
    "A3C": "num_workers num_batches_per_iteration batch_size use_lstm model",
    "PPO": (
        "gamma horizon use_gae lambda kl_coeff num_sgd_iter sgd_stepsize devices tf_session_args"
        " rollout_batchsize sgd_batchsize vf_loss_coeff entropy_coeff clip_param kl_target model"
        " observation_filter extra_frameskip timesteps_per_batch min_steps_per_task num_workers"
        " full_trace_nth_sgd_batch full_trace_data_load tf_debug_iteration tf_debug_inf_or_nan"
        " write_logs"
    ),
    "DQN": (
        "dueling double_q hiddens model gamma schedule_max_timesteps timesteps_per_iteration"
        " exploration_fraction exploration_final_eps learning_starts target_network_update_freq"
        " buffer_size prioritized_replay prioritized_replay_alpha prioritized_replay_beta0"
        " prioritized_replay_beta_iters prioritized_replay_eps lr sample_batch_size"
        " train_batch_size sgd_batch_size grad_norm_clipping tf_session_args num_workers"
        " use_gpu_for_workers async_updates multi_gpu_optimize devices"
    ),
    "ES": (
        "l2coeff noise_stdev episodes_per_batch timesteps_per_batch calc_obstat_prob eval_prob"
        " snapshot_freq return_proc_mode episode_cutoff_mode num_workers stepsize"
    ),
}


@pytest.mark.parametrize(
    ("alg", "key"), [(alg, key) for alg, keys in DEFAULTS_2017.items() for key in keys.split()]
)
def test_every_default_of_2017_is_known(alg, key):
    known = (
        set(settings_of(algorithm_named(alg).config_class()))
        | set(KEYS)
        | set(IGNORED)
        | set(FIXED)
        | {"model"}
    )
    assert key in known
    places = KEYS.get(key)
    assert places is None or not places.only or alg in places.only


@pytest.mark.parametrize(
    "key", ["conv_filters", "dim", "grayscale", "zero_mean", "extra_frameskip", "fcnet_activation"]
)
def test_every_model_key_of_2017_is_known(key):
    assert key in MODEL_KEYS or key in {field.name for field in fields(DefaultModelConfig)}


# --- ignored


@pytest.mark.parametrize("key", IGNORED)
def test_an_ignored_key_changes_nothing_and_says_why(key):
    assert ignored_keys("PPO", {key: 1, "lr": 1e-3}) == {key: IGNORED[key]}
    assert built("PPO", {key: 1}).to_dict().keys() == built("PPO", {}).to_dict().keys()


def test_an_ignored_key_of_the_model():
    assert ignored_keys("PPO", {"model": {"channel_major": True, "dim": 42}}) == {
        "model.channel_major": MODEL_IGNORED["channel_major"]
    }
    built("PPO", {"model": {"channel_major": True}})


@pytest.mark.parametrize("key", REPLAY_IGNORED)
def test_an_ignored_key_of_the_replay_buffer(key):
    config = {"replay_buffer_config": {key: 1}}
    assert ignored_keys("DQN", config) == {f"replay_buffer_config.{key}": REPLAY_IGNORED[key]}
    assert built("DQN", config).replay_buffer_config == built("DQN", {}).replay_buffer_config


@pytest.mark.parametrize("value", ["tf", "tf2", "tfe", {"grid_search": ["torch", "tf"]}])
def test_another_framework_is_ignored(value):
    assert list(ignored_keys("PPO", {"framework": value})) == ["framework"]
    if isinstance(value, str):
        assert built("PPO", {"framework": value}).framework_str == "torch"


@pytest.mark.parametrize("value", [None, False])
def test_what_asks_for_nothing_is_no_mistake(value):
    built(
        "PPO",
        {
            "callbacks": value,
            "model": {"use_attention": value, "custom_model": value},
            "lr_schedule": None,
        },
    )
    built("APPO", {"vtrace": True, "exploration_config": {}, "Q_model": None})


def test_ignored_keys_of_no_algorithm():
    with pytest.raises(UsageError, match="no algorithm is named 'PP0'"):
        ignored_keys("PP0", {})


# --- refused


def refused(alg, config, env="CartPole-v0"):
    with pytest.raises(ConfigError) as error:
        algorithm_config(alg, env, config)
    return str(error.value), error.value.key


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
    # of another environment
    (
        "PPO",
        {"model": {"dim": 84}},
        "config.model.dim: has no effect on CartPole-v0, which is not an Atari game",
    ),
    # without effect on the new stack
    (
        "PPO",
        {"use_gae": False},
        "config.use_gae: expected True, got False: RLlib always estimates advantages so",
    ),
    ("DQN", {"adam_epsilon": 1e-4}, "config.adam_epsilon: belongs to RLlib's old API stack"),
    (
        "DQN",
        {"exploration_config": {"type": "SoftQ"}},
        "config.exploration_config: belongs to RLlib's old API stack",
    ),
    (
        "DQN",
        {"exploration_config": {"epsilon": 1}},
        "config.exploration_config.epsilon: unknown key; did you mean",
    ),
    (
        "PPO",
        {"exploration_config": {"type": "RND"}},
        "config.exploration_config: belongs to RLlib's old API stack",
    ),
    (
        "PPO",
        {"clip_rewards": True},
        "config.clip_rewards: expected False, got True: RLlib's new API stack does not clip",
    ),
    (
        "APPO",
        {"vtrace": False},
        "config.vtrace: expected True, got False: RLlib always corrects by V-trace",
    ),
    ("PPO", {"Q_model": {}}, "config.Q_model: has no effect on PPO; it is a setting of SAC, CQL"),
    (
        "SAC",
        {"Q_model": {"fcnet_hiddens": [2]}, "policy_model": {"fcnet_hiddens": [3]}},
        (
            "config.policy_model.fcnet_hiddens: the networks have one `model` today, and the two"
            " differ: [3] here, [2] in Q_model"
        ),
    ),
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
    # what RLlib says of settings together
    ("PPO", {"sgd_batchsize": 8_000}, "config.sgd_batchsize: `minibatch_size` (8000) must be <="),
    (
        "PPO",
        {"min_steps_per_task": 1_000, "num_workers": 5},
        "config.min_steps_per_task: Your desired",
    ),
]


# Importing DreamerV3 makes an environment with a slip in it
@pytest.mark.filterwarnings("ignore:.*WARN:UserWarning")
@pytest.mark.parametrize(("alg", "config", "message"), WRONG)
def test_a_wrong_key_or_value_is_one_sentence(alg, config, message):
    said, key = refused(alg, config)
    assert said.startswith(message)
    assert ".".join(("config", *key)) == message.partition(":")[0]


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


def test_whatever_rllibs_own_checks_raise_is_a_sentence_at_the_key_to_blame(monkeypatch):
    config = algorithm_named("PPO").config_class()

    def validate(self):
        if self.gamma == 0.5:
            raise TypeError("'int' object is not subscriptable")

    monkeypatch.setattr(config, "validate", validate)
    said = "config.gamma: RLlib cannot take it (TypeError: 'int' object is not subscriptable)"
    assert refused("PPO", {"lr": 1e-3, "gamma": 0.5}) == (said, ("gamma",))


@pytest.mark.parametrize("alg", ALGORITHMS_GONE)
def test_an_algorithm_that_is_no_more(alg):
    instead = ALGORITHMS_GONE[alg]
    assert not instead or instead in ALGORITHMS
    with pytest.raises(
        BadInputError,
        match=f"alg: RLlib no longer has '{alg}'{f'; {instead} is the' if instead else ''}",
    ):
        algorithm_config(alg, "CartPole-v1", {})


@pytest.mark.parametrize("key", REFUSED)
def test_a_key_that_is_no_more(key):
    assert refused("PPO", {key: 1}) == (f"config.{key}: {REFUSED[key]}", (key,))


@pytest.mark.parametrize("key", MODEL_REFUSED)
def test_a_model_key_that_is_no_more(key):
    assert refused("PPO", {"model": {key: 1}}) == (
        f"config.model.{key}: {MODEL_REFUSED[key]}",
        ("model", key),
    )


def test_null_where_it_means_something():
    config = {
        "grad_clip": None,
        "seed": None,
        "train_batch_size": 64,
        "minibatch_size": None,
        "evaluation_interval": None,
    }
    assert algorithm_config("IMPALA", "CartPole-v1", config).grad_clip is None


def test_evaluation_differs_as_it_is_told():
    config = built(
        "DQN", {"evaluation_config": {"explore": True, "gamma": 0.5}, "evaluation_interval": 1}
    )
    assert (
        config.get_evaluation_config_object().explore,
        config.get_evaluation_config_object().gamma,
    ) == (True, 0.5)
    assert config.gamma == 0.99


@pytest.mark.parametrize("alg", ON_DATA)
def test_the_module_of_an_environment_is_not_executed_before_a_trial(alg, tmp_path, monkeypatch):
    (tmp_path / "registers.py").write_text("raise SystemExit('executed')")
    monkeypatch.syspath_prepend(tmp_path)
    built = algorithm_config(alg, "registers:Mine-v0", {"input_": "s3://bucket/folder"})
    assert built.env_config["env"] == "registers:Mine-v0"


def test_an_environment_or_an_algorithm_that_is_not_there():
    with pytest.raises(BadInputError, match="env: no environment is named 'CartPoll-v0'"):
        algorithm_config("PPO", "CartPoll-v0", {})
    with pytest.raises(BadInputError, match="alg: no algorithm is named 'PP'"):
        algorithm_config("PP", "CartPole-v0", {})


# --- the lists that were found by reading RLlib


@pytest.mark.filterwarnings("ignore:.*WARN:UserWarning")
@pytest.mark.parametrize("key", {*UNUSED, *ONLY_WITH})
def test_what_is_refused_as_unused_is_a_setting_of_rllib(key):
    assert any(
        key in settings_of(algorithm_named(alg).config_class()) for alg in ALGORITHMS
    ) or key.startswith("_")


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


@pytest.mark.parametrize("names", [KEYS, MODEL_KEYS])  # the others are generated
def test_the_table_for_people_names_every_key(names):
    written = DOCS.read_text()
    assert [name for name in names if f"`{name}`" not in written] == []


def test_the_table_for_people_tells_the_networks_of_atari():
    assert str(ATARI_MODEL["conv_filters"][0]) in DOCS.read_text()
