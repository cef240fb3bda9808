"""Makes a spec of the best trial that MLflow has of an experiment."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from tune_tasks.commands.best_schedule import (
    changes,
    counts_iterations,
    is_member,
    lineage,
    prolonged,
    replay,
)
from tune_tasks.model.checkpoint import CheckpointRules
from tune_tasks.model.checkpoint_folder import best_of_trial
from tune_tasks.model.files import AttemptPaths, trial_folder
from tune_tasks.model.masking import MASK, secrets_of
from tune_tasks.model.objective import Objective
from tune_tasks.model.paths import dotted
from tune_tasks.model.text import left_out
from tune_tasks.results.words import trials_text
from tune_tasks.servers.mlflow_client import default_tracking_uri
from tune_tasks.spec.reading import parse_source
from tune_tasks.spec.yaml_1_2 import dump_yaml
from tune_tasks.sweep.locate import is_script_path
from tune_tasks.tracking.mlflow_store import MlflowStore, StoredTrial
from tune_tasks.trial.depot import DepotAwayError
from tune_tasks.trial.storage_depot import StorageDepot

_LISTED = 50
"""Trials of a front that are listed one by one."""
_OF_A_SEARCH = ("num_trials", "search", "try_first", "warm_start", "budget", "scheduler", "config")
"""Keys that say nothing of a single config."""


def best_spec(
    experiments: Iterable[str],
    cwd: Path,
    *,
    wanted: Objective | None = None,
    all_sweeps: bool = False,
) -> str:
    """Return a spec with the best trial of each experiment: YAML with comments.

    Args:
        experiments: Their names.
        cwd: The working directory. The scripts are looked for in it, and the MLflow store, too, if
            no other is configured.
        wanted: What "best" goes by; None: what the experiment's last sweep went by.
        all_sweeps: Whether to look at all sweeps of an experiment, or only at its last one.

    Raises:
        UsageError: If MLflow has no such trial.
        ServiceError: If MLflow does not answer.
    """
    found = best_trials(experiments, cwd, wanted=wanted, all_sweeps=all_sweeps)
    return "\n".join(spec_of(trial, cwd) for trial in found)


def best_trials(
    experiments: Iterable[str], cwd: Path, *, wanted: Objective | None, all_sweeps: bool
) -> list[StoredTrial]:
    """Return the best trial of each experiment; see `best_spec`."""
    store = MlflowStore(default_tracking_uri(cwd))
    return [store.best_trial(name, wanted, all_sweeps=all_sweeps) for name in experiments]


def spec_of(trial: StoredTrial, cwd: Path) -> str:
    """Return the trial as a spec of one experiment; comments say where it comes from."""
    # A name may have line breaks, which would end the comment
    experiment = experiment_of(trial, cwd)
    said = [*_comments(trial), *_about_secrets(experiment)]
    comments = [" ".join(text.split()) for text in said]
    head = "".join(f"# {comment}\n" for comment in comments)
    return head + dump_yaml({trial.experiment: experiment})


def _comments(trial: StoredTrial) -> Iterator[str]:
    tags = trial.tags
    yield f"{tags['tune_tasks.trial']}: {_values(trial)}"
    yield (
        f"sweep {tags['tune_tasks.sweep']}, its trial {tags['tune_tasks.index']} with the seed"
        f" {tags['tune_tasks.seed']}"
    )
    yield from _unlike(trial)
    yield f"MLflow run {trial.run_id}"
    task_run = tags.get("prefect.task_run_id")
    if task_run:
        flow_run = tags.get("prefect.flow_run_id", "unknown")
        yield f"Prefect task run {task_run}, flow run {flow_run}"
    yield from _front(trial)
    checkpoint = best_checkpoint(trial)
    if checkpoint:
        yield f"checkpoint {checkpoint}"
    yield from _about_change(trial)
    if "script_file_path" not in trial.config:
        yield "It was a Python function: config.script_file_path is to be added"


def _about_secrets(experiment: Mapping[str, Any]) -> Iterator[str]:
    keys = ", ".join(map(dotted, secrets_of(experiment)))
    if keys:
        yield f"Secrets are not stored: write yours in place of {MASK} in {keys}"


def _unlike(trial: StoredTrial) -> Iterator[str]:
    """Yield why `--metric` may find a better trial."""
    if trial.unlike:
        metric = trial.objective.metric
        looked_at = "" if trial.front else f"; `--all --metric {metric}` looks at their trials, too"
        yield (
            f"{trial.unlike} of {trial.sweeps} sweeps left out: they went by another metric than"
            f" {metric}, or had no best trial{looked_at}"
        )


def _about_change(trial: StoredTrial) -> Iterator[str]:
    """Yield what is to be said of a config that has changed."""
    experiment = _experiment(trial)
    if not changes(experiment):
        return
    found = lineage(trial)
    steps = replay(found) if found else None
    if not found or steps is None:
        was = "a member of a population" if is_member(experiment) else "a trial with a schedule"
        yield (
            f"It was {was}: this is its last config, and it began with another."
            " How that changed is not in this spec, but in the metrics config/… of its MLflow run"
        )
    elif steps:
        yield (
            "The config changes as it did for these weights: in this trial, and before that in"
            " the trials whose checkpoints it has gone on from"
        )
    if found and steps and found.ahead:
        than = "more" if found.ahead > 0 else "less"
        all_of_them = ", and `stop` counts all of them"
        ending = all_of_them if counts_iterations(experiment.get("stop") or {}) else ""
        iterations = f"{abs(found.ahead)} iterations"
        yield f"So it was trained for {iterations} {than} than it has counted{ending}"


def _values(trial: StoredTrial) -> str:
    """Return what the trial is the best by, with its values."""
    objective = trial.objective
    if not trial.front:
        return f"{objective.metric} {trial.value:.6g} ({objective.mode})"
    knee = next(each for each in trial.front if each.run_id == trial.run_id)
    objectives = (objective, *trial.others)
    values = (f"{each.metric} {knee.values[each.metric]:.6g} ({each.mode})" for each in objectives)
    return f"{', '.join(values)}, the knee of the front"


def _front(trial: StoredTrial) -> Iterator[str]:
    if not trial.front:
        return
    yield f"The front, {trials_text(trial.front)}:"
    for each in trial.front[:_LISTED]:
        values = ", ".join(f"{name} {value:.6g}" for name, value in each.values.items())
        yield f"  {each.name}: {values} (trial {each.index} of {each.sweep})"
    yield from left_out(len(trial.front), _LISTED, "  … {} more")


def best_json(trial: StoredTrial, cwd: Path) -> dict[str, Any]:
    """Return the trial as `tune-tasks best --json` prints it."""
    objectives = (trial.objective, *trial.others)
    return {
        "trial": trial.tags["tune_tasks.trial"],
        "index": int(trial.tags["tune_tasks.index"]),
        "sweep": trial.tags["tune_tasks.sweep"],
        "mlflow_run_id": trial.run_id,
        "objectives": {each.metric: each.mode for each in objectives},
        "value": trial.value,
        "spec": experiment_of(trial, cwd),
        "front": [asdict(each) for each in trial.front],
    }


def best_checkpoint(trial: StoredTrial) -> Path | str | None:
    """Return the trial's checkpoint with the best metric: its folder, or its address in a storage.

    Returns:
        None if there is none, as far as this machine can tell.
    """
    folder = trial.tags.get("tune_tasks.logdir")
    attempt = int(trial.tags.get("tune_tasks.attempt", 1))
    if not folder:
        return None
    storage = trial.tags.get("tune_tasks.storage")
    if storage:
        return _best_in_storage(storage, Path(folder), attempt, trial.objective)
    return best_of_trial(Path(folder), attempt, trial.objective)


def _best_in_storage(
    address: str, folder: Path, attempt: int, objective: Objective
) -> Path | str | None:
    """Return the address of the best checkpoint; if the storage does not tell, of all of them."""
    of_trial = trial_folder(folder, attempt)
    of_storage = address.rpartition("/")[0] if attempt > 1 else address
    depot = StorageDepot(of_storage, of_trial, attempt, CheckpointRules())
    try:
        return depot.best(objective)
    except DepotAwayError:
        return depot.address(AttemptPaths(folder).checkpoints)


def experiment_of(trial: StoredTrial, cwd: Path) -> dict[str, Any]:
    """Return the trial's experiment with the trial's config in place of the search space.

    A config that has changed while the trial ran does so again, if it is known how.
    """
    experiment = _experiment(trial)
    found = lineage(trial) if changes(experiment) else None
    steps = replay(found) if found else None
    for key in _OF_A_SEARCH:
        experiment.pop(key, None)
    if not found or not steps:
        return {**experiment, "config": _with_script(trial.config, trial, cwd)}
    if "stop" in experiment:
        experiment["stop"] = prolonged(experiment["stop"], found)
    scheduler = {"replay": {"schedule": steps}}
    config = _with_script(found.first, trial, cwd)
    return {**experiment, "scheduler": scheduler, "config": config}


def _experiment(trial: StoredTrial) -> dict[str, Any]:
    return dict(parse_source(trial.spec_text, "spec.yaml").data[trial.experiment])


def _with_script(given: Mapping[str, Any], trial: StoredTrial, cwd: Path) -> dict[str, Any]:
    """Return a config of the trial with a script that the working directory has under this name.

    The script of the sweep may have been found beside its spec, in another folder.
    """
    config = dict(given)
    written = config.get("script_file_path")
    if not isinstance(written, str) or not is_script_path(written):
        return config
    script = Path(trial.tags.get("mlflow.source.name", ""))
    if script.is_absolute() and not (cwd / written).is_file():
        if script.is_relative_to(cwd):
            script = script.relative_to(cwd)
        config["script_file_path"] = str(script)
    return config
