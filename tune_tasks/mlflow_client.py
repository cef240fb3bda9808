"""Where MLflow's store is, and a client to it."""

from __future__ import annotations

import fcntl
import os
import re
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlparse

if TYPE_CHECKING:
    from mlflow.tracking import MlflowClient

_USER = re.compile(r"://[^/\s]*@(?=[^/\s@])")
_CLIENT_SETTINGS = {
    # One default call to a server that is away blocks for 246 s; we back off ourselves, and a repeated create_run makes ghosts.
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "0",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "20",
    "MLFLOW_DISABLE_TELEMETRY": "true",
}


def default_tracking_uri(cwd: Path) -> str:
    """`MLFLOW_TRACKING_URI`, or SQLite `mlflow.db` in the working directory; local paths made absolute."""
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
    """A URI, or any text with URIs in it such as an error's, as it may be shown: without users and passwords."""
    return _USER.sub("://***@", text)


def connect(uri: str) -> MlflowClient:
    """A client that gives up soon; a local store is initialised where it is new, which takes seconds."""
    for name, value in _CLIENT_SETTINGS.items():
        os.environ.setdefault(name, value)
    from mlflow.tracking import MlflowClient

    client = MlflowClient(uri)
    if uri.startswith("sqlite:"):
        _initialise_once(client, uri)
    return client


def _initialise_once(client: MlflowClient, uri: str) -> None:
    """Run the store's migrations in one process at a time: several at once on a fresh file crash each other."""
    database = Path(uri.removeprefix("sqlite:///"))
    with database.with_name(f".{database.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        client.search_experiments(max_results=1)
