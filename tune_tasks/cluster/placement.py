"""Tells Ray what room an attempt needs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import ray
from ray.util.scheduling_strategies import PlacementGroupSchedulingStrategy

from tune_tasks.model.trial import Resources


def remote_options(resources: Resources, *, isolate: bool) -> dict[str, Any]:
    """Return Ray's options for an attempt, for `prefect_ray.context.remote_options`.

    Args:
        resources: The attempt's.
        isolate: Whether the attempt gets a process that no other has used or will use.
    """
    options: dict[str, Any] = {"num_cpus": resources.cpu, "num_gpus": resources.gpu}
    if resources.memory:
        options["memory"] = resources.memory
    # The process of a trial with a GPU ends with it, as Ray's own default has it: a warm process
    # would keep the GPU and its memory.
    if isolate or resources.gpu:
        options["max_calls"] = 1
    # `max_calls` says only that no later task gets the process. An environment of its own keeps
    # Ray from choosing one that earlier tasks have used.
    if isolate:
        options["runtime_env"] = {"env_vars": {"TUNE_TASKS_ISOLATED": "1"}}
    return options


def reserve(bundles: Sequence[Resources]) -> Any:
    """Ask for the room of all processes of a trial at once: a placement group.

    Ray fills the group as soon as it can. Without a group, a task that waits for its own actors
    lends its CPUs to others, and the actors may never find any.
    """
    return ray.util.placement_group([_ray_resources(bundle) for bundle in bundles], strategy="PACK")


def placed_options(placement: Any, own: Resources) -> dict[str, Any]:
    """Return Ray's options for an attempt in the group's first bundle.

    Its actors go into the other bundles.
    """
    strategy = PlacementGroupSchedulingStrategy(
        placement, 0, placement_group_capture_child_tasks=True
    )
    return {"num_cpus": own.cpu, "num_gpus": own.gpu, "scheduling_strategy": strategy}


def release(placement: Any) -> None:
    """Give the room back. Ray ends whatever the trial has left running in it."""
    ray.util.remove_placement_group(placement)


def _ray_resources(resources: Resources) -> dict[str, float]:
    amounts = {"CPU": resources.cpu, "GPU": resources.gpu, "memory": resources.memory}
    return {unit: amount for unit, amount in amounts.items() if amount}
