"""Finds and ends the runs in MLflow that sweeps have left running which no driver has in hand."""

from __future__ import annotations

import time
from collections.abc import Collection, Iterable, Iterator
from typing import TYPE_CHECKING

from tune_tasks.errors import ServiceError
from tune_tasks.servers.mlflow_client import connect, without_password
from tune_tasks.servers.mlflow_database import database_of
from tune_tasks.tracking.mlflow_runs import milliseconds

if TYPE_CHECKING:
    from mlflow.entities import Run
    from mlflow.tracking import MlflowClient

_PAGE = 1_000
_RUNNING = "attributes.status = 'RUNNING'"


def running_runs(uri: str, sweeps: Collection[str]) -> dict[str, list[str]]:
    """Return MLflow's ids of the runs of some sweeps that are not ended there, by sweep.

    Args:
        uri: MLflow's tracking URI, absolute.
        sweeps: The sweeps' ids.

    Raises:
        ServiceError: If MLflow does not answer.
    """
    database = database_of(uri)
    found: dict[str, list[str]] = {}
    if not sweeps or (database is not None and not database.exists()):
        return found
    try:
        for run in _running(connect(uri)):
            sweep = run.data.tags.get("tune_tasks.sweep", "")
            if sweep in sweeps:
                found.setdefault(sweep, []).append(run.info.run_id)
    except Exception as exc:
        raise ServiceError(f"MLflow at {without_password(f'{uri}: {exc}')}") from exc
    return found


def end_runs(uri: str, run_ids: Iterable[str]) -> None:
    """End runs as killed.

    Raises:
        ServiceError: If MLflow does not answer.
    """
    try:
        client = connect(uri)
        for run_id in run_ids:
            client.set_terminated(run_id, "KILLED", milliseconds(time.time()))
    except Exception as exc:
        raise ServiceError(f"MLflow at {without_password(f'{uri}: {exc}')}") from exc


def _running(client: MlflowClient) -> Iterator[Run]:
    experiments = [each.experiment_id for each in client.search_experiments()]
    token: str | None = None
    while experiments:
        page = client.search_runs(experiments, _RUNNING, max_results=_PAGE, page_token=token)
        yield from page
        token = page.token
        if not token:
            return
