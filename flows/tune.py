#!/usr/bin/env python3
"""The flow `tune`: runs every trial of a spec as a Prefect task on Ray, then draws a summary.

Also a script, the same command as `tune-tasks`: `./flows/tune.py -f examples/tune_mnist_ray.yaml`.
"""

from __future__ import annotations

from typing import Any

from prefect import flow
from prefect.client.schemas.objects import State

from tune_tasks.cluster.task_runner import SweepTaskRunner
from tune_tasks.sweep.execution import execute
from tune_tasks.sweep.request import Count, NumTrials, Request, Seed


@flow(name="tune", task_runner=SweepTaskRunner(), validate_parameters=True)
def tune(
    spec: dict[str, Any] | None = None,
    spec_file: str | None = None,
    num_trials: NumTrials = None,
    seed: Seed = None,
    stop: dict[str, float | str] | None = None,
    address: str | None = None,
    num_cpus: Count = None,
    num_gpus: Count = None,
    local_dir: str = "tune_results",
    storage: str | None = None,
    verbose: bool = False,
    keep_going: bool = False,
    resume: str | None = None,
    retry_failed: bool = False,
    accept_changes: bool = False,
) -> State[Any]:
    """Run every trial of a spec on Ray; watch them here, compare them in MLflow.

    Args:
        spec: The spec itself: experiments by name, each as a spec file has it.
        spec_file: Path of a spec file, YAML or JSON, on the machine that executes the run; takes
            the place of `spec`.
        num_trials: Takes the place of every experiment's `num_trials`; 1 to 1,000,000.
        seed: Takes the place of the spec's seeds; a whole number >= 0.
        stop: Criteria for every experiment, in place of its own for the same metric, e.g.
            `{"mean_accuracy": 0.99}`.
        address: Address of a Ray cluster to join. Default: `RAY_ADDRESS`, else a local one is
            started.
        num_cpus: CPUs of a local Ray cluster. Default: the machine's.
        num_gpus: GPUs of a local Ray cluster. Default: the machine's.
        local_dir: Folder for the trials' files; a relative one is in the working directory.
        storage: Where checkpoints, logs and what a trial leaves in its folder go from everywhere:
            any address that fsspec knows, such as `s3://bucket/folder`. Default: the driver's
            machine.
        verbose: Show what Ray and Prefect say.
        keep_going: Run all trials even if the first three to end have failed with the same error
            before any report.
        resume: The sweep that is to go on, by its id; `last` for the last unfinished one of the
            spec. Without a spec it goes on with its own.
        retry_failed: Give the failed trials of a resumed sweep another attempt.
        accept_changes: Go on with a sweep also if its spec was edited. What that no longer stands
            for is dropped; its results stay.

    Returns:
        Completed if every trial ended well, Failed if one ended in ERROR, Cancelled if the sweep
        was interrupted.
    """
    return execute(
        Request(
            spec=spec,
            spec_file=spec_file,
            num_trials=num_trials,
            seed=seed,
            stop=stop,
            address=address,
            num_cpus=num_cpus,
            num_gpus=num_gpus,
            local_dir=local_dir,
            storage=storage,
            verbose=verbose,
            keep_going=keep_going,
            resume=resume,
            retry_failed=retry_failed,
            accept_changes=accept_changes,
        )
    )


if __name__ == "__main__":
    import sys

    from tune_tasks.cli import main

    sys.exit(main())
