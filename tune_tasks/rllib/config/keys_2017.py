"""The names that settings, metrics and keys have had, from Ray Tune 2017 to RLlib 2.60. Data only.

Sources: the `DEFAULT_CONFIG`s of ray 0.2.2 (2017) to 1.13 and their `models/catalog.py`, the
`AlgorithmConfig`s of 2.3 and 2.9. `docs/rllib-config-keys.md` is the same table for people.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any


class Part(Enum):
    """Where a setting goes."""

    SETTING = "a setting of RLlib's config"
    MODEL = "the networks: `rl_module(model_config=…)`"
    ENVIRONMENT = "what wraps the environment"
    REPLAY = "`replay_buffer_config`"
    EXPLORATION = "the schedule of random actions"
    ITERATION = "how long one `train()` is"
    FILTER = "a connector between environment and networks"
    EVALUATION = "what evaluation does differently"


@dataclass(frozen=True)
class Place:
    """What a key sets.

    Attributes:
        part: Which part of the algorithm.
        name: The name there.
        only: The algorithms for which the key has this meaning; empty for all.
        convert: The value there, from the value in the spec.
    """

    part: Part
    name: str
    only: tuple[str, ...] = ()
    convert: Callable[[Any], Any] = lambda value: value


@dataclass(frozen=True)
class Fixed:
    """The one value that a key may still have, what is said of another, and for which algorithms.

    Empty for all.
    """

    value: Any
    reason: str
    only: tuple[str, ...] = ()


@dataclass(frozen=True)
class Old:
    """Values of a key that are accepted without effect, and why."""

    values: tuple[Any, ...]
    reason: str


def _setting(name: str, *only: str, convert: Callable[[Any], Any] = lambda value: value) -> Place:
    return Place(Part.SETTING, name, only, convert)


def absolute(value: Any) -> Any:
    """The absolute value of a number; what is none is left for the check of its type."""
    return abs(value) if isinstance(value, (int, float)) and not isinstance(value, bool) else value


def count_of(yes: int, no: int) -> Callable[[Any], Any]:
    """Turns `true` and `false` into numbers, and leaves a number as it is."""
    return lambda value: (yes if value else no) if isinstance(value, bool) else value


def as_pair(value: Any) -> Any:
    """A list of two as the tuple that RLlib takes for a range."""
    return tuple(value) if isinstance(value, list) and len(value) == 2 else value


#: Keys of `config` whose name or meaning differs today.
KEYS: Mapping[str, Place] = {
    # workers
    "num_workers": _setting("num_env_runners"),
    "num_rollout_workers": _setting("num_env_runners"),
    "rollout_batchsize": _setting("num_envs_per_env_runner"),
    "num_envs_per_worker": _setting("num_envs_per_env_runner"),
    "num_cpus_per_worker": _setting("num_cpus_per_env_runner"),
    "num_gpus_per_worker": _setting("num_gpus_per_env_runner"),
    "use_gpu_for_workers": _setting("num_gpus_per_env_runner", convert=count_of(1, 0)),
    "num_gpus": _setting("num_gpus_per_learner"),
    "num_learner_workers": _setting("num_learners"),
    "num_cpus_per_learner_worker": _setting("num_cpus_per_learner"),
    "num_gpus_per_learner_worker": _setting("num_gpus_per_learner"),
    "num_trainer_workers": _setting("num_learners"),
    "num_cpus_per_trainer_worker": _setting("num_cpus_per_learner"),
    "num_gpus_per_trainer_worker": _setting("num_gpus_per_learner"),
    "num_cpus_for_driver": _setting("num_cpus_for_main_process"),
    "num_cpus_for_local_worker": _setting("num_cpus_for_main_process"),
    "max_sample_requests_in_flight_per_worker": _setting("max_requests_in_flight_per_env_runner"),
    "max_requests_in_flight_per_sampler_worker": _setting("max_requests_in_flight_per_env_runner"),
    "custom_resources_per_worker": _setting("custom_resources_per_env_runner"),
    # optimisation
    "lambda": _setting("lambda_"),
    "sgd_stepsize": _setting("lr"),
    "stepsize": _setting("lr", "ES"),
    "num_sgd_iter": _setting("num_epochs"),
    "sgd_batchsize": _setting("minibatch_size"),
    "sgd_batch_size": _setting("train_batch_size_per_learner", "DQN"),
    "sgd_minibatch_size": _setting("minibatch_size"),
    "timesteps_per_batch": _setting(
        "train_batch_size_per_learner", "PPO", "A2C", "ES", "APPO", "IMPALA"
    ),
    "train_batch_size": _setting("train_batch_size_per_learner"),
    "batch_size": _setting("rollout_fragment_length", "A3C"),
    "entropy_coeff": _setting("entropy_coeff", convert=absolute),
    "lr_schedule": _setting("lr"),
    "entropy_coeff_schedule": _setting("entropy_coeff"),
    "n_step": _setting("n_step", convert=as_pair),
    "grad_norm_clipping": _setting("grad_clip"),
    # sampling
    "min_steps_per_task": _setting("rollout_fragment_length"),
    "sample_batch_size": _setting("rollout_fragment_length"),
    "timesteps_per_iteration": _setting("min_sample_timesteps_per_iteration", "DQN", "SAC"),
    "min_sample_timesteps_per_reporting": _setting("min_sample_timesteps_per_iteration"),
    "min_train_timesteps_per_reporting": _setting("min_train_timesteps_per_iteration"),
    "num_batches_per_iteration": Place(Part.ITERATION, "batches", ("A3C",)),
    "learning_starts": _setting("num_steps_sampled_before_learning_starts"),
    "observation_filter": Place(Part.FILTER, "observation_filter"),
    "input": _setting("input_"),
    "smoothing_num_episodes": _setting("metrics_num_episodes_for_smoothing"),
    "metrics_smoothing_episodes": _setting("metrics_num_episodes_for_smoothing"),
    "min_iter_time_s": _setting("min_time_s_per_iteration"),
    "min_time_s_per_reporting": _setting("min_time_s_per_iteration"),
    "recreate_failed_workers": _setting("restart_failed_env_runners"),
    "ignore_worker_failures": _setting("ignore_env_runner_failures"),
    "max_num_worker_restarts": _setting("max_num_env_runner_restarts"),
    "delay_between_worker_restarts_s": _setting("delay_between_env_runner_restarts_s"),
    "num_consecutive_worker_failures_tolerance": _setting(
        "num_consecutive_env_runner_failures_tolerance"
    ),
    "worker_health_probe_timeout_s": _setting("env_runner_health_probe_timeout_s"),
    "worker_restore_timeout_s": _setting("env_runner_restore_timeout_s"),
    "validate_workers_after_construction": _setting("validate_env_runners_after_construction"),
    "evaluation_num_workers": _setting("evaluation_num_env_runners"),
    "evaluation_num_episodes": _setting("evaluation_duration"),
    # ES
    "l2coeff": _setting("l2_coeff", "ES"),
    # APPO
    "target_update_frequency": _setting("target_network_update_freq", "APPO"),
    # DQN
    "buffer_size": Place(Part.REPLAY, "capacity"),
    "prioritized_replay": Place(Part.REPLAY, "prioritized"),
    "prioritized_replay_alpha": Place(Part.REPLAY, "alpha"),
    "prioritized_replay_beta0": Place(Part.REPLAY, "beta"),
    "prioritized_replay_beta": Place(Part.REPLAY, "beta"),
    "schedule_max_timesteps": Place(Part.EXPLORATION, "max_timesteps"),
    "exploration_fraction": Place(Part.EXPLORATION, "fraction"),
    "exploration_final_eps": Place(Part.EXPLORATION, "final"),
    "hiddens": Place(Part.MODEL, "head_fcnet_hiddens", ("DQN",)),
    # networks and environment
    "use_lstm": Place(Part.MODEL, "use_lstm"),
    "horizon": Place(Part.ENVIRONMENT, "horizon"),
    "extra_frameskip": Place(Part.ENVIRONMENT, "frame_repeat"),
}

#: The same inside `optimization`.
OPTIMIZATION_KEYS: Mapping[str, Place] = {
    "actor_learning_rate": _setting("actor_lr"),
    "critic_learning_rate": _setting("critic_lr"),
    "entropy_learning_rate": _setting("alpha_lr"),
}

#: The same inside `exploration_config`.
EXPLORATION_KEYS: Mapping[str, Place] = {
    "initial_epsilon": Place(Part.EXPLORATION, "initial"),
    "final_epsilon": Place(Part.EXPLORATION, "final"),
    "epsilon_timesteps": Place(Part.EXPLORATION, "timesteps"),
}

#: RLlib's class of today for the name of a replay buffer of old.
BUFFERS: Mapping[str, str] = {
    "ReplayBuffer": "EpisodeReplayBuffer",
    "MultiAgentReplayBuffer": "EpisodeReplayBuffer",
    "PrioritizedReplayBuffer": "PrioritizedEpisodeReplayBuffer",
    "MultiAgentPrioritizedReplayBuffer": "PrioritizedEpisodeReplayBuffer",
}

#: The same inside `replay_buffer_config`.
REPLAY_KEYS: Mapping[str, Place] = {
    "type": Place(
        Part.REPLAY,
        "type",
        convert=lambda value: BUFFERS.get(value, value) if isinstance(value, str) else value,
    ),
    "prioritized_replay_alpha": Place(Part.REPLAY, "alpha"),
    "prioritized_replay_beta": Place(Part.REPLAY, "beta"),
    "min_size_for_sampling": _setting("num_steps_sampled_before_learning_starts"),
    "learning_starts": _setting("num_steps_sampled_before_learning_starts"),
}

#: Keys of `config.model` that are not called the same in RLlib's `DefaultModelConfig`.
MODEL_KEYS: Mapping[str, Place] = {
    "dim": Place(Part.ENVIRONMENT, "dim"),
    "hidden_activation": Place(Part.MODEL, "fcnet_activation"),
    "hidden_layer_sizes": Place(Part.MODEL, "fcnet_hiddens"),
    "grayscale": Place(Part.ENVIRONMENT, "grayscale"),
    "zero_mean": Place(Part.ENVIRONMENT, "zero_mean"),
    "framestack": Place(Part.ENVIRONMENT, "framestack", convert=count_of(4, 1)),
    "extra_frameskip": Place(Part.ENVIRONMENT, "frame_repeat"),
    **{
        f"{old}_{what}": Place(Part.MODEL, f"{new}_{what}")
        for old, new in {"post_fcnet": "head_fcnet"}.items()
        for what in ("hiddens", "activation")
    },
    **{
        f"{old}_{what}{end}": Place(Part.MODEL, f"{new}_{kind}_initializer{new_end}")
        for old, new in {
            "fcnet": "fcnet",
            "post_fcnet": "head_fcnet",
            "conv": "conv",
            "lstm": "lstm",
        }.items()
        for what, kind in {
            "weights_initializer": "kernel",
            "kernel_initializer": "kernel",
            "bias_initializer": "bias",
        }.items()
        for end, new_end in {"": "", "_config": "_kwargs"}.items()
    },
}

TWO_MODELS = ("Q_model", "policy_model", "q_model_config", "policy_model_config")
"""SAC's names of 2020 for the models of its networks, and the names that RLlib gave them later."""

WITH_TWO_MODELS = ("SAC", "CQL")
"""The algorithms that had those two models."""

_TENSORFLOW = "belonged to TensorFlow; the networks run on PyTorch now"
_GPUS = "the trial's `resources` say which devices it has"
_NEW_STACK = "all algorithms run on RLlib's new API stack"
_OLD_STACK = "belongs to RLlib's old API stack, and changes nothing that is learned"
_GONE = "RLlib has it no longer"
_TRUNCATED = "an episode that a time limit ends is truncated: what would come after it is estimated"
_RAY_CORE = "a trial's memory is `resources: {memory: …}`"
_LOADING = "RLlib loads its batches in another way today"
#: Keys that are accepted and have no effect -> why. None of them changes what is learned.
IGNORED: Mapping[str, str] = {
    **dict.fromkeys(
        (
            "tf_session_args",
            "local_tf_session_args",
            "full_trace_nth_sgd_batch",
            "full_trace_data_load",
        ),
        _TENSORFLOW,
    ),
    **dict.fromkeys(("tf_debug_iteration", "tf_debug_inf_or_nan", "use_pytorch"), _TENSORFLOW),
    **dict.fromkeys(
        ("local_evaluator_tf_session_args", "tf_single_threaded", "eager", "no_eager_on_workers"),
        _TENSORFLOW,
    ),
    **dict.fromkeys(
        ("eager_tracing", "eager_max_retraces", "enable_tf1_exec_eagerly"), _TENSORFLOW
    ),
    "_tf_policy_handles_more_than_one_loss": _TENSORFLOW,
    **dict.fromkeys(
        (
            *(
                "_enable_new_api_stack",
                "_enable_learner_api",
                "_enable_rl_module_api",
                "_enable_rl_trainer_api",
            ),
            *(
                "enable_rl_module_and_learner",
                "enable_env_runner_and_connector_v2",
                "enable_connectors",
            ),
            *(
                "_disable_preprocessor_api",
                "_disable_action_flattening",
                "_disable_execution_plan_api",
            ),
            *(
                "_enable_replay_buffer_api",
                "_use_trajectory_view_api",
                "_disable_initialize_loss_from_dummy_batch",
            ),
        ),
        _NEW_STACK,
    ),
    **dict.fromkeys(("soft_horizon", "no_done_at_end"), _TRUNCATED),
    **dict.fromkeys(
        (
            *(
                "simple_optimizer",
                "optimizer",
                "sample_async",
                "straggler_mitigation",
                "num_aggregation_workers",
            ),
            *(
                "collect_metrics_timeout",
                "synchronize_filters",
                "synchronize_filter",
                "report_length",
            ),
            *(
                "sync_filters_on_rollout_workers_timeout_s",
                "microbatch_size",
                "create_env_on_driver",
            ),
            *(
                "shuffle_sequences",
                "preprocessing",
                "fake_sampler",
                "_fake_sampler",
                "auto_wrap_old_gym_envs",
            ),
            *(
                "replay_mode",
                "use_state_preprocessor",
                "vtrace_drop_last_ts",
                "_lr_vf",
                "softmax_temp",
            ),
        ),
        _GONE,
    ),
    **dict.fromkeys(
        (
            *(
                "compress_observations",
                "sample_collector",
                "remote_worker_envs",
                "remote_env_batch_wait_ms",
            ),
            *(
                "preprocessor_pref",
                "render_env",
                "sampler_perf_stats_ema_coef",
                "metrics_episode_collection_timeout_s",
            ),
            *(
                "disable_env_checking",
                "log_sys_usage",
                "export_native_model_files",
                "timeout_s_aggregator_manager",
            ),
            *("timeout_s_sampler_manager", "learner_queue_timeout", "store_buffer_in_checkpoints"),
            *("always_attach_evaluation_results", "enable_async_evaluation"),
            *(
                "policy_map_capacity",
                "policy_map_cache",
                "policy_states_are_swappable",
                "logger_config",
            ),
        ),
        _OLD_STACK,
    ),
    **dict.fromkeys(
        ("num_data_loader_buffers", "num_multi_gpu_tower_stacks", "num_gpu_loader_threads"),
        _LOADING,
    ),
    "minibatch_buffer_size": _LOADING,
    **dict.fromkeys(
        ("memory", "memory_per_worker", "object_store_memory", "object_store_memory_per_worker"),
        _RAY_CORE,
    ),
    **dict.fromkeys(
        ("monitor", "record_env"),
        "`tune-tasks evaluate CHECKPOINT --render FILE` shows how a policy plays",
    ),
    "input_evaluation": "`evaluation_interval` plays the policy",
    "write_logs": "results go to MLflow and TensorBoard in any case",
    **dict.fromkeys(
        ("devices", "multi_gpu_optimize", "multi_gpu", "worker_resources", "gpu", "_fake_gpus"),
        _GPUS,
    ),
    **dict.fromkeys(("num_accs", "_fake_accs"), _GPUS),
    "prioritized_replay_eps": "RLlib's replay buffer has a fixed smallest priority",
    "noise_size": "each worker draws its noise from a seed; there is no table of it",
    "calc_obstat_prob": "an observation filter sees every step",
    "eval_prob": "the unperturbed policy is played by RLlib's evaluation (`evaluation_interval`)",
    "snapshot_freq": "checkpoints are the experiment's `checkpoint_freq`",
}
#: Keys that are accepted without effect if they have one of these values.
OLD_VALUES: Mapping[str, Old] = {
    "framework": Old(("tf", "tf2", "tfe"), _TENSORFLOW),
    "input": Old(("sampler",), "the environment is played in unless `input` names recorded data"),
}
#: Keys that have one value left.
FIXED: Mapping[str, Fixed] = {
    "dataset_num_iters_per_learner": Fixed(
        1,
        "target networks and schedules move once a training step of RLlib's",
        ("BC", "CQL", "IQL", "MARWIL"),
    ),
    "use_gae": Fixed(
        True,
        "RLlib estimates advantages always so; without a critic's bias: `lambda: 1.0`",
        ("PPO", "APPO"),
    ),
    "async_updates": Fixed(False, "gradients of workers belong to A3C now"),
    "reward_filter": Fixed("NoFilter", "RLlib's new API stack filters observations only"),
    "return_proc_mode": Fixed("centered_rank", "ES ranks returns"),
    "episode_cutoff_mode": Fixed("env_default", "episodes end by the environment, or by `horizon`"),
    "vtrace": Fixed(True, "RLlib corrects by V-trace always", ("APPO", "IMPALA")),
    "noisy": Fixed(
        False, "RLlib's new API stack has no noisy networks; `epsilon` explores", ("DQN",)
    ),
    "parameter_noise": Fixed(
        False, "RLlib's new API stack has no noise on parameters; `epsilon` explores"
    ),
    "soft_q": Fixed(False, "DQN explores by `epsilon`"),
    "clip_rewards": Fixed(
        False,
        "RLlib's new API stack does not clip rewards; clip them in the environment (`env:"
        " module:Class`)",
    ),
    "actions_in_input_normalized": Fixed(
        True, "with `normalize_actions: false` actions are as the environment takes them"
    ),
    "_separate_vf_optimizer": Fixed(False, "RLlib's new API stack has one optimiser"),
    "_use_beta_distribution": Fixed(
        False, "RLlib's new API stack has a squashed normal distribution"
    ),
    "_deterministic_loss": Fixed(False, "RLlib's new API stack draws its actions"),
    "prioritized_replay_beta_iters": Fixed(
        None, "RLlib's beta is constant (`prioritized_replay_beta0`)"
    ),
}
#: The same as IGNORED, inside `config.model`.
MODEL_IGNORED: Mapping[str, str] = {
    "channel_major": "RLlib orders an image's axes itself",
    **dict.fromkeys(
        (
            "_disable_action_flattening",
            "_disable_preprocessor_api",
            "_time_major",
            "_use_default_native_models",
        ),
        _NEW_STACK,
    ),
    **dict.fromkeys(("squash_to_range", "state_shape", "always_check_shapes"), _GONE),
}
#: The same, inside `config.replay_buffer_config`.
REPLAY_IGNORED: Mapping[str, str] = {
    "prioritized_replay_eps": IGNORED["prioritized_replay_eps"],
    **dict.fromkeys(("_enable_replay_buffer_api", "replay_mode", "storage_unit"), _NEW_STACK),
}

_ONE_AGENT = "is for several agents; the environments here have one"
_PYTHON = "is a Python object, which a spec does not hold"
_CONSTANT_BETA = "RLlib's beta is constant (`prioritized_replay_beta`)"
_NO_SEQUENCES = "RLlib's replay buffer of today holds episodes, and samples single steps from them"
# : Keys that had an effect and have no counterpart: an error with the reason, unless their value is
# `null` or `false`.
REFUSED: Mapping[str, str] = {
    "optimizer_class": (
        "the optimisers of 2018 are no more; the algorithm's name says how it learns"
    ),
    "optimizer_config": (
        "the optimisers of 2018 are no more; the algorithm's name says how it learns"
    ),
    "worker_side_prioritization": "new steps enter RLlib's replay buffer with the highest priority",
    "per_worker_exploration": "all env runners share one schedule of random actions",
    **dict.fromkeys(
        (
            "final_prioritized_replay_beta",
            "beta_annealing_fraction",
            "prioritized_replay_beta_annealing_timesteps",
        ),
        _CONSTANT_BETA,
    ),
    **dict.fromkeys(("replay_batch_size", "replay_sequence_length"), _NO_SEQUENCES),
    "replay_buffer_size": "recorded data is read from its files, epoch by epoch",
    "action_noise_std": "ES perturbs the networks, and not their actions",
    **dict.fromkeys(
        ("callbacks", "env_task_fn", "observation_fn", "custom_eval_function", "logger_creator"),
        _PYTHON,
    ),
    **dict.fromkeys(("worker_cls", "rl_module_class", "rl_trainer_class"), _PYTHON),
    "policy_graphs": _ONE_AGENT,
    **dict.fromkeys(
        ("policies", "policy_mapping_fn", "policies_to_train", "count_steps_by", "multiagent"),
        _ONE_AGENT,
    ),
    "algorithm_config_overrides_per_module": _ONE_AGENT,
    "rl_module_spec": "the networks are configured by `model`",
    "env": "the environment stands beside `config`, as the experiment's `env`",
    "observation_space": "it is the environment's",
    "action_space": "it is the environment's",
    "api_stack": _NEW_STACK,
}
MODEL_REFUSED: Mapping[str, str] = {
    **dict.fromkeys(
        (
            "custom_model",
            "custom_model_config",
            "custom_options",
            "custom_action_dist",
            "custom_preprocessor",
        ),
        "was for models of RLlib's old API stack; today's are RLModules",
    ),
    **dict.fromkeys(
        (
            *(
                "attention_dim",
                "attention_head_dim",
                "attention_init_gru_gate_bias",
                "attention_memory_inference",
            ),
            *(
                "attention_memory_training",
                "attention_num_heads",
                "attention_num_transformer_units",
            ),
            *(
                "attention_position_wise_mlp_dim",
                "attention_use_n_prev_actions",
                "attention_use_n_prev_rewards",
            ),
        ),
        "RLlib's new API stack has no attention network; use_lstm has a memory",
    ),
    "lstm_use_prev_action_reward": "RLlib's new API stack does not feed it to the LSTM",
    "encoder_latent_dim": "RLlib's new API stack takes the last of `fcnet_hiddens`",
    "num_framestacks": "write `framestack`",
    "use_attention": "RLlib's new API stack has no attention network; use_lstm has a memory",
    "no_final_linear": "RLlib's new API stack always ends in a linear layer",
    "lstm_use_prev_action": "RLlib's new API stack does not feed it to the LSTM",
    "lstm_use_prev_reward": "RLlib's new API stack does not feed it to the LSTM",
}

#: Algorithms that RLlib has no longer -> what to run in their place.
ALGORITHMS_GONE: Mapping[str, str] = {
    "PG": "A2C",
    "DDPPO": "PPO",
    "DD-PPO": "PPO",
    "SimpleQ": "DQN",
    "APEX": "DQN",
    "ApexDQN": "DQN",
    "R2D2": "DQN",
    "DDPG": "SAC",
    "DDPG2": "SAC",
    "APEX_DDPG": "SAC",
    "ApexDDPG": "SAC",
    "TD3": "SAC",
    "RNNSAC": "SAC",
    "ARS": "ES",
    "CRR": "CQL",
    "Dreamer": "DreamerV3",
    **dict.fromkeys(
        (
            "MAML",
            "MBMPO",
            "DT",
            "QMIX",
            "APEX_QMIX",
            "MADDPG",
            "contrib/MADDPG",
            "AlphaStar",
            "AlphaZero",
        ),
        "",
    ),
    **dict.fromkeys(
        (
            "contrib/AlphaZero",
            "LeelaChessZero",
            "SlateQ",
            "BanditLinUCB",
            "BanditLinTS",
            "RandomAgent",
        ),
        "",
    ),
}


_OF_EPISODES = {
    "episode_return": "episode_reward",
    "episode_reward": "episode_reward",
    "episode_len": "episode_len",
}
_COUNTS = {
    "num_episodes_lifetime": "episodes_total",
    "episodes_total": "episodes_total",
    "num_env_steps_sampled_lifetime": "timesteps_total",
    "timesteps_total": "timesteps_total",
}
_MEANS = {
    f"{theirs}_{what}": f"{ours}_{what}"
    for theirs, ours in _OF_EPISODES.items()
    for what in ("mean", "min", "max")
}
_GROUPS = ("", "env_runners/", "sampler_results/", "ray/tune/")
#: What RLlib calls the metrics that a trial reports -> our names.
METRICS: Mapping[str, str] = {
    **{
        f"{group}{theirs}": ours for group in _GROUPS for theirs, ours in (_MEANS | _COUNTS).items()
    },
    **{
        f"evaluation/{group}{theirs}": f"evaluation/{ours}"
        for group in _GROUPS[:3]
        for theirs, ours in _MEANS.items()
    },
    "num_env_steps_sampled": "timesteps_total",
    "agent_timesteps_total": "timesteps_total",
    "info/num_steps_sampled": "timesteps_total",
    "info/num_env_steps_sampled": "timesteps_total",
}
