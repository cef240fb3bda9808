#!/usr/bin/env python3
"""The flow `tune`: a spec is expanded into trials, each runs as a Prefect task on Ray, and a summary is drawn.

Also a script, the same command as `tune-tasks`: `./flows/tune.py -f examples/tune_mnist_ray.yaml`.
"""

from __future__ import annotations

from typing import Any

from prefect import flow
from prefect.client.schemas.objects import State

from tune_tasks import request
from tune_tasks.execution import execute
from tune_tasks.ray_runner import SweepTaskRunner


@flow(name="tune", task_runner=SweepTaskRunner(), validate_parameters=True)
def tune(
    spec: request.SpecContent = None,
    spec_file: request.SpecFile = None,
    num_trials: request.NumTrials = None,
    seed: request.Seed = None,
    stop: request.Stop = None,
    address: request.Address = None,
    num_cpus: request.NumCpus = None,
    num_gpus: request.NumGpus = None,
    local_dir: request.LocalDir = "tune_results",
    verbose: request.Verbose = False,
) -> State[Any]:
    """Run every trial of a spec on Ray; watch them here, compare them in MLflow.

    Returns:
        Completed where every trial ended well, Failed where one ended in ERROR, Cancelled where the sweep was interrupted.
    """
    return execute(
        request.Request(
            spec=spec,
            spec_file=spec_file,
            num_trials=num_trials,
            seed=seed,
            stop=stop,
            address=address,
            num_cpus=num_cpus,
            num_gpus=num_gpus,
            local_dir=local_dir,
            verbose=verbose,
        )
    )


if __name__ == "__main__":
    import sys

    from tune_tasks.cli import main

    sys.exit(main())
