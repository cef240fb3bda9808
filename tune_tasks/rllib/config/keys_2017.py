"""The names of algorithms, keys and metrics from Ray Tune 2017 to RLlib 2.60. Data only.

Sources: the `DEFAULT_CONFIG`s of ray 0.2.2 (2017) to 1.13 and their `models/catalog.py`, the
`AlgorithmConfig`s of 2.3 and 2.9. `docs/rllib-config-keys.md` is the same table for people.

A few names had their meaning for some algorithms only. Those algorithms are named here (`only`),
and not in the catalog, because the names are long gone: a new algorithm never has one.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any

from tune_tasks.rllib.config.tables import each


class Part(Enum):
    """The part of an algorithm that a key sets."""

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
    """The thing that a key sets.

    Attributes:
        part: The part of the algorithm.
        name: The name in that part.
        only: The algorithms for which the key has this meaning; empty for all.
        convert: Turns the value in the spec into the value in that part.
    """

    part: Part
    name: str
    only: tuple[str, ...] = ()
    convert: Callable[[Any], Any] = lambda value: value


def _setting(name: str, *only: str, convert: Callable[[Any], Any] = lambda value: value) -> Place:
    return Place(Part.SETTING, name, only, convert)


def absolute(value: Any) -> Any:
    """The absolute value of a number; other values are left for the check of their type."""
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return abs(value)
    return value


def count_of(yes: int, no: int) -> Callable[[Any], Any]:
    """A function that turns `true` and `false` into numbers, and leaves a number as it is."""

    def convert(value: Any) -> Any:
        if isinstance(value, bool):
            return yes if value else no
        return value

    return convert


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

#: Keys of `config.optimization` whose name differs today.
OPTIMIZATION_KEYS: Mapping[str, Place] = {
    "actor_learning_rate": _setting("actor_lr"),
    "critic_learning_rate": _setting("critic_lr"),
    "entropy_learning_rate": _setting("alpha_lr"),
}

#: Keys of `config.exploration_config` whose name differs today.
EXPLORATION_KEYS: Mapping[str, Place] = {
    "initial_epsilon": Place(Part.EXPLORATION, "initial"),
    "final_epsilon": Place(Part.EXPLORATION, "final"),
    "epsilon_timesteps": Place(Part.EXPLORATION, "timesteps"),
}

#: The old name of a replay buffer -> RLlib's class of today.
_BUFFERS: Mapping[str, str] = {
    "ReplayBuffer": "EpisodeReplayBuffer",
    "MultiAgentReplayBuffer": "EpisodeReplayBuffer",
    "PrioritizedReplayBuffer": "PrioritizedEpisodeReplayBuffer",
    "MultiAgentPrioritizedReplayBuffer": "PrioritizedEpisodeReplayBuffer",
}


def _todays_buffer(value: Any) -> Any:
    return _BUFFERS.get(value, value) if isinstance(value, str) else value


#: Keys of `config.replay_buffer_config` whose name or values differ today.
REPLAY_KEYS: Mapping[str, Place] = {
    "type": Place(Part.REPLAY, "type", convert=_todays_buffer),
    "prioritized_replay_alpha": Place(Part.REPLAY, "alpha"),
    "prioritized_replay_beta": Place(Part.REPLAY, "beta"),
    "min_size_for_sampling": _setting("num_steps_sampled_before_learning_starts"),
    "learning_starts": _setting("num_steps_sampled_before_learning_starts"),
}


def _initializers(old: str, new: str) -> dict[str, Place]:
    """The keys of the first weights of some layers, and of their arguments."""
    places: dict[str, Place] = {}
    for what, kind in (("weights", "kernel"), ("kernel", "kernel"), ("bias", "bias")):
        initializer = Place(Part.MODEL, f"{new}_{kind}_initializer")
        arguments = Place(Part.MODEL, f"{new}_{kind}_initializer_kwargs")
        places[f"{old}_{what}_initializer"] = initializer
        places[f"{old}_{what}_initializer_config"] = arguments
    return places


#: Keys of `config.model` whose name differs in RLlib's `DefaultModelConfig`.
MODEL_KEYS: Mapping[str, Place] = {
    "dim": Place(Part.ENVIRONMENT, "dim"),
    "hidden_activation": Place(Part.MODEL, "fcnet_activation"),
    "hidden_layer_sizes": Place(Part.MODEL, "fcnet_hiddens"),
    "grayscale": Place(Part.ENVIRONMENT, "grayscale"),
    "zero_mean": Place(Part.ENVIRONMENT, "zero_mean"),
    "framestack": Place(Part.ENVIRONMENT, "framestack", convert=count_of(4, 1)),
    "extra_frameskip": Place(Part.ENVIRONMENT, "frame_repeat"),
    "post_fcnet_hiddens": Place(Part.MODEL, "head_fcnet_hiddens"),
    "post_fcnet_activation": Place(Part.MODEL, "head_fcnet_activation"),
    **_initializers("fcnet", "fcnet"),
    **_initializers("post_fcnet", "head_fcnet"),
    **_initializers("conv", "conv"),
    **_initializers("lstm", "lstm"),
}

TWO_MODELS = ("Q_model", "policy_model", "q_model_config", "policy_model_config")
"""SAC's names of 2020 for the models of its networks, and the names that RLlib gave them later."""

WITH_TWO_MODELS = ("SAC", "CQL")
"""The algorithms that had those two models."""

#: Algorithms that RLlib no longer has -> what to run in their place.
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
    **each("MAML MBMPO DT QMIX APEX_QMIX MADDPG contrib/MADDPG AlphaStar AlphaZero", ""),
    **each("contrib/AlphaZero LeelaChessZero SlateQ BanditLinUCB BanditLinTS RandomAgent", ""),
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
