"""Whether Prefect, MLflow and a Ray cluster can be reached, and what time they say it is."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlparse

from tune_tasks.commands.checks.clocks import clock_of_server
from tune_tasks.commands.checks.finding import Finding, ok, problem
from tune_tasks.errors import ServiceError
from tune_tasks.servers.mlflow_client import (
    default_tracking_uri,
    expect_answer,
    expect_usable,
    web_address,
    without_password,
)
from tune_tasks.servers.prefect import server_now

_ANSWER_S = 5.0
_RAY_PORT = 6379


def prefect_findings() -> Iterator[Finding]:
    """Look at the Prefect server that a sweep would use now."""
    try:
        api_url, said = server_now()
    except ServiceError as exc:
        yield problem("Prefect", str(exc), "start it, or unset PREFECT_API_URL")
        return
    yield ok("Prefect", said)
    clock = clock_of_server("Prefect", f"{api_url}/health") if api_url else None
    if clock:
        yield clock


def mlflow_findings(cwd: Path) -> Iterator[Finding]:
    """Look at the MLflow store that a sweep in this folder would use."""
    uri = default_tracking_uri(cwd)
    shown = without_password(uri)
    address = web_address(uri)
    try:
        expect_usable(uri)
        if address:
            expect_answer(uri)
    except ServiceError as exc:
        yield problem("MLflow", str(exc), "set MLFLOW_TRACKING_URI to a server that answers")
        return
    yield ok("MLflow", shown)
    clock = clock_of_server("MLflow", address) if address else None
    if clock:
        yield clock


def ray_findings(address: str | None) -> Iterator[Finding]:
    """Look at the Ray cluster that a sweep would join; nothing if it would start its own.

    Args:
        address: As for `run --address`; None: that of RAY_ADDRESS.
    """
    address = address or os.environ.get("RAY_ADDRESS")
    if address and address not in ("auto", "local"):
        yield ray_finding(address)


def ray_finding(address: str) -> Finding:
    """Whether something listens at the address of a cluster."""
    place = urlparse(address if "://" in address else f"ray://{address}")
    try:
        host, port = place.hostname or "", place.port or _RAY_PORT
        with socket.create_connection((host, port), timeout=_ANSWER_S):
            return ok("Ray", f"something listens at {address}")
    except (OSError, ValueError) as exc:
        advice = "start the cluster (ray start --head), or unset RAY_ADDRESS"
        return problem("Ray", f"nothing answers at {address} ({exc})", advice)
