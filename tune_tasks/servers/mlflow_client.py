"""Says where MLflow's store is, opens a client to it, and knows the addresses of its pages."""

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
    # By default one call to a server that is away blocks for 246 s, and a repeated create_run
    # leaves ghosts. The recorder tries again itself.
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "0",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": f"{MLFLOW_REQUEST_S:g}",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    # Printing it costs a request at each run's end.
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
    # A bar for each small file would stand between a command's lines.
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
}


def default_tracking_uri(cwd: Path) -> str:
    """Return `MLFLOW_TRACKING_URI`, or SQLite's `mlflow.db` in the working directory: absolute."""
    return absolute_uri(os.environ.get("MLFLOW_TRACKING_URI") or "sqlite:///mlflow.db", cwd)


def absolute_uri(uri: str, cwd: Path) -> str:
    """Return the URI; that of a SQLite file with the file's whole path."""
    path = uri.removeprefix("sqlite:///")
    if path != uri and not path.startswith("/"):
        return f"sqlite:///{cwd / path}"
    return uri


def is_local_store(uri: str) -> bool:
    """Whether only this machine can reach the store."""
    return urlparse(uri).scheme in ("", "file", "sqlite") and uri != "databricks"


def without_password(text: str) -> str:
    """Return a text without the users and passwords of the URIs in it: a URI, an error's text."""
    return _USER.sub("://***@", text)


def connect(uri: str) -> MlflowClient:
    """Return a client that gives up soon.

    A local store that does not exist yet is initialised, which takes seconds.
    """
    for name, value in _CLIENT_SETTINGS.items():
        os.environ.setdefault(name, value)
    from mlflow.tracking import MlflowClient

    database = database_of(uri)
    if database is None:
        return MlflowClient(uri)
    with alone_with(database):
        make_aside(database, lambda fresh: _open(MlflowClient(fresh)))
        client = MlflowClient(uri)
        _open(client)
    return client


def _open(client: MlflowClient) -> None:
    """Have the store opened, and its migrations run: the client itself puts that off."""
    client.search_experiments(max_results=1)


def expect_usable(uri: str, *, writes: bool = True) -> None:
    """Check in milliseconds that a local store can be used.

    A tracking server is not asked: if it is away now, it may come back.

    Raises:
        ServiceError: If the store cannot be used; says why and what to do.
    """
    database = database_of(uri)
    if database is None:
        return
    problem = f"the MLflow store {database} cannot be used"
    try:
        if schema_of(database, writes=writes) is Schema.OLDER:
            connect(uri)  # takes seconds, and brings the store up to date if MLflow can
    except OSError as exc:
        raise ServiceError(f"{problem}: {exc.strerror or exc}") from exc
    except ValueError as exc:
        raise ServiceError(f"{problem}: {exc}") from exc
    except Exception as exc:
        reason = one_line(next(iter(str(exc).splitlines()), type(exc).__name__))
        raise ServiceError(
            f"{problem}: {reason}; take a copy of it and run `mlflow db upgrade {uri}`; if that"
            " fails, move it away or set MLFLOW_TRACKING_URI"
        ) from exc


def expect_answer(uri: str) -> None:
    """Ask a store something.

    Raises:
        ServiceError: If it does not answer; says why.
    """
    try:
        connect(uri).search_experiments(max_results=1)
    except Exception as exc:
        reason = without_password(one_line(str(exc)))
        raise ServiceError(f"{without_password(uri)} does not answer: {reason}") from exc


def web_address(tracking_uri: str) -> str | None:
    """Return the address of MLflow's pages without a password; None if there are no pages."""
    parsed = urlparse(tracking_uri)
    if parsed.scheme not in ("http", "https"):
        return None
    host = parsed.netloc.rpartition("@")[2]
    return f"{parsed.scheme}://{host}{parsed.path.rstrip('/')}"


def run_page(environment: Mapping[str, str]) -> str | None:
    """Return the page of the run that MLflow's environment variables name; None if there is none.

    Args:
        environment: Environment variables.
    """
    address = web_address(environment.get("MLFLOW_TRACKING_URI", ""))
    run_id = environment.get("MLFLOW_RUN_ID")
    if not address or not run_id:
        return None
    return address + run_path(environment["MLFLOW_EXPERIMENT_ID"], run_id)


def run_path(experiment_id: str, run_id: str) -> str:
    """Return the path of a run's page, to be put behind the address."""
    return f"{experiment_path(experiment_id)}/{run_id}"


def experiment_path(experiment_id: str) -> str:
    """Return the path of an experiment's page, to be put behind the address."""
    return f"/#/experiments/{experiment_id}/runs"
