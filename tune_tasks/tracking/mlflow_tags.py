"""The tags of a sweep's runs in MLflow, and the note of its parent run."""

from __future__ import annotations

import getpass
import json
from collections.abc import Iterable, Mapping, Sequence

from tune_tasks.model.attempt import AttemptInfo
from tune_tasks.model.code_version import CodeVersion
from tune_tasks.model.objective import Mode, Objective
from tune_tasks.model.trial import EndedBy, Outcome
from tune_tasks.results.report import ReportPaths, without_pictures
from tune_tasks.results.summary import ExperimentSummary
from tune_tasks.tracking.info import ExperimentInfo, SweepInfo
from tune_tasks.tracking.mlflow_renaming import renamed, renaming_note
from tune_tasks.tracking.mlflow_runs import TAG_LENGTH
from tune_tasks.tracking.mlflow_view import ALL_RUNS, ALL_SWEEPS, FATE, list_path, view_path

REPORT = "report"
"""The folder of the report among a parent run's artifacts."""

_FATES = {
    EndedBy.CANCELLED: "cancelled",
    EndedBy.SCHEDULER: "stopped early",
    EndedBy.PAUSED: "paused",
    EndedBy.ERROR: "failed",
    EndedBy.NO_SPACE: "failed",
}
INFEASIBLE_TAG = "tune_tasks.infeasible"
"""Of a trial's run: by what it is infeasible; empty if it is not."""
FRONT_TAG = "tune_tasks.front"
"""Of a parent run with several objectives: the indices of the trials on the front."""
_OBJECTIVES_TAG = "tune_tasks.objectives"
_METRIC_TAG = "tune_tasks.metric"
_MODE_TAG = "tune_tasks.mode"
_FENCE = "\n```"


def sweep_tags(sweep: SweepInfo, info: ExperimentInfo) -> dict[str, str]:
    """Return the tags of a sweep's parent run in an experiment."""
    return {
        "mlflow.note.content": _links({"Flow run in Prefect": sweep.flow_run_url}),
        **_source_tags(info),
        "tune_tasks.role": "sweep",
        "tune_tasks.num_trials": str(info.num_trials),
        "tune_tasks.logdir": str(info.folder),
        "prefect.flow_run_id": sweep.flow_run_id,
        "prefect.url": sweep.flow_run_url,
    }


def attempt_tags(
    sweep: SweepInfo, info: AttemptInfo, experiment_id: str, parent_run_id: str
) -> dict[str, str]:
    """Return the tags of an attempt's run."""
    links = {
        "Task run in Prefect": info.task_run_url,
        "flow run in Prefect": sweep.flow_run_url,
        "the sweep's trials, compared": _page(view_path(experiment_id, sweep.sweep)),
    }
    return {
        "mlflow.parentRunId": parent_run_id,
        "mlflow.note.content": _links(links),
        **_source_tags(sweep.experiments[info.trial.experiment]),
        "tune_tasks.role": "trial",
        FATE: "running",
        **({"tune_tasks.proposed_by": info.trial.proposed_by} if info.trial.proposed_by else {}),
        "tune_tasks.trial": info.trial.name,
        "tune_tasks.index": str(info.trial.index),
        "tune_tasks.attempt": str(info.attempt),
        "tune_tasks.seed": str(info.trial.seed),
        "tune_tasks.logdir": str(info.folder),
        **_storage_tags(sweep.experiments[info.trial.experiment], info),
        "prefect.flow_run_id": sweep.flow_run_id,
        "prefect.task_run_id": info.task_run_id,
        "prefect.url": info.task_run_url,
    }


def fate_tags(outcome: Outcome) -> dict[str, str]:
    """Return the tag of an attempt that has ended, by which the view tells trials apart."""
    return {FATE: _FATES.get(outcome.ended_by, "finished")}


def superseded_tags(run_id: str) -> dict[str, str]:
    """Return the tags of the run of an attempt that another one has followed.

    It no longer has the role of a trial, and hangs beneath the later one.

    Args:
        run_id: MLflow's id of the later attempt's run.
    """
    return {"tune_tasks.role": "superseded", "mlflow.parentRunId": run_id}


def _storage_tags(experiment: ExperimentInfo, info: AttemptInfo) -> dict[str, str]:
    address = experiment.address_of(info.folder)
    return {"tune_tasks.storage": address} if address else {}


def _source_tags(info: ExperimentInfo) -> dict[str, str]:
    """Return the tags that say who runs which code, as MLflow's pages show them."""
    return {
        "mlflow.user": getpass.getuser(),
        "mlflow.source.name": str(info.script or "python"),
        "mlflow.source.type": "LOCAL",
        **_code_tags(info.code),
    }


def _code_tags(code: CodeVersion | None) -> dict[str, str]:
    if code is None:
        return {}
    tags = {"tune_tasks.code_sha256": code.sha256}
    if code.git_commit:
        tags["mlflow.source.git.commit"] = code.git_commit
        tags["tune_tasks.git_dirty"] = str(code.git_dirty).lower()
    return tags


def objective_tags(objective: Objective, others: Sequence[Objective] = ()) -> dict[str, str]:
    """Return the tags by which a sweep's parent run says what 'best' goes by."""
    tags = {_METRIC_TAG: objective.metric, _MODE_TAG: objective.mode}
    if others:
        modes = {each.metric: each.mode for each in (objective, *others)}
        tags[_OBJECTIVES_TAG] = json.dumps(modes)
    return tags


def objectives_in(tags: Mapping[str, str]) -> tuple[Objective, ...]:
    """Return the objectives that a parent run's tags name: one, several, or none."""
    first = objective_in(tags)
    if _OBJECTIVES_TAG not in tags:
        return (first,) if first else ()
    modes: dict[str, Mode] = json.loads(tags[_OBJECTIVES_TAG])
    return tuple(Objective(metric, mode) for metric, mode in modes.items())


def front_tag(indices: Iterable[int]) -> str:
    """Return the tag of a front: the indices of its trials, as many as a tag holds."""
    text = ",".join(map(str, indices))
    return text if len(text) <= TAG_LENGTH else text[:TAG_LENGTH].rpartition(",")[0]


def front_in(tags: Mapping[str, str]) -> set[int]:
    """Return the indices of the trials that a parent run's tags name as its front."""
    return {int(index) for index in tags.get(FRONT_TAG, "").split(",") if index}


def objective_in(tags: Mapping[str, str]) -> Objective | None:
    """Return the objective that a parent run's tags name, or None if they name none."""
    metric = tags.get(_METRIC_TAG)
    mode = tags.get(_MODE_TAG)
    if not metric or not mode:
        return None
    return Objective(metric, "min" if mode == "min" else "max")


def sweep_note(sweep: SweepInfo, experiment_id: str, experiment: ExperimentSummary) -> str:
    """Return the description of a sweep that has ended, in Markdown."""
    links = {"Flow run in Prefect": sweep.flow_run_url}
    if experiment.metric:
        links["the trials, compared"] = _page(view_path(experiment_id, sweep.sweep))
        links["all sweeps and their trials"] = _page(list_path(experiment_id, ALL_RUNS))
        links["all sweeps, compared"] = _page(view_path(experiment_id, ALL_SWEEPS))
    parts = [_links(links)]
    changed = renamed(experiment.listed)
    if changed:
        parts.append(renaming_note(changed))
    report = ReportPaths(experiment.logdir)
    if report.text.exists():
        parts.append(without_pictures(report))
    text = "\n\n".join(part for part in parts if part).strip()
    return _cut(text, f"\n\n… the rest is in the artifact `{REPORT}/{report.text.name}`")


def _cut(text: str, ending: str) -> str:
    """Return the text as a tag holds it: whole lines, and no block of code left open."""
    if len(text) <= TAG_LENGTH:
        return text
    kept = text[: TAG_LENGTH - len(ending) - len(_FENCE)].rpartition("\n")[0]
    if kept.count("```") % 2:
        kept += _FENCE
    return kept + ending


def _page(path: str) -> str:
    """Return a link to a page of the same MLflow, wherever a browser finds MLflow: `#/…`."""
    return path.removeprefix("/")


def _links(links: Mapping[str, str]) -> str:
    """Return links in Markdown, in one line; without those that have no address."""
    return " · ".join(f"[{text}]({url})" for text, url in links.items() if url)
