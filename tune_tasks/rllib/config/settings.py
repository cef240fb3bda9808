"""What RLlib's config classes take on its new API stack, and which values. Pure.

Reads the classes that it is given.

A setting is a keyword of one of the methods through which RLlib wants its configs set
(`training(lr=…)`). Nothing is set past them: `update_from_dict` takes any key in silence. What
RLlib still accepts without using it is listed here, with the reason; it was found by reading RLlib
2.60's source for uses outside of the old API stack.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tune_tasks.errors import ConfigError
from tune_tasks.rllib.config.hints import Schedule, fits, words

if TYPE_CHECKING:
    from ray.rllib.algorithms.algorithm_config import AlgorithmConfig

METHODS = (
    *(
        "python_environment",
        "resources",
        "framework",
        "environment",
        "env_runners",
        "learners",
        "training",
    ),
    *("evaluation", "offline_data", "callbacks", "reporting", "checkpointing", "debugging"),
    *("fault_tolerance", "rl_module"),
)

#: The algorithms that learn from recorded data, and from nothing else.
ON_DATA = frozenset({"BC", "CQL", "IQL", "MARWIL"})

_DEPRECATED = -1  # RLlib's DEPRECATED_VALUE: the default of a keyword that is no more

_RAY_DATA = "is for Ray Data, which a trial does without: it reads its data in its own process"
_STORAGE = "is said by `input_` itself, e.g. s3://bucket/folder"
_OBJECT = "is a Python object, which a spec does not hold"
_FAILS = "fails in RLlib 2.60"
_OUTPUT = (
    "RLlib's recorder writes all steps anew with each sample; `tune-tasks evaluate CHECKPOINT"
    " --record FILE` records"
)
_DATA_EVALUATION = (
    "RLlib evaluates on data by Ray Data, outside of a trial's `resources`; `evaluation_interval`"
    " plays the policy"
)
_OLD_STACK = "belongs to RLlib's old API stack and has no effect on the new one"
#: Settings that RLlib takes and does not use on the new stack -> what to do instead.
UNUSED: Mapping[str, str] = {
    **dict.fromkeys(
        (
            *(
                "use_worker_filter_stats",
                "update_worker_filter_stats",
                "is_atari",
                "off_policy_estimation_methods",
            ),
            *(
                "ope_split_batch_by_episode",
                "keep_per_episode_custom_metrics",
                "checkpoint_trainable_policies_only",
            ),
            *(
                "extra_python_environs_for_driver",
                "shuffle_buffer_size",
                "postprocess_inputs",
                "offline_sampling",
            ),
            *(
                "action_mask_key",
                "adam_epsilon",
                "categorical_distribution_temperature",
                "before_learn_on_batch",
            ),
            *(
                "sigma0",
                "opt_type",
                "decay",
                "momentum",
                "replay_proportion",
                "replay_buffer_num_slots",
            ),
            *("target_worker_clipping", "optimization_config", "lagrangian", "lagrangian_thresh"),
            "intrinsic_rewards_scale",
        ),
        _OLD_STACK,
    ),
    "num_aggregator_actors_per_learner": "its processes have no place in a trial's `resources`",
    **dict.fromkeys(("input_read_method_kwargs", "map_batches_kwargs"), _RAY_DATA),
    **dict.fromkeys(
        (
            "prelearner_buffer_kwargs",
            "prelearner_use_recorded_module_states",
            "input_read_batch_size",
        ),
        "is of RLlib's buffer of episodes; here each step of an epoch is learned from once",
    ),
    **dict.fromkeys(("offline_data_class", "prelearner_class", "prelearner_buffer_class"), _OBJECT),
    **dict.fromkeys(("bc_logstd_coeff", "burnin_len"), _FAILS),
    **dict.fromkeys(("input_filesystem", "input_filesystem_kwargs"), _STORAGE),
    **dict.fromkeys(
        (
            *(
                "output",
                "output_config",
                "output_compress_columns",
                "output_max_file_size",
                "output_max_rows_per_file",
            ),
            *(
                "output_write_remaining_data",
                "output_write_method",
                "output_write_method_kwargs",
                "output_filesystem",
            ),
            *("output_filesystem_kwargs", "output_write_episodes"),
        ),
        _OUTPUT,
    ),
    **dict.fromkeys(
        (
            *(
                "offline_evaluation_interval",
                "offline_evaluation_type",
                "offline_eval_batch_size_per_runner",
            ),
            *(
                "offline_evaluation_timeout_s",
                "dataset_num_iters_per_offline_eval_runner",
                "num_offline_eval_runners",
            ),
            *("offline_eval_rl_module_inference_only", "num_cpus_per_offline_eval_runner"),
            *("num_gpus_per_offline_eval_runner", "custom_resources_per_offline_eval_runner"),
            *(
                "max_requests_in_flight_per_offline_eval_runner",
                "broadcast_offline_eval_runner_states",
            ),
            *(
                "validate_offline_eval_runners_after_construction",
                "restart_failed_offline_eval_runners",
            ),
            *("ignore_offline_eval_runner_failures", "max_num_offline_eval_runner_restarts"),
            *(
                "offline_eval_runner_health_probe_timeout_s",
                "offline_eval_runner_restore_timeout_s",
            ),
        ),
        _DATA_EVALUATION,
    ),
    "input_config": "`input` itself is the path, and `input_read_method` says what is read",
}
_NO_CRITIC = "BC imitates, without a value function"
_NO_ADVANTAGES = "IQL estimates advantages by its two networks"
_NO_STEPS = "RLlib's CQL does not use it"
_NO_BATCH = {
    "train_batch_size_per_learner": (
        "A3C has no train batch: a gradient is of `rollout_fragment_length` steps"
    ),
    "num_learners": "A3C applies its gradients in the trial's own process",
}
_FROM_DATA = {
    **dict.fromkeys(
        ("min_sample_timesteps_per_iteration", "rollout_fragment_length", "sample_timeout_s"),
        "it plays nothing; an iteration has `min_train_timesteps_per_iteration`",
    ),
    "num_env_runners": "it learns from data; evaluation has `evaluation_num_env_runners`",
    "num_learners": "it reads its data in the trial's own process, and learns there",
}
#: The same for one algorithm.
UNUSED_BY: Mapping[str, Mapping[str, str]] = {
    "A3C": _NO_BATCH,
    "ES": {
        "gamma": "ES ranks whole episodes by their undiscounted returns",
        **dict.fromkeys(("rollout_fragment_length", "batch_mode"), "ES plays whole episodes"),
    },
    "DreamerV3": {"lr": "DreamerV3 takes world_model_lr, actor_lr and critic_lr"},
    "BC": {
        **_FROM_DATA,
        **dict.fromkeys(("gamma", "lambda_", "vf_coeff", "beta"), _NO_CRITIC),
        **dict.fromkeys(
            ("moving_average_sqd_adv_norm_update_rate", "moving_average_sqd_adv_norm_start"),
            _NO_CRITIC,
        ),
    },
    "CQL": {
        **_FROM_DATA,
        **dict.fromkeys(
            ("n_step", "training_intensity", "num_steps_sampled_before_learning_starts"), _NO_STEPS
        ),
        "target_network_update_freq": _NO_STEPS,
        "lr": "CQL takes actor_lr, critic_lr and alpha_lr",
    },
    "MARWIL": _FROM_DATA,
    "IQL": {
        **_FROM_DATA,
        **dict.fromkeys(
            ("vf_coeff", "lambda_", "moving_average_sqd_adv_norm_update_rate"), _NO_ADVANTAGES
        ),
        "moving_average_sqd_adv_norm_start": _NO_ADVANTAGES,
        "lr": "IQL takes actor_lr, critic_lr and value_lr",
    },
    "SAC": {"lr": "SAC takes actor_lr, critic_lr and alpha_lr"},
}
_EPOCHS = "it is for algorithms that go over one train batch several times"
_FEEDS = "it is for algorithms whose learner is fed asynchronously"
_LEARNS = "it is for algorithms that learn from recorded data"
# : Settings that only some algorithms use, though RLlib takes them for each -> (those algorithms,
# what it is).
USED_BY: Mapping[str, tuple[frozenset[str], str]] = {
    "num_epochs": (frozenset({"PPO", "APPO", "IMPALA"}), _EPOCHS),
    "minibatch_size": (frozenset({"PPO", "APPO", "IMPALA"}), _EPOCHS),
    "shuffle_batch_per_epoch": (frozenset({"PPO", "APPO", "IMPALA"}), _EPOCHS),
    "epsilon": (frozenset({"DQN"}), "it is the share of random actions"),
    **dict.fromkeys(
        (
            *(
                "input_",
                "input_read_method",
                "input_read_schema",
                "input_read_episodes",
                "input_read_sample_batches",
            ),
            *(
                "input_compress_columns",
                "materialize_data",
                "materialize_mapped_data",
                "iter_batches_kwargs",
            ),
            *("prelearner_module_synch_period", "dataset_num_iters_per_learner"),
        ),
        (ON_DATA, _LEARNS),
    ),
    "ignore_final_observation": (frozenset({"BC"}), "the others learn from what a step leads to"),
    "num_aggregator_actors_per_learner": (frozenset({"APPO", "IMPALA"}), _FEEDS),
    "max_requests_in_flight_per_aggregator_actor": (frozenset({"APPO", "IMPALA"}), _FEEDS),
    "use_env_runner_state_server": (frozenset({"APPO", "IMPALA"}), _FEEDS),
    "env_runner_state_server_max_concurrency": (frozenset({"APPO", "IMPALA"}), _FEEDS),
}
_HINTS: Mapping[str, Any] = {  # where RLlib's own hint is narrower than what it takes
    "grad_clip": float | None,
    "hiddens": list[int],
    "num_cpus_per_env_runner": float,
    "num_cpus_for_main_process": float,
    "entropy_coeff": Schedule,
    "input_": str | list[str],
    **dict.fromkeys(("input_read_schema", "iter_batches_kwargs"), dict),
    "target_network_update_freq": int,
}
_CHOICES: Mapping[str, Collection[str]] = {
    "framework": ["torch"],
    "batch_mode": ["truncate_episodes", "complete_episodes"],
    "grad_clip_by": ["value", "norm", "global_norm"],
    "gym_env_vectorize_mode": ["sync", "async"],
    "evaluation_duration_unit": ["episodes", "timesteps"],
    "log_level": ["DEBUG", "INFO", "WARN", "ERROR"],
    "rollout_fragment_length": ["auto"],
    "num_cpus_per_learner": ["auto"],
    "evaluation_duration": ["auto"],
    "input_read_method": ["read_parquet", "read_json"],
    "td_error_loss_fn": ["huber", "mse"],
}

# : Settings where null is not the default and means something: no clipping, no limit, what the
# algorithm finds itself.
_NULL_HAS_A_MEANING = frozenset(
    {
        "grad_clip",
        "minibatch_size",
        "min_time_s_per_iteration",
        "sample_timeout_s",
        "target_entropy",
    }
)


@dataclass(frozen=True)
class Range:
    """The numbers from `low` to `high`; `low` itself only if it is not `open`."""

    low: float = 0
    high: float = float("inf")
    open: bool = False

    def __contains__(self, value: float) -> bool:
        return self.low <= value <= self.high and not (self.open and value == self.low)

    def __str__(self) -> str:
        if self.high == float("inf"):
            return f"more than {self.low:g}" if self.open else f"{self.low:g} or more"
        return f"{'more than ' if self.open else ''}{self.low:g} to {self.high:g}"


_POSITIVE, _COUNT, _ANY_COUNT, _SHARE = Range(open=True), Range(1), Range(0), Range(0, 1)
_RANGES: Mapping[str, Range] = {
    **dict.fromkeys(
        ("lr", "actor_lr", "critic_lr", "alpha_lr", "value_lr", "world_model_lr"), _POSITIVE
    ),
    **dict.fromkeys(
        ("grad_clip", "clip_param", "vf_clip_param", "kl_target", "temperature", "initial_alpha"),
        _POSITIVE,
    ),
    **dict.fromkeys(("sample_timeout_s", "training_intensity"), _POSITIVE),
    **dict.fromkeys(
        ("train_batch_size_per_learner", "num_epochs", "minibatch_size", "num_envs_per_env_runner"),
        _COUNT,
    ),
    **dict.fromkeys(
        ("rollout_fragment_length", "evaluation_interval", "evaluation_duration", "num_atoms"),
        _COUNT,
    ),
    **dict.fromkeys(("local_shuffle_buffer_size", "prelearner_module_synch_period"), _COUNT),
    **dict.fromkeys(("n_step", "metrics_num_episodes_for_smoothing", "hiddens"), _COUNT),
    **dict.fromkeys(
        ("num_env_runners", "num_learners", "evaluation_num_env_runners", "seed", "burn_in_len"),
        _ANY_COUNT,
    ),
    **dict.fromkeys(("target_network_update_freq", "local_shuffle_seed"), _ANY_COUNT),
    **dict.fromkeys(
        ("min_sample_timesteps_per_iteration", "min_train_timesteps_per_iteration"), _ANY_COUNT
    ),
    **dict.fromkeys(
        ("num_steps_sampled_before_learning_starts", "min_time_s_per_iteration"), _ANY_COUNT
    ),
    **dict.fromkeys(("num_cpus_per_env_runner", "num_gpus_per_env_runner"), _ANY_COUNT),
    **dict.fromkeys(
        ("kl_coeff", "vf_loss_coeff", "entropy_coeff", "vf_coeff", "num_cpus_for_main_process"),
        _ANY_COUNT,
    ),
    **dict.fromkeys(
        (
            "horizon",
            "frame_repeat",
            "framestack",
            "capacity",
            "max_timesteps",
            "max_seq_len",
            "timesteps",
        ),
        _COUNT,
    ),
    **dict.fromkeys(("fcnet_hiddens", "head_fcnet_hiddens", "lstm_cell_size"), _COUNT),
    "num_gpus_per_learner": Range(0, 1),
    **dict.fromkeys(("alpha", "beta", "fraction", "initial", "final"), _SHARE),
    "dim": Range(16, 210),
    **dict.fromkeys(("gamma", "lambda_", "tau", "gae_lambda", "epsilon", "expectile"), _SHARE),
}


@dataclass(frozen=True)
class Setting:
    """A keyword of one of a config's methods."""

    name: str
    method: str
    hint: Any


def settings_of(config_class: type[AlgorithmConfig]) -> Mapping[str, Setting]:
    """Every setting of an algorithm, by name: those of its own class first."""
    key: Any = config_class  # mypy takes a class whose type it does not follow for not hashable
    return _settings_of(key)


@functools.cache
def _settings_of(config_class: Any) -> Mapping[str, Setting]:
    found: dict[str, Setting] = {}
    for cls in config_class.__mro__:
        for method in METHODS:
            if method in vars(cls):
                for setting in _keywords(method, vars(cls)[method]):
                    found.setdefault(setting.name, setting)
    return found


def _keywords(method: str, function: Callable[..., Any]) -> list[Setting]:
    return [
        Setting(
            p.name,
            method,
            (
                _HINTS.get(p.name, p.annotation)
                if function.__module__.startswith("ray.")
                else p.annotation
            ),
        )
        for p in _signature(function).parameters.values()
        if p.name != "self"
        and p.kind is not p.VAR_KEYWORD
        and p.default is not _DEPRECATED
        and not p.name.startswith("_")
    ]


def _signature(function: Callable[..., Any]) -> inspect.Signature:
    try:
        return inspect.signature(function, eval_str=True)
    except NameError:  # a hint that is imported for type checkers only
        return inspect.signature(function)


def check_use(alg: str, setting: str, key: tuple[str, ...]) -> None:
    """Raise ConfigError if this algorithm takes the setting without using it."""
    reason = UNUSED_BY.get(alg, {}).get(setting, UNUSED.get(setting))
    if reason is not None:
        raise ConfigError(reason, key)
    algorithms, what = USED_BY.get(setting, (frozenset({alg}), ""))
    if alg not in algorithms:
        raise ConfigError(f"has no effect on {alg}: {what} ({', '.join(sorted(algorithms))})", key)


def check_value(setting: Setting, value: Any, key: tuple[str, ...]) -> None:
    """Raise ConfigError if the value is of another type, outside the range.

    Or none of the words that RLlib knows.
    """
    check_hint(setting.hint, value, key)
    choices = _CHOICES.get(setting.name)
    if choices is not None and isinstance(value, str) and value not in choices:
        raise ConfigError(f"expected {' or '.join(map(repr, choices))}, got {value!r}", key)
    check_range(setting.name, value, key)


def check_null(built: AlgorithmConfig, setting: Setting, value: Any, key: tuple[str, ...]) -> None:
    """Raise ConfigError for a null that RLlib's hint allows and its code does not.

    Nearly every hint there is `Optional`.
    """
    default = vars(built).get(setting.name, vars(built).get(f"_{setting.name}"))
    if value is None and default is not None and setting.name not in _NULL_HAS_A_MEANING:
        raise ConfigError(f"expected {words(setting.hint)}, got null", key)


def check_hint(hint: Any, value: Any, key: tuple[str, ...]) -> None:
    """Raise ConfigError if the value is of another type."""
    if not fits(value, hint):
        raise ConfigError(f"expected {words(hint)}, got {value!r}", key)


def check_range(name: str, value: Any, key: tuple[str, ...]) -> None:
    """Raise ConfigError if a number, or one in a schedule or list.

    Is outside of what the setting means.
    """
    allowed = _RANGES.get(name)
    if allowed is not None and not all(number in allowed for number in _numbers(value)):
        raise ConfigError(f"expected {allowed}, got {value!r}", key)


def _numbers(value: Any) -> list[float]:
    """The numbers that a range speaks of: of a schedule, the values and not the timesteps."""
    if isinstance(value, (list, tuple)):
        return [
            number
            for item in value
            for number in _numbers(item[-1] if isinstance(item, (list, tuple)) else item)
        ]
    return [value] if isinstance(value, (int, float)) and not isinstance(value, bool) else []
