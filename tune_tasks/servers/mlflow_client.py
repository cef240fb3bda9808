"""Where MLflow's store is, and a client to it."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlparse

from tune_tasks.errors import ServiceError
from tune_tasks.model.text import one_line
from tune_tasks.model.timeouts import MLFLOW_REQUEST_S
from tune_tasks.servers.mlflow_database import (
    Schema,
    alone_with,
    database_of,
    make_aside,
    schema_of,
)

if TYPE_CHECKING:
    from mlflow.tracking import MlflowClient

_USER = re.compile(r"://[^/\s]*@(?=[^/\s@])")
_CLIENT_SETTINGS = {
    # One default call to a server that is away blocks for 246 s; we back off ourselves, and a
    # repeated create_run makes ghosts.
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "0",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": f"{MLFLOW_REQUEST_S:g}",
    "MLFLOW_DISABLE_TELEMETRY": "true",
}


def default_tracking_uri(cwd: Path) -> str:
    """`MLFLOW_TRACKING_URI`, or SQLite `mlflow.db` in the working directory.

    Local paths made absolute.
    """
    return absolute_uri(os.environ.get("MLFLOW_TRACKING_URI") or "sqlite:///mlflow.db", cwd)


def absolute_uri(uri: str, cwd: Path) -> str:
    """The URI; that of a SQLite file with its whole path."""
    path = uri.removeprefix("sqlite:///")
    if path != uri and not path.startswith("/"):
        return f"sqlite:///{cwd / path}"
    return uri


def is_local_store(uri: str) -> bool:
    """Whether only this machine can reach the store."""
    return urlparse(uri).scheme in ("", "file", "sqlite") and uri != "databricks"


def without_password(text: str) -> str:
    """A URI, or any text with URIs in it such as an error's, as it may be shown.

    Without users and passwords.
    """
    return _USER.sub("://***@", text)


def connect(uri: str) -> MlflowClient:
    """A client that gives up soon.

    A local store is initialised where it is new, which takes seconds.
    """
    for name, value in _CLIENT_SETTINGS.items():
        os.environ.setdefault(name, value)
    from mlflow.tracking import MlflowClient

    if (database := database_of(uri)) is None:
        return MlflowClient(uri)
    with alone_with(database):
        make_aside(database, lambda fresh: _open(MlflowClient(fresh)))
        client = MlflowClient(uri)
        _open(client)
    return client


def _open(client: MlflowClient) -> None:
    """Have the store opened, and its migrations run.

    Which the client alone puts off for some stores.
    """
    client.search_experiments(max_results=1)


def expect_usable(uri: str, *, writes: bool = True) -> None:
    """Look whether a local store can be used, in milliseconds.

    A tracking server may come back, and is not asked.

    Raises:
        ServiceError: If it cannot; says why and what to do.
    """
    if (database := database_of(uri)) is None:
        return
    try:
        if schema_of(database, writes=writes) is Schema.OLDER:
            connect(uri)  # takes seconds, and brings it up to date if MLflow can
    except (OSError, ValueError) as exc:
        reason = exc.strerror if isinstance(exc, OSError) and exc.strerror else exc
        raise ServiceError(f"the MLflow store {database} cannot be used: {reason}") from exc
    except Exception as exc:
        hint = (
            f"take a copy of it and run `mlflow db upgrade {uri}`; if that fails, move it away or"
            " set MLFLOW_TRACKING_URI"
        )
        reason = one_line(next(iter(str(exc).splitlines()), type(exc).__name__))
        raise ServiceError(f"the MLflow store {database} cannot be used: {reason}; {hint}") from exc


def web_address(tracking_uri: str) -> str | None:
    """The address of MLflow's pages, without a password.

    None where the tracking URI is no web address.
    """
    parsed = urlparse(tracking_uri)
    if parsed.scheme not in ("http", "https"):
        return None
    return f"{parsed.scheme}://{parsed.netloc.rpartition('@')[2]}{parsed.path.rstrip('/')}"


def run_page(environment: Mapping[str, str]) -> str | None:
    """The page of the run that MLflow's environment variables name.

    None where it has no web address.
    """
    address = web_address(environment.get("MLFLOW_TRACKING_URI", ""))
    run_id = environment.get("MLFLOW_RUN_ID")
    return (
        address + run_path(environment["MLFLOW_EXPERIMENT_ID"], run_id)
        if address and run_id
        else None
    )


def run_path(experiment_id: str, run_id: str) -> str:
    """A run's page, to be put behind the address."""
    return f"{experiment_path(experiment_id)}/{run_id}"


def experiment_path(experiment_id: str) -> str:
    """An experiment's page, to be put behind the address."""
    return f"/#/experiments/{experiment_id}/runs"
