"""The library: `run_experiments`, and `Experiment` for trainables that are Python callables."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from os import PathLike, fspath
from typing import Any, Literal

from tune_tasks.errors import UsageError
from tune_tasks.flows import as_tune
from tune_tasks.results.summary import Summary
from tune_tasks.search.scheduler import Scheduler
from tune_tasks.sweep.launch import launch
from tune_tasks.sweep.request import Request, Session
from tune_tasks.sweep.status import make_display
from tune_tasks.trial.trainable import TrainFunction


@dataclass(frozen=True)
class Experiment:
    """One experiment, as a spec file would have it; the trainable may be a Python callable.

    Attributes:
        name: The experiment's name.
        trainable: `train(config, status_reporter)`, or the path of a script with a function
            `train`.
        env: The environment or data set; part of the trials' names.
        num_trials: Number of trials; None: the whole grid once.
        resources: `{"cpu": 1, "gpu": 0, "memory": "2GiB"}` of a trial.
        stop: Metric to bound, a number or a comparison.
        config: What `train()` receives; values may be `{"grid_search": [...]}` or `{"eval":
            "..."}`.
        seed: Seed of all randomness, in [0, 2**63); None: drawn.
        metric: What "best" means.
        mode: "max" or "min".
        max_concurrent_trials: At most so many at once.
        max_failures: Further attempts of a trial that failed.
        stop_grace_s: Seconds a trial has to end itself once it is to stop.
        isolate: A fresh process for each trial.
    """

    name: str
    trainable: TrainFunction | str | PathLike[str]
    env: str | None = None
    num_trials: int | None = None
    resources: Mapping[str, Any] = field(default_factory=dict)
    stop: Mapping[str, float | str] = field(default_factory=dict)
    config: Mapping[str, Any] = field(default_factory=dict)
    seed: int | None = None
    metric: str | None = None
    mode: Literal["max", "min"] | None = None
    max_concurrent_trials: int | None = None
    max_failures: int = 0
    stop_grace_s: float = 10.0
    isolate: bool = False

    def as_spec(self) -> dict[str, Any]:
        """The experiment in the form of a spec file, without its name and a callable."""
        keys = {
            key: value
            for key, value in vars(self).items()
            if key not in ("name", "trainable") and value is not None
        }
        keys = {
            key: dict(value) if isinstance(value, Mapping) else value for key, value in keys.items()
        }
        if not callable(self.trainable):
            keys["config"] = {**keys["config"], "script_file_path": fspath(self.trainable)}
        return keys


def run_experiments(
    spec: str | PathLike[str] | Mapping[str, Any] | Experiment | Sequence[Experiment],
    *,
    seed: int | None = None,
    num_trials: int | None = None,
    address: str | None = None,
    num_cpus: int | None = None,
    num_gpus: int | None = None,
    local_dir: str | PathLike[str] = "tune_results",
    scheduler: Scheduler | None = None,
    display: Literal["auto", "live", "classic", "none"] = "auto",
    verbose: bool = False,
) -> Summary:
    """Run experiments and wait for them. Runs in the calling process, as a Prefect flow run.

    Args:
        spec: The path of a spec file, a dict in the file's form, or experiments.
        seed: Takes the place of the experiments' own seeds, in [0, 2**63).
        num_trials: Takes the place of the experiments' own.
        address: Of a Ray cluster to join; `RAY_ADDRESS` where it is not given; else a local one is
            started, or the one that this process is connected to is used.
        num_cpus: CPUs of a local cluster.
        num_gpus: GPUs of a local cluster.
        local_dir: Where the trials' files go: `<local_dir>/<experiment>/<sweep>/<trial>/`.
        scheduler: Decides which trial is next and which ends early.
        display: How the status is shown, on standard output.
        verbose: Show what Ray and Prefect say.

    Returns:
        Every trial's end. A trial that failed raises nothing: see `Summary.failed`. Ctrl-C ends the
        trials and returns what there is, with `interrupted` set.

    Raises:
        BadInputError: If anything in the spec or the arguments is wrong; nothing was started.
        ServiceError: If Prefect or Ray cannot be started or reached.
    """
    data, path, callables = _parts(spec)
    request = Request(
        spec=data,
        spec_file=path,
        seed=seed,
        num_trials=num_trials,
        address=address,
        num_cpus=num_cpus,
        num_gpus=num_gpus,
        local_dir=fspath(local_dir),
        verbose=verbose,
    )
    session = Session(callables, scheduler or Scheduler(), make_display(display, sys.stdout))
    try:
        return launch(request, session, as_tune)
    finally:
        session.display.close()


def _parts(spec: object) -> tuple[dict[str, Any] | None, str | None, dict[str, TrainFunction]]:
    """The spec as data or as a path, and the callables by experiment."""
    if isinstance(spec, Mapping):
        return dict(spec), None, {}
    if isinstance(spec, (str, PathLike)):
        return None, fspath(spec), {}
    experiments = [spec] if isinstance(spec, Experiment) else spec
    if not isinstance(experiments, Sequence) or not all(
        isinstance(e, Experiment) for e in experiments
    ):
        raise UsageError(
            "expected the path of a spec, a dict, or a list of Experiment, got"
            f" {type(spec).__name__}"
        )
    names = [experiment.name for experiment in experiments]
    if twice := next((name for name in names if names.count(name) > 1), None):
        raise UsageError(f"two experiments have the name {twice!r}")
    callables = {e.name: e.trainable for e in experiments if callable(e.trainable)}
    return {experiment.name: experiment.as_spec() for experiment in experiments}, None, callables
