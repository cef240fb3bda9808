#!/usr/bin/env python3
"""The flow `tune`: a spec is expanded into trials, each runs as a Prefect task on Ray, and a summary is drawn.

Also a script, the same command as `tune-tasks`: `./flows/tune.py -f examples/tune_mnist_ray.yaml`.
"""

from __future__ import annotations

from typing import Annotated, Any

from prefect import flow
from prefect.client.schemas.objects import State
from pydantic import Field

from tune_tasks.execution import execute
from tune_tasks.ray_runner import SweepTaskRunner
from tune_tasks.request import Request


@flow(name="tune", task_runner=SweepTaskRunner(), validate_parameters=True)
def tune(
    spec: Annotated[dict[str, Any] | None, Field(description="The spec itself: experiments by name.")] = None,
    spec_file: Annotated[str | None, Field(description="Or the path of a spec file, YAML or JSON.")] = None,
    seed: Annotated[int | None, Field(ge=0, description="Takes the place of the spec's seeds.")] = None,
    num_trials: Annotated[int | None, Field(ge=1, description="Takes the place of the spec's num_trials.")] = None,
    address: Annotated[str | None, Field(description="Address of a Ray cluster; without it a local one is started.")] = None,
    num_cpus: Annotated[int | None, Field(ge=0, description="CPUs of a local Ray cluster.")] = None,
    num_gpus: Annotated[int | None, Field(ge=0, description="GPUs of a local Ray cluster.")] = None,
    local_dir: Annotated[str, Field(description="Where the trials' files go.")] = "tune_results",
    verbose: Annotated[bool, Field(description="Show what Ray and Prefect say.")] = False,
) -> State[Any]:
    """Run every trial of a spec on Ray; watch them here, compare them in MLflow.

    Returns:
        Completed where every trial ended well, Failed where one ended in ERROR, Cancelled where the sweep was interrupted.
    """
    return execute(Request(spec, spec_file, seed, num_trials, address, num_cpus, num_gpus, local_dir, verbose))


if __name__ == "__main__":
    import sys

    from tune_tasks.cli import main

    sys.exit(main())
