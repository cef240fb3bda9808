"""Reads what sweeps have written to MLflow: the best trial, and the pages of the last sweep."""

from __future__ import annotations

import contextlib
import json
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tune_tasks.errors import ServiceError, UsageError, did_you_mean
from tune_tasks.model.files import PARAMS
from tune_tasks.model.objective import Objective
from tune_tasks.results.ranking import best_of, front_of
from tune_tasks.servers.mlflow_client import connect, expect_usable, without_password
from tune_tasks.tracking.mlflow_names import best_key, experiment_name, metric_key
from tune_tasks.tracking.mlflow_tags import (
    INFEASIBLE_TAG,
    front_in,
    objective_in,
    objectives_in,
)
from tune_tasks.tracking.mlflow_view import view_path

if TYPE_CHECKING:
    from mlflow.entities import Run

_MOST_SWEEPS = 1_000
_PAGE = 1_000


@dataclass(frozen=True)
class FrontTrial:
    """A trial of the front of several objectives, as MLflow has it.

    Attributes:
        index: The trial's, in its sweep.
        values: Of the objectives, by metric.
    """

    sweep: str
    index: int
    name: str
    run_id: str
    values: Mapping[str, float]

    def metric(self, name: str) -> float | None:
        """The value of an objective's metric."""
        return self.values.get(name)


@dataclass(frozen=True)
class StoredTrial:
    """The best trial as MLflow has it.

    Attributes:
        experiment: The experiment's name.
        objective: What the trial is the best by, of several objectives the first.
        value: The trial's value of the metric.
        run_id: MLflow's id of its run.
        config: Its resolved config.
        spec_text: The spec of its sweep, as YAML.
        tags: The tags of its run.
        others: Of several objectives, those after the first: the trial is the knee of the front.
        front: Of several objectives, the trials that no other one dominates.
        sweeps: How many sweeps were asked for.
        unlike: How many of them were left out: they name no best trial by these objectives.
    """

    experiment: str
    objective: Objective
    value: float
    run_id: str
    config: Mapping[str, Any]
    spec_text: str
    tags: Mapping[str, str]
    others: tuple[Objective, ...] = ()
    front: Sequence[FrontTrial] = ()
    sweeps: int = 1
    unlike: int = 0


class MlflowStore:
    """Reads what sweeps have written to MLflow.

    Args:
        uri: MLflow's tracking URI, absolute.

    Raises:
        UsageError: If the URI names a local store that does not exist.
        ServiceError: If the URI names a local store that cannot be used, or no store at all.
    """

    def __init__(self, uri: str) -> None:
        database = uri.removeprefix("sqlite:///")
        if database != uri and not Path(database).exists():
            raise UsageError(
                f"no MLflow store {database}: no sweep was run in this folder (or set"
                " MLFLOW_TRACKING_URI)"
            )
        expect_usable(uri, writes=False)
        self._uri = uri
        with self._telling_of_problems():
            self._client = connect(uri)

    @contextlib.contextmanager
    def _telling_of_problems(self) -> Iterator[None]:
        from mlflow.exceptions import MlflowException

        try:
            yield
        except MlflowException as exc:
            raise ServiceError(f"MLflow at {without_password(f'{self._uri}: {exc}')}") from exc

    def best_trial(
        self, experiment: str, wanted: Objective | None, *, all_sweeps: bool
    ) -> StoredTrial:
        """Return the best trial of an experiment's last sweep, or of all its sweeps.

        Args:
            experiment: The experiment's name.
            wanted: What 'best' goes by; None for what the last sweep went by.
            all_sweeps: Whether to look at all sweeps.

        Raises:
            UsageError: If there is no such experiment, no sweep in it, or no trial with the metric.
            ServiceError: If MLflow does not answer, or lacks a file of the sweep.
        """
        with self._telling_of_problems():
            return self._best_trial(experiment, wanted, all_sweeps=all_sweeps)

    def _best_trial(
        self, experiment: str, wanted: Objective | None, *, all_sweeps: bool
    ) -> StoredTrial:
        experiment_id = self._experiment_id(experiment)
        sweeps = self._sweeps([experiment_id])
        if not sweeps:
            raise UsageError(f"the MLflow experiment {experiment!r} has no sweep in it")
        if not all_sweeps:
            sweeps = sweeps[:1]
        if wanted is None:
            told = [sweep for sweep in sweeps if _tells_a_best(sweep)]
            objectives = objectives_in(told[0].data.tags) if told else ()
            if len(objectives) > 1:
                alike = [sweep for sweep in told if objectives_in(sweep.data.tags) == objectives]
                knee = self._knee(experiment, experiment_id, alike, objectives)
                return replace(knee, sweeps=len(sweeps), unlike=len(sweeps) - len(alike))
            return self._best_as_told(experiment, sweeps)
        run = self._best_by(experiment, experiment_id, sweeps, wanted)
        return self._stored(experiment, wanted, run)

    def last_views(self) -> dict[str, str]:
        """Return the paths of the pages that compare the last sweep's trials, by experiment."""
        names = {e.experiment_id: e.name for e in self._client.search_experiments()}
        sweeps = self._sweeps(list(names))
        if not sweeps:
            return {}
        last = _sweep_of(sweeps[0])
        paths = {}
        for run in sweeps:
            if _sweep_of(run) == last and objective_in(run.data.tags):
                experiment_id = run.info.experiment_id
                paths[names[experiment_id]] = view_path(experiment_id, last)
        return paths

    def _experiment_id(self, name: str) -> str:
        found = self._client.get_experiment_by_name(experiment_name(name))
        if found is None:
            names = [experiment.name for experiment in self._client.search_experiments()]
            raise UsageError(
                f"there is no MLflow experiment {name!r}{did_you_mean(name, names)} "
                f"(in {without_password(self._uri)}: {', '.join(names) or 'none'})"
            )
        return str(found.experiment_id)

    def _sweeps(self, experiment_ids: list[str]) -> list[Run]:
        """Return the parent runs of the last sweeps, the latest first."""
        runs = self._client.search_runs(
            experiment_ids,
            "tags.`tune_tasks.role` = 'sweep'",
            max_results=_MOST_SWEEPS,
            order_by=["attributes.start_time DESC"],
        )
        return list(runs)

    def _best_as_told(self, experiment: str, sweeps: Sequence[Run]) -> StoredTrial:
        """Return the best of the trials that the sweeps themselves call their best.

        The sweeps may go by different metrics: the latest sweep's metric decides.
        """
        told = [sweep for sweep in sweeps if _tells_a_best(sweep)]
        objective = objective_in(told[0].data.tags) if told else None
        if objective is None:
            which = f"{len(sweeps)} sweeps"
            if len(sweeps) == 1:
                which = f"sweep {_sweep_of(sweeps[0])}"
            raise UsageError(
                f"no trial of {experiment!r} ({which}) has a metric to go by; name one with"
                " --metric"
            )
        run_id = ""
        best: float | None = None
        alike = [sweep for sweep in told if best_key(objective) in sweep.data.metrics]
        for sweep in alike:
            value = sweep.data.metrics[best_key(objective)]
            if objective.better(value, best):
                run_id = sweep.data.tags["tune_tasks.best_run_id"]
                best = value
        stored = self._stored(experiment, objective, self._client.get_run(run_id))
        return replace(stored, sweeps=len(sweeps), unlike=len(sweeps) - len(alike))

    def _knee(
        self,
        experiment: str,
        experiment_id: str,
        sweeps: Sequence[Run],
        objectives: Sequence[Objective],
    ) -> StoredTrial:
        """Return the knee of the front of all sweeps that go by the same objectives."""
        told = (self._front_of(experiment_id, sweep, objectives) for sweep in sweeps)
        front = front_of([trial for each in told for trial in each], objectives)
        first, *others = objectives
        best = best_of(front, first, others)
        if best is None:
            raise UsageError(f"MLflow has no run any more of the trials on {experiment!r}'s front")
        stored = self._stored(experiment, first, self._client.get_run(best.run_id))
        return replace(stored, others=tuple(others), front=front)

    def _front_of(
        self, experiment_id: str, sweep: Run, objectives: Sequence[Objective]
    ) -> Iterator[FrontTrial]:
        """Yield the trials that a sweep names as its front."""
        indices = front_in(sweep.data.tags)
        of_sweep = f"tags.`tune_tasks.sweep` = '{_sweep_of(sweep)}'"
        query = f"tags.`tune_tasks.role` = 'trial' AND {of_sweep}"
        for run in self._all_runs(experiment_id, query):
            trial = _front_trial(run, objectives)
            if trial and trial.index in indices:
                yield trial

    def _all_runs(self, experiment_id: str, query: str) -> Iterator[Run]:
        token = None
        while True:
            page = self._client.search_runs(
                [experiment_id], query, max_results=_PAGE, page_token=token
            )
            yield from page
            token = page.token
            if not token:
                return

    def _best_by(
        self, experiment: str, experiment_id: str, sweeps: Sequence[Run], objective: Objective
    ) -> Run:
        """Return the run of the best of all trials that did not fail and are feasible."""
        key = metric_key(objective)
        query = "tags.`tune_tasks.role` = 'trial' AND attributes.status != 'FAILED'"
        if len(sweeps) == 1:
            query += f" AND tags.`tune_tasks.sweep` = '{_sweep_of(sweeps[0])}'"
        order = "DESC" if objective.is_greater_better else "ASC"
        runs = self._feasible([experiment_id], query, f"metrics.`{key}` {order}")
        if not runs or key not in runs[0].data.metrics:
            names = sorted({name for run in runs for name in run.data.metrics})
            has = f"it has: {', '.join(names)}" if names else "no trial ended well, and feasible"
            raise UsageError(
                f"no trial of {experiment!r} has the metric {objective.metric!r}"
                f"{did_you_mean(objective.metric, names)} ({has})"
            )
        return runs[0]

    def _feasible(self, experiment_ids: list[str], query: str, order: str) -> list[Run]:
        """Return the first page of runs that has feasible ones, without the others."""
        token = None
        while True:
            page = self._client.search_runs(
                experiment_ids, query, max_results=100, order_by=[order], page_token=token
            )
            feasible = [run for run in page if not run.data.tags.get(INFEASIBLE_TAG)]
            token = page.token
            if feasible or not token:
                return feasible

    def _stored(self, experiment: str, objective: Objective, run: Run) -> StoredTrial:
        run_id = run.info.run_id
        tags = run.data.tags
        return StoredTrial(
            experiment,
            objective,
            run.data.metrics[metric_key(objective)],
            run_id,
            config=json.loads(self._artifact(run_id, PARAMS)),
            spec_text=self._artifact(tags["mlflow.parentRunId"], "spec.yaml"),
            tags=tags,
        )

    def _artifact(self, run_id: str, name: str) -> str:
        with tempfile.TemporaryDirectory() as folder:
            path = self._client.download_artifacts(run_id, name, folder)
            return Path(path).read_text(encoding="utf-8")


def _sweep_of(run: Run) -> str:
    return str(run.data.tags["tune_tasks.sweep"])


def _tells_a_best(sweep: Run) -> bool:
    """Whether a parent run names its best trial, and still has the value that it is the best by."""
    objective = objective_in(sweep.data.tags)
    if objective is None or best_key(objective) not in sweep.data.metrics:
        return False
    return bool(sweep.data.tags.get("tune_tasks.best_run_id"))


def _front_trial(run: Run, objectives: Sequence[Objective]) -> FrontTrial | None:
    """Return the trial of a run; None if it has not a value of each objective."""
    metrics = run.data.metrics
    keys = {each.metric: metric_key(each) for each in objectives}
    if not metrics.keys() >= set(keys.values()):
        return None
    tags = run.data.tags
    return FrontTrial(
        _sweep_of(run),
        int(tags["tune_tasks.index"]),
        tags["tune_tasks.trial"],
        run.info.run_id,
        {name: metrics[key] for name, key in keys.items()},
    )
