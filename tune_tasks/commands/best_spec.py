"""`tune-tasks best`.

The best trial that MLflow has of an experiment, as a spec that runs it again.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from tune_tasks.model.masking import MASK, secrets_in
from tune_tasks.model.objective import Objective
from tune_tasks.servers.mlflow_client import default_tracking_uri
from tune_tasks.spec.search_space import dotted
from tune_tasks.spec.source import dump_yaml, parse_source
from tune_tasks.sweep.locate import is_script_path
from tune_tasks.tracking.mlflow_store import MlflowStore, StoredTrial


def best_spec(
    experiments: Iterable[str],
    cwd: Path,
    *,
    wanted: Objective | None = None,
    all_sweeps: bool = False,
) -> str:
    """A spec with the best trial of each experiment, YAML with comments.

    Args:
        experiments: Their names.
        cwd: The working directory: the MLflow store's, where none is configured, and the scripts'.
        wanted: What to go by; else what the experiment's last sweep went by.
        all_sweeps: Whether to look at all sweeps of an experiment, or the last one only.

    Raises:
        UsageError: If MLflow has no such trial.
        ServiceError: If MLflow does not answer.
    """
    store = MlflowStore(default_tracking_uri(cwd))
    found = [store.best_trial(name, wanted, all_sweeps=all_sweeps) for name in experiments]
    return "\n".join(spec_of(trial, cwd) for trial in found)


def spec_of(trial: StoredTrial, cwd: Path) -> str:
    """The trial as a spec of one experiment, with comments that say where it comes from."""
    comments = "".join(f"# {' '.join(line.split())}\n" for line in _comments(trial))
    return comments + dump_yaml({trial.experiment: experiment_of(trial, cwd)})


def _comments(trial: StoredTrial) -> Iterator[str]:
    tags, objective = trial.tags, trial.objective
    yield f"{tags['tune_tasks.trial']}: {objective.metric} {trial.value:.6g} ({objective.mode})"
    yield (
        f"sweep {tags['tune_tasks.sweep']}, its trial {tags['tune_tasks.index']} with the seed"
        f" {tags['tune_tasks.seed']}"
    )
    yield f"MLflow run {trial.run_id}"
    if task_run := tags.get("prefect.task_run_id"):
        yield f"Prefect task run {task_run}, flow run {tags.get('prefect.flow_run_id', 'unknown')}"
    if "script_file_path" not in trial.config:
        yield "It was a Python function: config.script_file_path is to be added"
    if masks := [dotted(path) for path in secrets_in(trial.config)]:
        yield (
            f"Secrets are not stored: write yours in place of {MASK} in"
            f" config.{', config.'.join(masks)}"
        )


def experiment_of(trial: StoredTrial, cwd: Path) -> dict[str, Any]:
    """The trial's experiment with the trial's config in place of the search space."""
    given: dict[str, Any] = parse_source(trial.spec_text, "spec.yaml").data[trial.experiment]
    kept = {key: value for key, value in given.items() if key not in ("num_trials", "config")}
    return {**kept, "config": _with_script(trial, cwd)}


def _with_script(trial: StoredTrial, cwd: Path) -> dict[str, Any]:
    """The config; a script that was found beside the spec is named from the working directory."""
    config, script = dict(trial.config), Path(trial.tags.get("mlflow.source.name", ""))
    written = config.get("script_file_path")
    if (
        isinstance(written, str)
        and is_script_path(written)
        and script.is_absolute()
        and not (cwd / written).is_file()
    ):
        config["script_file_path"] = str(
            script.relative_to(cwd) if script.is_relative_to(cwd) else script
        )
    return config
