"""The names that settings had before RLlib 2.60, from the Ray Tune of 2017 on, and what each is now. Data only.

Sources: the `DEFAULT_CONFIG`s of ray 0.2.2 (2017) to 0.4.0 and their `models/catalog.py`; the names that RLlib itself
renamed since then. `docs/rllib-config-keys.md` is the same table for people.
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
    """The one value that a key may still have, what is said of another, and for which algorithms; empty for all."""

    value: Any
    reason: str
    only: tuple[str, ...] = ()


def _setting(name: str, *only: str, convert: Callable[[Any], Any] = lambda value: value) -> Place:
    return Place(Part.SETTING, name, only, convert)


def absolute(value: Any) -> Any:
    """The absolute value of a number; what is none is left for the check of its type."""
    return abs(value) if isinstance(value, (int, float)) and not isinstance(value, bool) else value


def count_of(yes: int, no: int) -> Callable[[Any], Any]:
    """Turns `true` and `false` into numbers, and leaves a number as it is."""
    return lambda value: (yes if value else no) if isinstance(value, bool) else value


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
    "num_cpus_for_driver": _setting("num_cpus_for_main_process"),
    # optimisation
    "lambda": _setting("lambda_"),
    "sgd_stepsize": _setting("lr"),
    "stepsize": _setting("lr", "ES"),
    "num_sgd_iter": _setting("num_epochs"),
    "sgd_batchsize": _setting("minibatch_size"),
    "sgd_batch_size": _setting("train_batch_size_per_learner", "DQN"),
    "sgd_minibatch_size": _setting("minibatch_size"),
    "timesteps_per_batch": _setting("train_batch_size_per_learner", "PPO", "A2C", "ES", "APPO", "IMPALA"),
    "train_batch_size": _setting("train_batch_size_per_learner"),
    "batch_size": _setting("rollout_fragment_length", "A3C"),
    "entropy_coeff": _setting("entropy_coeff", convert=absolute),
    "grad_norm_clipping": _setting("grad_clip"),
    # sampling
    "min_steps_per_task": _setting("rollout_fragment_length"),
    "sample_batch_size": _setting("rollout_fragment_length"),
    "timesteps_per_iteration": _setting("min_sample_timesteps_per_iteration", "DQN"),
    "num_batches_per_iteration": Place(Part.ITERATION, "batches", ("A3C",)),
    "learning_starts": _setting("num_steps_sampled_before_learning_starts"),
    "observation_filter": Place(Part.FILTER, "observation_filter"),
    "input": _setting("input_"),
    "smoothing_num_episodes": _setting("metrics_num_episodes_for_smoothing"),
    "min_iter_time_s": _setting("min_time_s_per_iteration"),
    "recreate_failed_workers": _setting("restart_failed_env_runners"),
    "ignore_worker_failures": _setting("ignore_env_runner_failures"),
    "evaluation_num_workers": _setting("evaluation_num_env_runners"),
    "evaluation_num_episodes": _setting("evaluation_duration"),
    # ES
    "l2coeff": _setting("l2_coeff", "ES"),
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

#: Keys of `config.model` that are not called the same in RLlib's `DefaultModelConfig`.
MODEL_KEYS: Mapping[str, Place] = {
    "dim": Place(Part.ENVIRONMENT, "dim"),
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
        for old, new in {"fcnet": "fcnet", "post_fcnet": "head_fcnet", "conv": "conv", "lstm": "lstm"}.items()
        for what, kind in {
            "weights_initializer": "kernel",
            "kernel_initializer": "kernel",
            "bias_initializer": "bias",
        }.items()
        for end, new_end in {"": "", "_config": "_kwargs"}.items()
    },
}

_TENSORFLOW = "belonged to TensorFlow; the networks run on PyTorch now"
_GPUS = "the trial's `resources` say which devices it has"
#: Keys that are accepted and have no effect -> why. None of them changes what is learned.
IGNORED: Mapping[str, str] = {
    **dict.fromkeys(
        ("tf_session_args", "local_tf_session_args", "full_trace_nth_sgd_batch", "full_trace_data_load"), _TENSORFLOW
    ),
    **dict.fromkeys(("tf_debug_iteration", "tf_debug_inf_or_nan", "use_pytorch"), _TENSORFLOW),
    "write_logs": "results go to MLflow and TensorBoard in any case",
    **dict.fromkeys(("devices", "multi_gpu_optimize", "multi_gpu", "worker_resources"), _GPUS),
    "prioritized_replay_eps": "RLlib's replay buffer has a fixed smallest priority",
    "noise_size": "each worker draws its noise from a seed; there is no table of it",
    "calc_obstat_prob": "an observation filter sees every step",
    "eval_prob": "the unperturbed policy is played by RLlib's evaluation (`evaluation_interval`)",
    "snapshot_freq": "checkpoints are the experiment's `checkpoint_freq`",
}
#: Keys that have one value left.
FIXED: Mapping[str, Fixed] = {
    "dataset_num_iters_per_learner": Fixed(
        1, "target networks and schedules move once a training step of RLlib's", ("BC", "CQL", "IQL", "MARWIL")
    ),
    "use_gae": Fixed(True, "RLlib estimates advantages always so; without a critic's bias: `lambda: 1.0`", ("PPO", "APPO")),
    "async_updates": Fixed(False, "gradients of workers belong to A3C now"),
    "reward_filter": Fixed("NoFilter", "RLlib's new API stack filters observations only"),
    "return_proc_mode": Fixed("centered_rank", "ES ranks returns"),
    "episode_cutoff_mode": Fixed("env_default", "episodes end by the environment, or by `horizon`"),
    "prioritized_replay_beta_iters": Fixed(None, "RLlib's beta is constant (`prioritized_replay_beta0`)"),
}
#: The same as IGNORED, inside `config.model`.
MODEL_IGNORED: Mapping[str, str] = {"channel_major": "RLlib orders an image's axes itself"}

_ONE_AGENT = "is for several agents; the environments here have one"
#: Keys that had an effect and have no counterpart: an error with the reason.
REFUSED: Mapping[str, str] = {
    "optimizer_class": "the optimisers of 2018 are no more; the algorithm's name says how it learns",
    "optimizer_config": "the optimisers of 2018 are no more; the algorithm's name says how it learns",
    "worker_side_prioritization": "new steps enter RLlib's replay buffer with the highest priority",
    "per_worker_exploration": "all env runners share one schedule of random actions",
    **dict.fromkeys(("policies", "policy_mapping_fn", "policies_to_train", "count_steps_by", "multiagent"), _ONE_AGENT),
    "algorithm_config_overrides_per_module": _ONE_AGENT,
    "rl_module_spec": "the networks are configured by `model`",
    "env": "the environment stands beside `config`, as the experiment's `env`",
    "observation_space": "it is the environment's",
    "action_space": "it is the environment's",
    "api_stack": "all algorithms run on RLlib's new API stack",
    "enable_rl_module_and_learner": "all algorithms run on RLlib's new API stack",
    "enable_env_runner_and_connector_v2": "all algorithms run on RLlib's new API stack",
}
MODEL_REFUSED: Mapping[str, str] = {
    **dict.fromkeys(
        ("custom_model", "custom_model_config", "custom_options", "custom_action_dist", "custom_preprocessor"),
        "was for models of RLlib's old API stack; today's are RLModules",
    ),
    "use_attention": "RLlib's new API stack has no attention network; use_lstm has a memory",
    "no_final_linear": "RLlib's new API stack always ends in a linear layer",
    "lstm_use_prev_action": "RLlib's new API stack does not feed it to the LSTM",
    "lstm_use_prev_reward": "RLlib's new API stack does not feed it to the LSTM",
}
