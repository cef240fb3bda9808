"""How the processes of one RLlib trial share its resources. Pure.

A trial's `resources` are those of all its processes: the one that runs the algorithm and learns,
and its workers (env runners, remote learners). Ray is given a placement group with a bundle for
each, whose sum is exactly what the spec says: workers are actors, and without a group they would
wait for CPUs that the trial itself holds.
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
    """The bundles of a trial: its own process's, then one for each worker.

    The trial's own process has one CPU, the workers the rest in equal parts; where there is at most
    one CPU in all, every process has an equal part.

    Args:
        resources: The whole trial's.
        workers: Number of worker processes.
        cpu: CPUs of a worker, where the config names them; the trial's own process has the rest.
        gpu: GPUs of a worker.

    Raises:
        ResourcesError: If the workers leave nothing for the trial's own process.
    """
    if workers == 0:
        return (resources,)
    own = 1 if resources.cpu > 1 else resources.cpu / (workers + 1)
    each = math.floor((resources.cpu - own) / workers * _UNIT) / _UNIT if cpu is None else cpu
    worker = Resources(each, gpu)
    main = Resources(
        _rounded(resources.cpu - workers * each),
        _rounded(resources.gpu - workers * gpu),
        resources.memory,
    )
    if main.cpu <= 0 or main.gpu < 0 or each <= 0:
        raise ResourcesError(
            f"resources: {resources} do not hold {count(workers, 'worker')} of {worker} each beside"
            " the trial's own process"
        )
    return (main, *[worker] * workers)


def _rounded(amount: float) -> float:
    return round(amount * _UNIT) / _UNIT
