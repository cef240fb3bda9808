"""The keys of a `config` that have no effect today, or one value left, or are an error. Data only.

See `keys_2017` for the sources, and for why some algorithms are named here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tune_tasks.rllib.config.catalog import Trait, names_with
from tune_tasks.rllib.config.tables import each


@dataclass(frozen=True)
class Fixed:
    """The one value that a key can still have.

    Attributes:
        value: That value.
        reason: What is said of another value.
        only: The algorithms that this is true of; empty for all.
    """

    value: Any
    reason: str
    only: tuple[str, ...] = ()


@dataclass(frozen=True)
class Old:
    """Values of a key that are accepted without effect, and the reason."""

    values: tuple[Any, ...]
    reason: str


_TENSORFLOW = "belonged to TensorFlow; the networks run on PyTorch now"
_GPUS = "the trial's `resources` say which devices it has"
_NEW_STACK = "all algorithms run on RLlib's new API stack"
_OLD_STACK = "belongs to RLlib's old API stack, and changes nothing that is learned"
_GONE = "RLlib no longer has it"
_TRUNCATED = "an episode that a time limit ends is truncated: what would come after it is estimated"
_RAY_CORE = "a trial's memory is `resources: {memory: …}`"
_LOADING = "RLlib loads its batches in another way today"
#: Keys that are accepted without effect -> why. None of them changes what is learned.
IGNORED: Mapping[str, str] = {
    **each(
        """
        tf_session_args local_tf_session_args full_trace_nth_sgd_batch full_trace_data_load
        """,
        _TENSORFLOW,
    ),
    **each("tf_debug_iteration tf_debug_inf_or_nan use_pytorch", _TENSORFLOW),
    **each(
        """
        local_evaluator_tf_session_args tf_single_threaded eager no_eager_on_workers
        """,
        _TENSORFLOW,
    ),
    **each("eager_tracing eager_max_retraces enable_tf1_exec_eagerly", _TENSORFLOW),
    "_tf_policy_handles_more_than_one_loss": _TENSORFLOW,
    **each(
        """
        _enable_new_api_stack _enable_learner_api _enable_rl_module_api
        _enable_rl_trainer_api enable_rl_module_and_learner
        enable_env_runner_and_connector_v2 enable_connectors _disable_preprocessor_api
        _disable_action_flattening _disable_execution_plan_api _enable_replay_buffer_api
        _use_trajectory_view_api _disable_initialize_loss_from_dummy_batch
        """,
        _NEW_STACK,
    ),
    **each("soft_horizon no_done_at_end", _TRUNCATED),
    **each(
        """
        simple_optimizer optimizer sample_async straggler_mitigation num_aggregation_workers
        collect_metrics_timeout synchronize_filters synchronize_filter report_length
        sync_filters_on_rollout_workers_timeout_s microbatch_size create_env_on_driver
        shuffle_sequences preprocessing fake_sampler _fake_sampler auto_wrap_old_gym_envs
        replay_mode use_state_preprocessor vtrace_drop_last_ts _lr_vf softmax_temp
        """,
        _GONE,
    ),
    **each(
        """
        compress_observations sample_collector remote_worker_envs remote_env_batch_wait_ms
        preprocessor_pref render_env sampler_perf_stats_ema_coef
        metrics_episode_collection_timeout_s disable_env_checking log_sys_usage
        export_native_model_files timeout_s_aggregator_manager timeout_s_sampler_manager
        learner_queue_timeout store_buffer_in_checkpoints always_attach_evaluation_results
        enable_async_evaluation policy_map_capacity policy_map_cache
        policy_states_are_swappable logger_config
        """,
        _OLD_STACK,
    ),
    **each("num_data_loader_buffers num_multi_gpu_tower_stacks num_gpu_loader_threads", _LOADING),
    "minibatch_buffer_size": _LOADING,
    **each(
        """
        memory memory_per_worker object_store_memory object_store_memory_per_worker
        """,
        _RAY_CORE,
    ),
    **each(
        """
        monitor record_env
        """,
        "`tune-tasks evaluate CHECKPOINT --render FILE` shows how a policy plays",
    ),
    "input_evaluation": "`evaluation_interval` plays the policy",
    "write_logs": "results go to MLflow and TensorBoard in any case",
    **each("devices multi_gpu_optimize multi_gpu worker_resources gpu _fake_gpus", _GPUS),
    **each("num_accs _fake_accs", _GPUS),
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
#: Keys that have one value left, today's names among them.
FIXED: Mapping[str, Fixed] = {
    "dataset_num_iters_per_learner": Fixed(
        1,
        "target networks and schedules move once a training step of RLlib's",
        tuple(names_with(Trait.RECORDED_DATA)),
    ),
    "use_gae": Fixed(
        True,
        "RLlib always estimates advantages so; without a critic's bias: `lambda: 1.0`",
        ("PPO", "APPO"),
    ),
    "async_updates": Fixed(False, "gradients of workers belong to A3C now"),
    "reward_filter": Fixed("NoFilter", "RLlib's new API stack filters observations only"),
    "return_proc_mode": Fixed("centered_rank", "ES ranks returns"),
    "episode_cutoff_mode": Fixed("env_default", "episodes end by the environment, or by `horizon`"),
    "vtrace": Fixed(True, "RLlib always corrects by V-trace", ("APPO", "IMPALA")),
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
#: Keys of `config.model` that are accepted without effect -> why.
MODEL_IGNORED: Mapping[str, str] = {
    "channel_major": "RLlib orders an image's axes itself",
    **each(
        """
        _disable_action_flattening _disable_preprocessor_api _time_major
        _use_default_native_models
        """,
        _NEW_STACK,
    ),
    **each("squash_to_range state_shape always_check_shapes", _GONE),
}
#: Keys of `config.replay_buffer_config` that are accepted without effect -> why.
REPLAY_IGNORED: Mapping[str, str] = {
    "prioritized_replay_eps": IGNORED["prioritized_replay_eps"],
    **each("_enable_replay_buffer_api replay_mode storage_unit", _NEW_STACK),
}

_ONE_AGENT = "is for several agents; the environments here have one"
_PYTHON = "is a Python object, which a spec does not hold"
_CONSTANT_BETA = "RLlib's beta is constant (`prioritized_replay_beta`)"
_NO_SEQUENCES = "RLlib's replay buffer of today holds episodes, and samples single steps from them"
#: Keys that had an effect and have no counterpart -> why. They are an error, unless their value is
#: `null` or `false`.
REFUSED: Mapping[str, str] = {
    "optimizer_class": (
        "the optimisers of 2018 are no more; the algorithm's name says how it learns"
    ),
    "optimizer_config": (
        "the optimisers of 2018 are no more; the algorithm's name says how it learns"
    ),
    "worker_side_prioritization": "new steps enter RLlib's replay buffer with the highest priority",
    "per_worker_exploration": "all env runners share one schedule of random actions",
    **each(
        """
        final_prioritized_replay_beta beta_annealing_fraction
        prioritized_replay_beta_annealing_timesteps
        """,
        _CONSTANT_BETA,
    ),
    **each("replay_batch_size replay_sequence_length", _NO_SEQUENCES),
    "replay_buffer_size": "recorded data is read from its files, epoch by epoch",
    "action_noise_std": "ES perturbs the networks, and not their actions",
    **each("callbacks env_task_fn observation_fn custom_eval_function logger_creator", _PYTHON),
    **each("worker_cls rl_module_class rl_trainer_class", _PYTHON),
    "policy_graphs": _ONE_AGENT,
    **each("policies policy_mapping_fn policies_to_train count_steps_by multiagent", _ONE_AGENT),
    "algorithm_config_overrides_per_module": _ONE_AGENT,
    "rl_module_spec": "the networks are configured by `model`",
    "env": "the environment stands beside `config`, as the experiment's `env`",
    "observation_space": "it is the environment's",
    "action_space": "it is the environment's",
    "api_stack": _NEW_STACK,
}

#: Keys of `config.model` that had an effect and have no counterpart -> why.
MODEL_REFUSED: Mapping[str, str] = {
    **each(
        """
        custom_model custom_model_config custom_options custom_action_dist
        custom_preprocessor
        """,
        "was for models of RLlib's old API stack; today's are RLModules",
    ),
    **each(
        """
        attention_dim attention_head_dim attention_init_gru_gate_bias
        attention_memory_inference attention_memory_training attention_num_heads
        attention_num_transformer_units attention_position_wise_mlp_dim
        attention_use_n_prev_actions attention_use_n_prev_rewards
        """,
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
