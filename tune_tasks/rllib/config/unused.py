"""The settings that RLlib takes without using them, each with what to do instead, or why. Pure.

They were found by reading RLlib 2.60's source for uses outside of the old API stack. What only one
algorithm does not use stands in its record in the catalog.
"""

from __future__ import annotations

from collections.abc import Mapping

from tune_tasks.errors import ConfigError
from tune_tasks.rllib.config.catalog import Algorithm, Trait, names_with
from tune_tasks.rllib.config.tables import each

_OLD_STACK = "belongs to RLlib's old API stack and has no effect on the new one"
_RAY_DATA = "is for Ray Data, which a trial does without: it reads its data in its own process"
_EPISODE_BUFFER = (
    "is of RLlib's buffer of episodes; here each step of an epoch is learned from once"
)
_OBJECT = "is a Python object, which a spec does not hold"
_FAILS = "fails in RLlib 2.60"
_STORAGE = "is said by `input_` itself, e.g. s3://bucket/folder"
_OUTPUT = (
    "RLlib's recorder writes all steps anew with each sample; `tune-tasks evaluate CHECKPOINT"
    " --record FILE` records"
)
_DATA_EVALUATION = (
    "RLlib evaluates on data by Ray Data, outside of a trial's `resources`; `evaluation_interval`"
    " plays the policy"
)

UNUSED: Mapping[str, str] = {
    **each(
        """
        action_mask_key adam_epsilon before_learn_on_batch categorical_distribution_temperature
        checkpoint_trainable_policies_only decay extra_python_environs_for_driver
        intrinsic_rewards_scale is_atari keep_per_episode_custom_metrics lagrangian
        lagrangian_thresh momentum off_policy_estimation_methods offline_sampling
        ope_split_batch_by_episode opt_type optimization_config postprocess_inputs
        replay_buffer_num_slots replay_proportion shuffle_buffer_size sigma0
        target_worker_clipping update_worker_filter_stats use_worker_filter_stats
        """,
        _OLD_STACK,
    ),
    **each("input_read_method_kwargs map_batches_kwargs", _RAY_DATA),
    **each(
        """
        input_read_batch_size prelearner_buffer_kwargs prelearner_use_recorded_module_states
        """,
        _EPISODE_BUFFER,
    ),
    **each("offline_data_class prelearner_buffer_class prelearner_class", _OBJECT),
    **each("bc_logstd_coeff burnin_len", _FAILS),
    **each("input_filesystem input_filesystem_kwargs", _STORAGE),
    **each(
        """
        output output_compress_columns output_config output_filesystem output_filesystem_kwargs
        output_max_file_size output_max_rows_per_file output_write_episodes output_write_method
        output_write_method_kwargs output_write_remaining_data
        """,
        _OUTPUT,
    ),
    **each(
        """
        broadcast_offline_eval_runner_states custom_resources_per_offline_eval_runner
        dataset_num_iters_per_offline_eval_runner ignore_offline_eval_runner_failures
        max_num_offline_eval_runner_restarts max_requests_in_flight_per_offline_eval_runner
        num_cpus_per_offline_eval_runner num_gpus_per_offline_eval_runner num_offline_eval_runners
        offline_eval_batch_size_per_runner offline_eval_rl_module_inference_only
        offline_eval_runner_health_probe_timeout_s offline_eval_runner_restore_timeout_s
        offline_evaluation_interval offline_evaluation_timeout_s offline_evaluation_type
        restart_failed_offline_eval_runners validate_offline_eval_runners_after_construction
        """,
        _DATA_EVALUATION,
    ),
    "num_aggregator_actors_per_learner": "its processes have no place in a trial's `resources`",
    "input_config": "`input` itself is the path, and `input_read_method` says what is read",
}
"""Settings that no algorithm uses on the new stack."""

ONLY_WITH: Mapping[str, Trait] = {
    **each("num_epochs minibatch_size shuffle_batch_per_epoch", Trait.EPOCHS),
    **each("epsilon", Trait.RANDOM_ACTIONS),
    **each(
        """
        dataset_num_iters_per_learner input_ input_compress_columns input_read_episodes
        input_read_method input_read_sample_batches input_read_schema iter_batches_kwargs
        materialize_data materialize_mapped_data prelearner_module_synch_period
        """,
        Trait.RECORDED_DATA,
    ),
    **each("ignore_final_observation", Trait.SINGLE_OBSERVATIONS),
    **each(
        """
        env_runner_state_server_max_concurrency max_requests_in_flight_per_aggregator_actor
        use_env_runner_state_server
        """,
        Trait.FED_LEARNER,
    ),
}
"""Settings that RLlib takes for every algorithm, and uses for those with a trait."""


def check_use(algorithm: Algorithm, setting: str, key: tuple[str, ...]) -> None:
    """Raise ConfigError if this algorithm takes the setting without using it."""
    reason = algorithm.unused.get(setting, UNUSED.get(setting))
    if reason is not None:
        raise ConfigError(reason, key)
    trait = ONLY_WITH.get(setting)
    if trait is not None and trait not in algorithm.traits:
        others = ", ".join(names_with(trait))
        raise ConfigError(f"has no effect on {algorithm.name}: {trait.value} ({others})", key)
