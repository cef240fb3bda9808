"""The values that a setting takes: its type, its range, its words, and whether it can be null.

Pure.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tune_tasks.errors import ConfigError
from tune_tasks.rllib.config.hints import describe_type, matches_type
from tune_tasks.rllib.config.settings import Setting
from tune_tasks.rllib.config.tables import each

if TYPE_CHECKING:
    from ray.rllib.algorithms.algorithm_config import AlgorithmConfig

Key = tuple[str, ...]


@dataclass(frozen=True)
class Range:
    """The numbers from `low` to `high`; `low` itself only if the range is not `open`."""

    low: float = 0
    high: float = float("inf")
    open: bool = False

    def __contains__(self, value: float) -> bool:
        if self.open and value == self.low:
            return False
        return self.low <= value <= self.high

    def __str__(self) -> str:
        if self.high != float("inf"):
            more_than = "more than " if self.open else ""
            return f"{more_than}{self.low:g} to {self.high:g}"
        if self.open:
            return f"more than {self.low:g}"
        return f"{self.low:g} or more"


_POSITIVE = Range(open=True)
_FROM_0 = Range(0)
_FROM_1 = Range(1)
_SHARE = Range(0, 1)
_RANGES: Mapping[str, Range] = {
    **each("lr actor_lr critic_lr alpha_lr value_lr world_model_lr", _POSITIVE),
    **each("grad_clip clip_param vf_clip_param kl_target", _POSITIVE),
    **each("temperature initial_alpha sample_timeout_s training_intensity", _POSITIVE),
    **each("train_batch_size_per_learner num_epochs minibatch_size", _FROM_1),
    **each("num_envs_per_env_runner rollout_fragment_length", _FROM_1),
    **each("evaluation_interval evaluation_duration num_atoms", _FROM_1),
    **each("local_shuffle_buffer_size prelearner_module_synch_period", _FROM_1),
    **each("n_step metrics_num_episodes_for_smoothing hiddens", _FROM_1),
    **each("horizon frame_repeat framestack capacity max_timesteps", _FROM_1),
    **each("max_seq_len timesteps", _FROM_1),
    **each("fcnet_hiddens head_fcnet_hiddens lstm_cell_size", _FROM_1),
    **each("num_env_runners num_learners evaluation_num_env_runners", _FROM_0),
    **each("seed burn_in_len target_network_update_freq local_shuffle_seed", _FROM_0),
    **each("min_sample_timesteps_per_iteration min_train_timesteps_per_iteration", _FROM_0),
    **each("num_steps_sampled_before_learning_starts min_time_s_per_iteration", _FROM_0),
    **each("num_cpus_per_env_runner num_gpus_per_env_runner", _FROM_0),
    **each("kl_coeff vf_loss_coeff entropy_coeff vf_coeff", _FROM_0),
    **each("num_cpus_for_main_process", _FROM_0),
    **each("alpha beta fraction initial final", _SHARE),
    **each("gamma lambda_ tau gae_lambda epsilon expectile", _SHARE),
    **each("num_gpus_per_learner", _SHARE),
    **each("dim", Range(16, 210)),
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
_NULL_HAS_A_MEANING = frozenset(
    {
        "grad_clip",  # no clipping
        "minibatch_size",  # the whole batch
        "min_time_s_per_iteration",  # no least time
        "sample_timeout_s",  # no limit
        "target_entropy",  # the algorithm finds one
    }
)


def check_value(setting: Setting, value: Any, key: Key) -> None:
    """Raise ConfigError if the value has a wrong type, is out of range, or is an unknown word."""
    check_hint(setting.hint, value, key)
    choices = _CHOICES.get(setting.name)
    if choices is not None and isinstance(value, str) and value not in choices:
        raise ConfigError(f"expected {' or '.join(map(repr, choices))}, got {value!r}", key)
    check_range(setting.name, value, key)


def check_null(built: AlgorithmConfig, setting: Setting, value: Any, key: Key) -> None:
    """Raise ConfigError for a null that RLlib's hint allows and its code does not.

    Nearly every hint of RLlib's is `Optional`.
    """
    if value is not None or setting.name in _NULL_HAS_A_MEANING:
        return
    default = vars(built).get(setting.name, vars(built).get(f"_{setting.name}"))
    if default is not None:
        raise ConfigError(f"expected {describe_type(setting.hint)}, got null", key)


def check_hint(hint: Any, value: Any, key: Key) -> None:
    """Raise ConfigError if the value is of another type."""
    if not matches_type(value, hint):
        raise ConfigError(f"expected {describe_type(hint)}, got {value!r}", key)


def check_range(name: str, value: Any, key: Key) -> None:
    """Raise ConfigError if the value, or a number in it, is out of the setting's range."""
    allowed = _RANGES.get(name)
    if allowed is not None and not all(number in allowed for number in _numbers(value)):
        raise ConfigError(f"expected {allowed}, got {value!r}", key)


def _numbers(value: Any) -> Iterator[float]:
    """The numbers that a range is about: of a schedule, the values and not the timesteps."""
    if isinstance(value, (list, tuple)):
        for item in value:
            is_point = isinstance(item, (list, tuple))
            yield from _numbers(item[-1] if is_point else item)
    elif isinstance(value, (int, float)) and not isinstance(value, bool):
        yield value
