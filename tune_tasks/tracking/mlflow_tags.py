"""The tags of a sweep's runs in MLflow, and the note of its parent run."""

from __future__ import annotations

import getpass
from collections.abc import Mapping

from tune_tasks.model.attempt import AttemptInfo
from tune_tasks.model.code_version import CodeVersion
from tune_tasks.results.report import ReportPaths, without_pictures
from tune_tasks.results.summary import ExperimentSummary
from tune_tasks.tracking.info import ExperimentInfo, SweepInfo
from tune_tasks.tracking.mlflow_runs import TAG_LENGTH
from tune_tasks.tracking.mlflow_view import (
    ALL_RUNS,
    ALL_SWEEPS,
    list_path,
    renamed,
    renaming_note,
    view_path,
)

REPORT = "report"
"""The folder of the report among a parent run's artifacts."""

_FENCE = "\n```"


def sweep_tags(sweep: SweepInfo, info: ExperimentInfo) -> dict[str, str]:
    """Return the tags of a sweep's parent run in an experiment."""
    return {
        "mlflow.user": getpass.getuser(),
        "mlflow.source.name": str(info.script or "python"),
        "mlflow.source.type": "LOCAL",
        "mlflow.note.content": _links({"Flow run in Prefect": sweep.flow_run_url}),
        "tune_tasks.role": "sweep",
        "tune_tasks.num_trials": str(info.num_trials),
        "tune_tasks.logdir": str(info.folder),
        "prefect.flow_run_id": sweep.flow_run_id,
        "prefect.url": sweep.flow_run_url,
        **_code_tags(info.code),
    }


def attempt_tags(
    sweep: SweepInfo, info: AttemptInfo, experiment_id: str, parent_run_id: str
) -> dict[str, str]:
    """Return the tags of an attempt's run."""
    experiment = sweep.experiments[info.trial.experiment]
    links = {
        "Task run in Prefect": info.task_run_url,
        "flow run in Prefect": sweep.flow_run_url,
        "the sweep's trials, compared": view_path(experiment_id, sweep.sweep)[1:],
    }
    return {
        "mlflow.parentRunId": parent_run_id,
        "mlflow.note.content": _links(links),
        "mlflow.user": getpass.getuser(),
        "mlflow.source.name": str(experiment.script or "python"),
        "mlflow.source.type": "LOCAL",
        **_code_tags(experiment.code),
        "tune_tasks.role": "trial",
        "tune_tasks.trial": info.trial.name,
        "tune_tasks.index": str(info.trial.index),
        "tune_tasks.attempt": str(info.attempt),
        "tune_tasks.seed": str(info.trial.seed),
        "tune_tasks.logdir": str(info.folder),
        "prefect.flow_run_id": sweep.flow_run_id,
        "prefect.task_run_id": info.task_run_id,
        "prefect.url": info.task_run_url,
    }


def _code_tags(code: CodeVersion | None) -> dict[str, str]:
    """Return the code's version; MLflow's pages show the commit's tag beside the source."""
    if code is None:
        return {}
    tags = {
        "tune_tasks.code_sha256": code.sha256,
        "mlflow.source.git.commit": code.git_commit or "",
    }
    if code.git_commit:
        tags["tune_tasks.git_dirty"] = str(code.git_dirty).lower()
    return tags


def sweep_note(sweep: SweepInfo, experiment_id: str, experiment: ExperimentSummary) -> str:
    """Return the description of a sweep that has ended, in Markdown."""
    links = {"Flow run in Prefect": sweep.flow_run_url}
    if experiment.metric:
        links["the trials, compared"] = view_path(experiment_id, sweep.sweep)[1:]
        links["all sweeps and their trials"] = list_path(experiment_id, ALL_RUNS)[1:]
        links["all sweeps, compared"] = view_path(experiment_id, ALL_SWEEPS)[1:]
    paths = ReportPaths(experiment.logdir)
    report = without_pictures(paths) if paths.text.exists() else ""
    changed = renamed(experiment.trials)
    parts = (_links(links), renaming_note(changed) if changed else "", report)
    text = "\n\n".join(part for part in parts if part).strip()
    return _cut(text, f"\n\n… the rest is in the artifact `{REPORT}/{paths.text.name}`")


def _cut(text: str, ending: str) -> str:
    """Return the text as a tag holds it: whole lines, and no block of code left open."""
    if len(text) <= TAG_LENGTH:
        return text
    kept = text[: TAG_LENGTH - len(ending) - len(_FENCE)].rpartition("\n")[0]
    if kept.count("```") % 2:
        kept += _FENCE
    return kept + ending


def _links(links: Mapping[str, str]) -> str:
    """Return links in Markdown, in one line.

    An address that begins with `#` is a page of the same MLflow.
    """
    return " · ".join(f"[{text}]({url})" for text, url in links.items() if url)
