"""Every key of old whose name or meaning differs: it arrives in what uses it."""

from dataclasses import fields

import pytest
from ray.rllib.core.rl_module.default_model_config import DefaultModelConfig

from tests.rllib.config.configs import DOCS, built, learner
from tests.rllib.config.test_environment_keys import WRAPPED
from tests.rllib.config.test_exploration_keys import EXPLORATION
from tests.rllib.config.test_replay_keys import REPLAY
from tune_tasks.rllib.config.catalog import algorithm_named
from tune_tasks.rllib.config.keys_2017 import KEYS, MODEL_KEYS
from tune_tasks.rllib.config.keys_gone import FIXED, IGNORED
from tune_tasks.rllib.config.settings import settings_of

pytestmark = pytest.mark.rllib


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


def test_lr_lambda_and_gamma_reach_the_learner():
    made = learner(
        built("PPO", {"sgd_stepsize": 0.0123, "lambda": 0.77, "gamma": 0.66, "grad_clip": 3.0})
    )
    assert [group["lr"] for group in made.get_optimizer().param_groups] == [pytest.approx(0.0123)]
    estimate = next(
        piece for piece in made._learner_connector.connectors if hasattr(piece, "lambda_")
    )
    assert (estimate.lambda_, estimate.gamma) == (0.77, 0.66)


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


@pytest.mark.parametrize("names", [KEYS, MODEL_KEYS])  # the others are generated
def test_the_table_for_people_names_every_key(names):
    written = DOCS.read_text()
    assert [name for name in names if f"`{name}`" not in written] == []
