#!/usr/bin/env python3
"""The flow `train`: trains RLlib's algorithms in trials, as the flow `tune` runs scripts.

Also a script, the same command as `tune-tasks train`:
`./flows/train.py --env=CartPole-v1 --alg=PPO`.
"""

from __future__ import annotations

from typing import Any

from prefect import flow
from prefect.client.schemas.objects import State

from tune_tasks.cluster.task_runner import SweepTaskRunner
from tune_tasks.sweep.execution import execute
from tune_tasks.sweep.request import Count, NumTrials, Request, Seed


@flow(name="train", task_runner=SweepTaskRunner(), validate_parameters=True)
def train(
    env: str | None = None,
    alg: str = "PPO",
    config: dict[str, Any] | None = None,
    stop: dict[str, float | str] | None = None,
    resources: dict[str, Any] | None = None,
    num_trials: NumTrials = None,
    checkpoint_freq: Count = None,
    restore: str | None = None,
    experiment_name: str = "default",
    spec_file: str | None = None,
    seed: Seed = None,
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
    """Train an RLlib algorithm on an environment, in as many trials as wanted.

    Watch them here, compare them in MLflow.

    Args:
        env: The environment: an id of Gymnasium, an id of 2017, or `module:Class`.
        alg: The algorithm, e.g. PPO, A3C, DQN, ES.
        config: Its settings; a value may be `{"grid_search": [...]}` or `{"eval": "..."}`.
        stop: Criteria that end a trial, e.g. `{"episode_reward_mean": 200, "time_total_s": 180}`.
        resources: What each trial occupies, its workers included, e.g. `{"cpu": 2}`.
        num_trials: Number of trials. Default: the whole grid once.
        checkpoint_freq: Iterations from one checkpoint to the next; there is one at the end, too.
            Default: no checkpoints.
        restore: Folder of the checkpoint that every trial goes on from.
        experiment_name: Name of the experiment in MLflow and of its folder.
        spec_file: Path of a spec file, on the machine that executes the run; in place of all the
            above, except for `num_trials` and `stop`, which take the place of the file's.
        seed: Seed of all randomness, in place of the spec's.
        address: Address of a Ray cluster to join. Default: `RAY_ADDRESS`, else a local one is
            started.
        num_cpus: CPUs of a local Ray cluster. Default: the machine's.
        num_gpus: GPUs of a local Ray cluster. Default: the machine's.
        local_dir: Folder for the trials' files; a relative one is in the working directory.
        storage: Where checkpoints, logs and what a trial leaves in its folder go from everywhere:
            any address that fsspec knows, such as `s3://bucket/folder`. Default: the driver's
            machine.
        verbose: Show what Ray, RLlib and Prefect say.
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
    keys: dict[str, Any] = {
        "alg": alg,
        "env": env,
        "config": config,
        "stop": stop,
        "resources": resources,
        "checkpoint_freq": checkpoint_freq,
        "restore": restore,
    }
    experiment = {key: value for key, value in keys.items() if value is not None}
    resumes_its_own = resume is not None and env is None
    return execute(
        Request(
            spec=None if spec_file or resumes_its_own else {experiment_name: experiment},
            spec_file=spec_file,
            num_trials=num_trials,
            seed=seed,
            stop=stop if spec_file else None,
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

    sys.argv.insert(1, "train")
    sys.exit(main())
