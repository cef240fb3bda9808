"""The files of a sweep's parent run in MLflow, each a step of its own."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tune_tasks.model.text import showable
from tune_tasks.results.report import ReportPaths
from tune_tasks.results.summary import ExperimentSummary
from tune_tasks.tracking.info import ExperimentInfo, SweepInfo
from tune_tasks.tracking.mlflow_runs import MlflowRuns
from tune_tasks.tracking.mlflow_tags import REPORT
from tune_tasks.tracking.steps import Step

if TYPE_CHECKING:
    from mlflow.tracking import MlflowClient


def files_at_begin(
    runs: MlflowRuns, run_id: str, sweep: SweepInfo, info: ExperimentInfo
) -> Iterator[Step]:
    """Yield the steps that log the spec and the script."""
    yield "spec", lambda: runs.client.log_text(run_id, sweep.spec_text, "spec.yaml")
    if info.script:
        yield "script", partial(_log_script, runs, run_id, info.script, info.script_source)


def files_at_end(runs: MlflowRuns, run_id: str, experiment: ExperimentSummary) -> Iterator[Step]:
    """Yield the steps that log the table of results and the report."""
    yield from _results(runs, run_id, experiment)
    yield from _report(runs.client, run_id, ReportPaths(experiment.logdir))


def _log_script(runs: MlflowRuns, run_id: str, script: Path, source: bytes) -> None:
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / script.name
        file.write_bytes(source)
        runs.client.log_artifact(run_id, str(file))


def _results(runs: MlflowRuns, run_id: str, experiment: ExperimentSummary) -> Iterator[Step]:
    """Yield the steps that log the table: as JSON, which MLflow's pages show, and as CSV."""
    table = experiment.dataframe().map(_encodable).rename(columns=showable)
    as_json = table.to_json(orient="split", index=False, default_handler=str)
    as_csv = table.to_csv(index=False)
    # Not by `log_table`, because that appends to a table that is there already.
    yield "results.json", lambda: runs.client.log_text(run_id, as_json, "results.json")
    yield "results.csv", lambda: runs.client.log_text(run_id, as_csv, "results.csv")
    logged = json.dumps([{"path": "results.json", "type": "table"}])
    yield "table", lambda: runs.log_tags(run_id, {"mlflow.loggedArtifacts": logged})


def _report(client: MlflowClient, run_id: str, paths: ReportPaths) -> Iterator[Step]:
    """Yield the steps that log the report's files, if it was written."""
    if paths.text.exists():
        for path in sorted(paths.folder.iterdir()):
            yield f"report {path.name}", partial(client.log_artifact, run_id, str(path), REPORT)


def _encodable(value: Any) -> Any:
    """Return a cell as it may be sent: UTF-8 cannot hold every text that a script may report."""
    return showable(value) if isinstance(value, str) else value
