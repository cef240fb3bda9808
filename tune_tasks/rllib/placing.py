"""The shares of a trial's processes, written into its RLlib config."""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING, Any

from tune_tasks.errors import ResourcesError
from tune_tasks.model.trial import Resources
from tune_tasks.rllib.config.keys_2017 import KEYS
from tune_tasks.rllib.shares import divide

if TYPE_CHECKING:
    from ray.rllib.algorithms.algorithm_config import AlgorithmConfig

_CPUS_OF_A_WORKER = {"num_cpus_per_env_runner", "num_cpus_per_worker"}
_WORKERS_TODAY = {"num_env_runners", "num_learners", "evaluation_num_env_runners"}
_WORKERS = _WORKERS_TODAY | {old for old, place in KEYS.items() if place.name in _WORKERS_TODAY}
"""The keys of a config that say how many workers there are."""


def place(
    settings: AlgorithmConfig,
    config: Mapping[str, Any],
    resources: Resources,
    unset: Collection[str] = (),
) -> tuple[Resources, ...]:
    """Give a trial's processes their shares of its resources.

    Args:
        settings: RLlib's; the shares are written into them.
        config: The spec's; a worker's share that it names holds.
        resources: The whole trial's.
        unset: Those of `cpu` and `gpu` that nobody has named. The trial's own process then has one
            CPU, and each worker one, if `config` says how many workers there are. GPUs are then
            what `config` asks for.

    Returns:
        The bundles, the one of the trial's own process first.

    Raises:
        ResourcesError: If the resources do not suffice.
    """
    players = _players(settings)
    if "gpu" in unset:
        gpu = settings.num_gpus_per_learner + players * settings.num_gpus_per_env_runner
        resources = dataclasses.replace(resources, gpu=gpu)
    if resources.gpu and settings.num_learners:
        _keep_learner_at_home(settings, config)
    workers = players + settings.num_learners
    cpu = None
    if _CPUS_OF_A_WORKER & config.keys():
        cpu = settings.num_cpus_per_env_runner
    if "cpu" in unset and _WORKERS & config.keys():
        each = 1 if cpu is None else cpu
        resources = dataclasses.replace(resources, cpu=1 + workers * each)
    bundles = divide(resources, workers, cpu=cpu, gpu=settings.num_gpus_per_env_runner)
    _write_shares(settings, bundles)
    return bundles


def _players(settings: AlgorithmConfig) -> int:
    """The number of env runners, those of evaluation included."""
    evaluators = settings.evaluation_num_env_runners if settings.evaluation_interval else 0
    return int(settings.num_env_runners + evaluators)


def _keep_learner_at_home(settings: AlgorithmConfig, config: Mapping[str, Any]) -> None:
    """Learn in the trial's own process, which has the GPUs."""
    if "num_learners" in config:
        raise ResourcesError(
            "resources: a trial's GPUs are its own process's: with `gpu`, `num_learners` must be 0"
        )
    # IMPALA and APPO have one learner by default, which would have no GPU.
    settings.learners(num_learners=0)


def _write_shares(settings: AlgorithmConfig, bundles: tuple[Resources, ...]) -> None:
    own, *others = bundles
    if settings.num_gpus_per_learner > own.gpu and not settings.num_learners:
        raise ResourcesError(
            f"resources: config asks for {settings.num_gpus_per_learner:g} GPUs, the trial has"
            f" {own.gpu:g}"
        )
    if others:
        each: Any = others[0].cpu  # Any, because RLlib's hint says int, and it takes fractions
        settings.env_runners(num_cpus_per_env_runner=each)
        of_a_learner = each if settings.num_learners else 1
        settings.learners(num_cpus_per_learner=of_a_learner)
    if own.gpu and not settings.num_learners:
        settings.learners(num_gpus_per_learner=own.gpu)
