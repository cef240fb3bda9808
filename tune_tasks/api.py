"""The public functions and classes for whoever starts a sweep; `tune_tasks` exports them."""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from os import PathLike, fspath
from typing import Any, Literal, TypeGuard

from tune_tasks.errors import UsageError
from tune_tasks.flows import as_tune
from tune_tasks.results.summary import ExperimentSummary, Summary
from tune_tasks.results.trials import TrialSummary
from tune_tasks.search.observation import Fate, Observation
from tune_tasks.search.scheduler import Scheduler
from tune_tasks.search.searcher import Searcher
from tune_tasks.spec.domains import Categories, Steps, Unit
from tune_tasks.spec.schema import SCRIPT
from tune_tasks.sweep.display import make_display
from tune_tasks.sweep.launch import launch
from tune_tasks.sweep.request import Request, Session
from tune_tasks.trial.trainable import TrainFunction

__all__ = [
    "Categories",
    "Experiment",
    "ExperimentSummary",
    "Fate",
    "Observation",
    "Scheduler",
    "Searcher",
    "Steps",
    "Summary",
    "TrialSummary",
    "Unit",
    "run_experiments",
]

_OWN_FIELDS = ("name", "trainable")
"""The fields of Experiment that are not keys of a spec."""


@dataclass(frozen=True)
class Experiment:
    """One experiment, with the keys of a spec file; the trainable may be a Python callable.

    Attributes:
        name: The experiment's name.
        trainable: `train(config, status_reporter)`, or the path of a script with a function
            `train`. None if `alg` is an algorithm of RLlib's, or `config` names a script.
        env: The environment or data set; part of the trials' names.
        num_trials: Number of trials; None: the whole grid once.
        resources: `{"cpu": 1, "gpu": 0, "memory": "2GiB"}` of a trial.
        stop: Metric to bound, a number or a comparison.
        search: How the values of domains are chosen: "random", "qmc", "tpe", "gp", "cmaes",
            "nsga2" or "auto"; or `{"tpe": {"startup_trials": 16, "lag": 8}}`; or "own", by the
            `searcher` of `run_experiments`.
        try_first: What the first trials try: values of domains by dotted path; what is not named is
            drawn.
        scheduler: What ends trials early: "asha", "hyperband", "median" or "plateau"; `{"asha":
            {"grace_period": 3}}`; or a list of these.
        warm_start: What earlier sweeps teach this one, `{"from": "last", "use": "both", "top": 5}`;
            None: nothing.
        budget: What ends the sweep before all trials have ended, e.g. `{"time": "6h", "patience":
            40, "goal": 0.05}`: the first that is met.
        config: What `train()` receives; values may be `{"grid_search": [...]}`, `{"eval":
            "..."}` or a domain such as `{"uniform": [0, 1]}`.
        seed: Seed of all randomness, in [0, 2**63); None: drawn.
        metric: The metric that "best" goes by.
        mode: "max" or "min".
        objectives: Several metrics, each with "max" or "min", in place of `metric` and `mode`.
        constraints: What the last report of a trial has to meet for the trial to be the best, as in
            `stop`: `{"model_size": "<= 5e6"}`.
        max_concurrent_trials: The most trials that run at once; None: as many as the cluster holds.
        max_failures: Further attempts of a trial that failed.
        retry: Rules for failures, each as a spec file has it, e.g. `{"on": "ConnectionError",
            "wait_s": 30}`.
        stop_grace_s: Seconds a trial has to end itself once it is to stop.
        checkpoint: `{"every_s": 300, "keep": 2, "keep_best": True, "log": False}`: when a trial
            writes checkpoints, and which of them are kept.
        storage: Where checkpoints, logs and what a trial leaves in its folder go from everywhere:
            an address that fsspec knows; None: the driver's machine.
        isolate: A fresh process for each trial.
        alg: "script", or an algorithm of RLlib's, such as "PPO".
        checkpoint_freq: RLlib: iterations from one checkpoint to the next; 0: none.
        checkpoint_at_end: RLlib: a checkpoint at the end of each trial.
        restore: RLlib: the folder of the checkpoint that every trial goes on from.
    """

    name: str
    trainable: TrainFunction | str | PathLike[str] | None = None
    env: str | None = None
    num_trials: int | None = None
    resources: Mapping[str, Any] = field(default_factory=dict)
    stop: Mapping[str, float | str] = field(default_factory=dict)
    search: str | Mapping[str, Any] = "random"
    try_first: Sequence[Mapping[str, Any]] = field(default_factory=list)
    scheduler: str | Mapping[str, Any] | Sequence[str | Mapping[str, Any]] | None = None
    warm_start: Mapping[str, Any] | None = None
    budget: Mapping[str, Any] = field(default_factory=dict)
    config: Mapping[str, Any] = field(default_factory=dict)
    seed: int | None = None
    metric: str | None = None
    mode: Literal["max", "min"] | None = None
    objectives: Mapping[str, Literal["max", "min"]] = field(default_factory=dict)
    constraints: Mapping[str, float | str] = field(default_factory=dict)
    max_concurrent_trials: int | None = None
    max_failures: int = 0
    retry: Sequence[Mapping[str, Any]] = field(default_factory=list)
    stop_grace_s: float = 10.0
    checkpoint: Mapping[str, Any] = field(default_factory=dict)
    storage: str | None = None
    isolate: bool = False
    alg: str = SCRIPT
    checkpoint_freq: int = 0
    checkpoint_at_end: bool = False
    restore: str | PathLike[str] | None = None

    def as_spec(self) -> dict[str, Any]:
        """Return the experiment in the form of a spec file, without its name and a callable."""
        spec: dict[str, Any] = {}
        for key in dataclasses.fields(self):
            value = getattr(self, key.name)
            if key.name not in _OWN_FIELDS and not _is_left_out(key, value):
                spec[key.name] = _as_in_a_file(value)
        if self.trainable is not None and not callable(self.trainable):
            path = fspath(self.trainable)
            spec["config"] = {**self.config, "script_file_path": path}
        return spec


def run_experiments(
    spec: str | PathLike[str] | Mapping[str, Any] | Experiment | Sequence[Experiment],
    *,
    seed: int | None = None,
    num_trials: int | None = None,
    stop: Mapping[str, float | str] | None = None,
    address: str | None = None,
    num_cpus: int | None = None,
    num_gpus: int | None = None,
    local_dir: str | PathLike[str] = "tune_results",
    storage: str | None = None,
    scheduler: Scheduler | None = None,
    searcher: Searcher | Mapping[str, Searcher] | None = None,
    display: Literal["auto", "live", "classic", "none"] = "auto",
    verbose: bool = False,
    keep_going: bool = False,
    resume: str | None = None,
    retry_failed: bool = False,
    accept_changes: bool = False,
) -> Summary:
    """Run experiments and wait for them. They run as a Prefect flow run of the calling process.

    Args:
        spec: The path of a spec file, a dict in the file's form, or experiments.
        seed: Takes the place of the experiments' own seeds, in [0, 2**63).
        num_trials: Takes the place of the experiments' own.
        stop: Criteria for every experiment, in place of its own for the same metric.
        address: Address of a Ray cluster to join. Default: `RAY_ADDRESS`, else the cluster that
            this process is connected to, else a local one is started.
        num_cpus: CPUs of a local cluster.
        num_gpus: GPUs of a local cluster.
        local_dir: Folder for the trials' files: `<local_dir>/<experiment>/<sweep>/<trial>/`.
        storage: Takes the place of the experiments' own.
        scheduler: Decides which trial is next and which ends early.
        searcher: Proposes what trials try: of all experiments with `search: own`, or by name one
            for each of them.
        display: How the status is shown on standard output.
        verbose: Show what Ray and Prefect say.
        keep_going: Run all trials even if the first three to end have failed with the same error
            before any report.
        resume: The sweep that is to go on, by its id; `last` for the last unfinished one of the
            spec.
        retry_failed: Give the failed trials of a resumed sweep another attempt.
        accept_changes: Go on with a sweep also if its spec was edited. What that no longer stands
            for is dropped; its results stay.

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
        stop=dict(stop) if stop else None,
        address=address,
        num_cpus=num_cpus,
        num_gpus=num_gpus,
        local_dir=fspath(local_dir),
        storage=storage,
        verbose=verbose,
        keep_going=keep_going,
        resume=resume,
        retry_failed=retry_failed,
        accept_changes=accept_changes,
    )
    session = Session(
        callables,
        scheduler or Scheduler(),
        make_display(display, sys.stdout),
        searcher=searcher,
    )
    try:
        return launch(request, session, as_tune)
    finally:
        session.display.close()


def _is_left_out(key: dataclasses.Field[Any], value: object) -> bool:
    if isinstance(value, (Mapping, list, tuple)):
        return not value and key.default is dataclasses.MISSING
    return value is None or value is key.default


def _as_in_a_file(value: object) -> object:
    if isinstance(value, Mapping):
        return dict(value)
    if isinstance(value, PathLike):
        return fspath(value)
    return value


def _parts(spec: object) -> tuple[dict[str, Any] | None, str | None, dict[str, TrainFunction]]:
    """Return the spec as data or as a path, and the callables by experiment."""
    if isinstance(spec, Mapping):
        return dict(spec), None, {}
    if isinstance(spec, (str, PathLike)):
        return None, fspath(spec), {}
    experiments = _experiments(spec)
    data = {experiment.name: experiment.as_spec() for experiment in experiments}
    callables = {e.name: e.trainable for e in experiments if callable(e.trainable)}
    return data, None, callables


def _experiments(spec: object) -> Sequence[Experiment]:
    experiments = [spec] if isinstance(spec, Experiment) else spec
    if not _are_experiments(experiments):
        raise UsageError(
            "expected the path of a spec, a dict, or a list of Experiment, got"
            f" {type(spec).__name__}"
        )
    _expect_distinct_names(experiments)
    for experiment in experiments:
        _expect_one_of_both(experiment)
    return experiments


def _expect_distinct_names(experiments: Sequence[Experiment]) -> None:
    seen = set()
    for experiment in experiments:
        if experiment.name in seen:
            raise UsageError(f"two experiments have the name {experiment.name!r}")
        seen.add(experiment.name)


def _are_experiments(experiments: object) -> TypeGuard[Sequence[Experiment]]:
    if not isinstance(experiments, Sequence):
        return False
    return all(isinstance(experiment, Experiment) for experiment in experiments)


def _expect_one_of_both(experiment: Experiment) -> None:
    if experiment.trainable is not None and experiment.alg != SCRIPT:
        raise UsageError(
            f"experiment {experiment.name!r} has a trainable and alg={experiment.alg!r}: an"
            " algorithm of RLlib's needs no trainable, leave out one of both"
        )
