"""Divides a trial's resources among its RLlib processes. Pure.

A trial's `resources` are those of all its processes: the one that runs the algorithm and learns,
and its workers (env runners, remote learners). Ray is given a placement group with a bundle for
each process, and the bundles' sum is exactly what the spec says. Without a group, the workers,
which are actors, would wait for CPUs that the trial itself holds.
"""

from __future__ import annotations

import math

from tune_tasks.errors import ResourcesError
from tune_tasks.model.trial import Resources, count

_UNIT = 10_000
"""Ray counts resources in ten-thousandths."""


def divide(
    resources: Resources, workers: int, *, cpu: float | None = None, gpu: float = 0
) -> tuple[Resources, ...]:
    """The bundles of a trial: the one of its own process, then one for each worker.

    The trial's own process has one CPU, and the workers have the rest in equal parts. If there is
    one CPU in all, or less, every process has an equal part.

    Args:
        resources: The whole trial's.
        workers: Number of worker processes.
        cpu: CPUs of a worker, if the config names them; the trial's own process has the rest.
        gpu: GPUs of a worker.

    Raises:
        ResourcesError: If the workers leave nothing for the trial's own process.
    """
    if workers == 0:
        return (resources,)
    each = _cpu_of_a_worker(resources.cpu, workers) if cpu is None else cpu
    worker = Resources(each, gpu)
    own = Resources(
        _rounded(resources.cpu - workers * each),
        _rounded(resources.gpu - workers * gpu),
        resources.memory,
    )
    if own.cpu <= 0 or own.gpu < 0 or each <= 0:
        raise ResourcesError(
            f"resources: {resources} do not hold {count(workers, 'worker')} of {worker} each beside"
            " the trial's own process"
        )
    return (own, *[worker] * workers)


def _cpu_of_a_worker(cpu: float, workers: int) -> float:
    own = 1 if cpu > 1 else cpu / (workers + 1)
    # Down to Ray's unit, so that the sum is not above the whole.
    return math.floor((cpu - own) / workers * _UNIT) / _UNIT


def _rounded(amount: float) -> float:
    return round(amount * _UNIT) / _UNIT
