"""Reads what has come out of a sweep, from everywhere that tells of it."""

from __future__ import annotations

import json
import os
import sqlite3
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest import mock

from tests.faults.invariants import wrong_decisions, wrong_reports
from tests.faults.sweeps import EXPERIMENT, Command
from tune_tasks.commands.best_spec import best_spec
from tune_tasks.model.checkpoint_manifest import verified
from tune_tasks.model.trial_key import key_of
from tune_tasks.sweep.past import past_sweep

_FINAL = {"COMPLETED", "FAILED", "CRASHED", "CANCELLED"}


@dataclass(frozen=True)
class TrialResult:
    """What came out of a trial, in one of the places that tell of it.

    Attributes:
        state: How it ended.
        reports: Its reports' steps and loss, in order.
    """

    state: str
    reports: tuple[tuple[int, float], ...]


Results = dict[str, TrialResult]
"""By the trials' names."""


@dataclass(frozen=True)
class Found:
    """What came out of a sweep.

    Attributes:
        files: As the files have it.
        mlflow: As MLflow has it.
        best: The best trial as `show` and `best` name it, and what its checkpoint has.
        drivers: How many there were.
        attempts: How many there were, of all trials.
        wrong: What is wrong whatever was expected.
    """

    files: Results
    mlflow: Results
    best: dict[str, str]
    drivers: int
    attempts: int
    wrong: list[str]

    def differences(self, wanted: Found) -> list[str]:
        """What is not as wanted, trial by trial."""
        return [
            *_differences("files", wanted.files, self.files),
            *_differences("MLflow", wanted.mlflow, self.mlflow),
            *_differences("best", wanted.best, self.best),
        ]


def found(command: Command, server: str | None = None) -> Found:
    """Read all of it, once every process of the sweep has ended.

    Args:
        command: The sweep.
        server: The address of its MLflow server; None if it has a database of its own.
    """
    store = server or f"sqlite:///{command.folder / 'mlflow.db'}"
    # Here, because commands of their own would take as long as the sweep.
    past = past_sweep(command.journals()[0])
    document = past.document()
    experiment = document["experiments"][EXPERIMENT]
    trials = list(experiment["trials"])
    reports = {trial["name"]: _rows(trial) for trial in trials}
    files = {t["name"]: TrialResult(t["state"], _losses(reports[t["name"]])) for t in trials}
    mlflow, wrong = _in_mlflow(store)
    wrong += wrong_reports(reports, command.kind)
    wrong += wrong_decisions(past.history, command.spec)
    wrong += _unlike(trials, files, mlflow)
    wrong += _wrong_best(experiment["best"]["name"], files)
    if document["state"] != "finished":
        wrong.append(f"show: the sweep is {document['state']}")
    with mock.patch.dict(os.environ, {"MLFLOW_TRACKING_URI": store}):
        best = best_spec([EXPERIMENT], command.folder)
    return Found(
        files,
        mlflow,
        {"show": experiment["best"]["name"], **_best(best)},
        len(document["drivers"]),
        sum(len(trial["attempts"]) for trial in trials),
        wrong + wrong_in_prefect(command.prefect_home),
    )


def _differences(where: str, wanted: dict[str, Any], got: dict[str, Any]) -> list[str]:
    return [
        f"{where}: {name}: expected {wanted.get(name)}, got {got.get(name)}"
        for name in sorted(wanted.keys() | got.keys())
        if wanted.get(name) != got.get(name)
    ]


def _best(spec: str) -> dict[str, str]:
    """What `tune-tasks best` has said: the trial, its metric, and each file of its checkpoint."""
    comments = [line[2:] for line in spec.splitlines() if line.startswith("# ")]
    best = {"best": comments[0]}
    for comment in comments:
        kind, _, path = comment.partition(" ")
        if kind == "checkpoint":
            for name in verified(Path(path)).files:
                best[name] = Path(path, name).read_text()
    return best


def _rows(trial: Mapping[str, Any]) -> list[dict[str, Any]]:
    """As the file of the trial's current attempt has them."""
    lines = (Path(trial["logdir"]) / "result.json").read_text().splitlines()
    return [json.loads(line) for line in lines]


def _losses(rows: Iterable[Mapping[str, Any]]) -> tuple[tuple[int, float], ...]:
    return tuple((row["timesteps_total"], row["mean_loss"]) for row in rows)


def _unlike(trials: Iterable[Mapping[str, Any]], files: Results, mlflow: Results) -> Iterator[str]:
    """The trials that have other reports in MLflow than in their files."""
    for trial in trials:
        in_file = files[trial["name"]]
        in_mlflow = mlflow.get(key_of(EXPERIMENT, trial["index"]))
        if in_file.state != "TERMINATED" or not in_mlflow or in_mlflow.state != "FINISHED":
            yield f"{trial['name']}: it is {in_file}, and {in_mlflow} in MLflow"
        elif sorted(v for _, v in in_file.reports) != sorted(v for _, v in in_mlflow.reports):
            yield f"{trial['name']}: its reports are {in_file.reports}, {in_mlflow} in MLflow"


def _wrong_best(best: str, files: Results) -> Iterator[str]:
    least = min(files, key=lambda name: files[name].reports[-1][1])
    if best != least:
        yield f"best: {best} is named, and {least} is it"


def _in_mlflow(store: str) -> tuple[Results, list[str]]:
    """As MLflow has them, and what is wrong there."""
    from mlflow.tracking import MlflowClient

    client = MlflowClient(store)
    experiment = client.get_experiment_by_name(EXPERIMENT)
    runs = client.search_runs([experiment.experiment_id], max_results=1000)
    wrong = [f"MLflow: {r.info.run_name} is RUNNING" for r in runs if r.info.status == "RUNNING"]
    parents = [run for run in runs if run.data.tags.get("tune_tasks.role") == "sweep"]
    if len(parents) != 1:
        wrong.append(f"MLflow has {len(parents)} parent runs")
    wrong += [f"MLflow: the parent is {p.info.status}" for p in parents if not _is_finished(p)]
    standing = sorted(parents[0].data.metrics.items())
    results = {"the sweep": TrialResult(str(standing), ())}
    for run in runs:
        if run.data.tags.get("tune_tasks.role") != "trial":
            continue
        key = run.data.tags["tune_tasks.key"].rpartition("/")[0]
        if key in results:
            wrong.append(f"MLflow has two current runs of {key}")
        results[key] = TrialResult(run.info.status, _points(client, run.info.run_id))
    return results, wrong


def _is_finished(run: Any) -> bool:
    return bool(run.info.status == "FINISHED")


def _points(client: Any, run_id: str) -> tuple[tuple[int, float], ...]:
    history = client.get_metric_history(run_id, "mean_loss")
    return tuple((point.step, point.value) for point in history)


def wrong_in_prefect(home: Path) -> list[str]:
    """What is wrong in the database of our own Prefect server, which has ended."""
    with sqlite3.connect(f"file:{home / 'prefect.db'}?mode=ro", uri=True) as connection:
        wrong = []
        for kind in ("flow_run", "task_run"):
            rows = connection.execute(f"SELECT name, state_type FROM {kind}").fetchall()
            wrong += [f"Prefect: {name} is {state}" for name, state in rows if state not in _FINAL]
    return wrong
